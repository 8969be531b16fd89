"""Threads that hold a request beyond its deadline."""

import logging
from collections.abc import Iterator
from threading import Event, Thread

import pytest

from penstock.intake.stuck_threads import StuckThreads


@pytest.fixture
def threads() -> Iterator[list[Thread]]:
    go = Event()

    def wait_for_ever() -> None:
        go.wait()

    started = [Thread(target=wait_for_ever, name=f"stuck-{number}") for number in range(3)]
    for thread in started:
        thread.start()
    yield started
    go.set()
    for thread in started:
        thread.join()


class TestStuckThreads:
    def test_pipeline_t03_a_recycle_is_asked_for_when_there_are_many(self, threads: list[Thread]) -> None:
        reasons: list[str] = []
        stuck = StuckThreads(2, reasons.append)
        stuck.add(threads[0], "GET /a")
        assert reasons == []
        stuck.add(threads[1], "GET /a")
        stuck.add(threads[2], "GET /a")
        assert reasons == ["2 threads are stuck"]

    def test_one_that_comes_back_counts_no_more(self, threads: list[Thread]) -> None:
        reasons: list[str] = []
        stuck = StuckThreads(2, reasons.append)
        stuck.add(threads[0], "GET /a")
        stuck.discard(threads[0])
        stuck.discard(threads[0])
        stuck.add(threads[1], "GET /a")
        assert reasons == []
        assert stuck.threads == {threads[1]}

    def test_the_log_names_the_request_and_the_place(
        self, threads: list[Thread], caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING, "penstock"):
            stuck = StuckThreads(5, lambda reason: None)
            stuck.add(threads[0], "GET /slow")
            stuck.discard(threads[0])
        assert "thread stuck-0 is stuck in GET /slow" in caplog.text
        assert "wait_for_ever" in caplog.text
        assert "thread stuck-0, which was stuck, has come back" in caplog.text

    def test_one_that_has_just_ended(self, caplog: pytest.LogCaptureFixture) -> None:
        thread = Thread(target=lambda: None, name="quick")
        thread.start()
        thread.join()
        StuckThreads(5, lambda reason: None).add(thread, "GET /")
        assert "it has ended" in caplog.text
