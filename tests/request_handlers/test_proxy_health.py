"""Whether a backend is fit to be asked: by its connects, by what it answers to the question, and by time."""

import asyncio

from penstock.request_handlers.proxy_health import Health, watch
from penstock.request_handlers.proxy_place import BackendPlace
from tests.pipeline.subject import run
from tests.pipeline_gateways.wsgi_subject import wait_until
from tests.request_handlers.proxy_subject import OK, Backend, Conversation, logged, saying


class TestWithoutQuestions:
    def test_connects_that_fail_in_a_row_close_it_for_a_while(self) -> None:
        health = Health("b", interval=5, unhealthy_after=3)
        for _ in range(2):
            health.note_no_connection("refused", 0)
        health.note_connected()
        for _ in range(2):
            health.note_no_connection("refused", 10)
        assert health.is_open(10)
        with logged() as lines:
            health.note_no_connection("refused", 10)
        assert lines == ["the backend b is down, and gets no requests: refused"]
        assert not health.is_open(14.9)
        assert health.retry_after(11) == 4

    def test_a_single_request_tries_it_when_the_time_is_over(self) -> None:
        health = Health("b", interval=5, unhealthy_after=1)
        health.note_no_connection("refused", 0)
        assert health.is_open(5)
        assert not health.is_open(5), "one at a time"
        assert not health.is_open(9)
        with logged() as lines:
            health.note_connected()
        assert lines == ["the backend b is up again: it accepts connections"]
        assert health.is_open(5)


class TestWithQuestions:
    def test_good_answers_in_a_row_open_it_again(self) -> None:
        health = Health("b", path="/health", interval=5, unhealthy_after=1, healthy_after=2)
        health.note_no_connection("refused", 0)
        assert not health.is_open(1000), "it is asked, so time alone does not heal"
        health.note_connected()
        health.note_good_answer()
        health.note_bad_answer("500")
        health.note_good_answer()
        assert not health.is_open(0)
        health.note_good_answer()
        assert health.is_open(0)

    def test_connects_that_succeed_do_not_outweigh_bad_answers(self) -> None:
        health = Health("b", path="/health", unhealthy_after=2)
        for _ in range(2):
            assert health.is_up
            health.note_connected()
            health.note_bad_answer("500")
        assert not health.is_up

    def test_what_counts_as_a_good_answer(self) -> None:
        async def journey() -> None:
            for status, is_up in (
                (b"200 OK", True),
                (b"399 X", True),
                (b"404 X", False),
                (b"500 X", False),
                (b"x", False),
            ):
                async with Backend(saying(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")) as backend:
                    health = Health("b", path="/health?a", interval=60, unhealthy_after=1)
                    health.note_good_answer()
                    watching = asyncio.create_task(watch(health, BackendPlace(backend.url)))
                    await backend.ended.wait()
                    await wait_until(lambda: health.is_up is is_up)  # noqa: B023 - at once
                    watching.cancel()
                    expected = "GET /health?a HTTP/1.1\r\nhost: 127.0.0.1:{}\r\nconnection: close\r\n\r\n"
                    assert backend.heads == [expected.format(backend.port).encode()]

        run(journey)

    def test_silence_refusals_and_nonsense_are_failures(self, tmp_path: object) -> None:
        async def silent(conversation: Conversation) -> None:
            await conversation.head()
            await conversation.wait_end()

        async def endless(conversation: Conversation) -> None:
            await conversation.say(b"x" * 100_000)
            await conversation.wait_end()

        async def journey() -> None:
            for script, told in ((silent, "was not answered within 0.05 s"), (endless, "could not be asked")):
                async with Backend(script) as backend:
                    health = Health("b", path="/health", interval=60, timeout=0.05, unhealthy_after=1)
                    with logged() as lines:
                        watching = asyncio.create_task(watch(health, BackendPlace(backend.url)))
                        await wait_until(lambda: not health.is_up)  # noqa: B023 - at once
                        watching.cancel()
                    assert told in lines[0]
            health = Health("b", path="/health", interval=60, unhealthy_after=1)
            watching = asyncio.create_task(watch(health, BackendPlace(f"unix:{tmp_path}/none")))
            await wait_until(lambda: not health.is_up)
            watching.cancel()

        run(journey)


def test_a_unix_socket_is_asked_too(tmp_path: object) -> None:
    async def journey() -> None:
        async with Backend(saying(OK), path=f"{tmp_path}/s") as backend:
            health = Health("b", path="/health", interval=60, unhealthy_after=1)
            watching = asyncio.create_task(watch(health, BackendPlace(backend.url)))
            await backend.ended.wait()
            watching.cancel()
            assert health.is_up

    run(journey)
