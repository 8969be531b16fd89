"""How many threads take requests at once, and that a pool obeys."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import pytest

from penstock.pipeline_gateways import wsgi_turns
from penstock.pipeline_gateways.wsgi_threads import ThreadPool
from penstock.pipeline_gateways.wsgi_turns import Turns
from penstock.server import ServerThread
from penstock.settings import AppSettings, SiteSettings

LATER = 1.0001 + wsgi_turns.INTERVAL
FOUR = [threading.Thread() for _ in range(4)]


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of processor time that process and threads have used so far."""
    seconds = [0.0, 0.0]
    monkeypatch.setattr(time, "process_time", lambda: seconds[0])
    monkeypatch.setattr(wsgi_turns, "_processor_time", lambda _: seconds[1])
    return seconds


def judged(
    turns: Turns, used: list[float], *, now: float, total: float, share: float, limit: int, inside: int = 9
) -> int:
    """The judgement an interval after the last one, in which process and threads used these shares of a processor."""
    used[0] += total * wsgi_turns.INTERVAL
    used[1] += share * wsgi_turns.INTERVAL
    return turns.judge(now, limit, FOUR, inside=inside)


@pytest.mark.parametrize(
    ("total", "share", "inside", "limit"),
    [
        (1.0, 0.8, 9, 1),  # they compute, and share one processor
        (1.0, 0.8, 1, 4),  # one alone takes no turns
        (1.0, 0.1, 9, 4),  # it is the loop that computes
        (0.5, 0.4, 9, 4),  # they wait for something else
        (3.0, 3.0, 9, 4),  # they leave the interpreter free, and use several processors
    ],
)
def test_one_alone_when_they_only_take_turns(
    used: list[float], total: float, share: float, inside: int, limit: int
) -> None:
    turns = Turns()
    turns.judge(1.0, 4, FOUR, inside=0)
    assert judged(turns, used, now=LATER, total=total, share=share, limit=4, inside=inside) == limit


@pytest.mark.parametrize(("total", "share", "limit"), [(0.5, 0.4, 4), (1.0, 0.05, 4), (1.0, 0.8, 1)])
def test_all_again_when_there_is_room_or_the_one_waits(
    used: list[float], total: float, share: float, limit: int
) -> None:
    turns = Turns()
    turns.judge(1.0, 4, FOUR, inside=0)
    assert judged(turns, used, now=LATER, total=1.0, share=0.9, limit=4) == 1
    assert judged(turns, used, now=2 * LATER - 1.0, total=total, share=share, limit=1) == limit


def test_all_may_show_now_and_then_whether_they_still_take_turns(used: list[float]) -> None:
    turns = Turns()
    now = 1.0
    turns.judge(now, 4, FOUR, inside=0)
    limits = [4]
    while now < 40:
        now += wsgi_turns.INTERVAL + 0.0001
        limits.append(judged(turns, used, now=now, total=1.0, share=0.9, limit=limits[-1]))
    assert limits.count(4) == 2
    assert limits[-1] == 1


def test_it_is_too_early_or_too_late_to_tell(used: list[float]) -> None:
    turns = Turns()
    turns.judge(1.0, 4, FOUR, inside=0)
    used[:] = [0.01, 0.01]
    assert turns.judge(1.01, 4, FOUR, inside=9) == 4
    used[:] = [5.0, 5.0]
    assert turns.judge(6.0, 4, FOUR, inside=9) == 4


class Limited(ThreadPool):
    """A pool in which one thread alone takes requests, whatever they do."""

    def _judge_turns(self) -> None:
        if self._limit != 1:
            self._let_take(1)


def test_a_pool_of_which_one_takes_requests_answers_all_and_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.pipeline_gateways.wsgi.ThreadPool", Limited)
    names: list[str] = []

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        names.append(threading.current_thread().name)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"done"]

    site = SiteSettings(apps=(AppSettings(at="/", wsgi="a:b", threads=3),))
    with ServerThread(site, objects={"a:b": application}) as server:
        import http.client

        for _ in range(20):
            connections = [http.client.HTTPConnection(*server.address, timeout=10) for _ in range(4)]
            for connection in connections:
                connection.request("GET", "/")
            assert [connection.getresponse().read() for connection in connections] == [b"done"] * 4
            for connection in connections:
                connection.close()
    assert len(names) == 80
    # Each of the others may have been waiting for a request when it was told to stand in line.
    assert Counter(names).most_common(1)[0][1] >= 70
