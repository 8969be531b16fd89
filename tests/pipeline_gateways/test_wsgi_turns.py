"""How many threads take requests at once, and that a pool obeys."""

import http.client
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import pytest

from penstock.pipeline_gateways import wsgi_turns
from penstock.pipeline_gateways.wsgi_turns import Turns
from penstock.server import ServerThread
from penstock.settings import AppSettings, SiteSettings


class Judged:
    """Turns of four threads, and what process and threads have used so far."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.used = (0.0, 0.0)
        self.now = 1.0
        self.limit = self.turns.judge(self.now, 4, self.used, threads=4, inside=0)

    def after(self, *, total: float, share: float, inside: int = 9, seconds: float = wsgi_turns.INTERVAL) -> int:
        """The judgement when process and threads used these shares of a processor since the last one."""
        self.now += seconds
        self.used = (self.used[0] + total * seconds, self.used[1] + share * seconds)
        self.limit = self.turns.judge(self.now, self.limit, self.used, threads=4, inside=inside)
        return self.limit


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
def test_one_alone_when_they_only_take_turns(total: float, share: float, inside: int, limit: int) -> None:
    assert Judged().after(total=total, share=share, inside=inside) == limit


@pytest.mark.parametrize(("total", "share", "limit"), [(0.5, 0.4, 4), (1.0, 0.05, 4), (1.0, 0.8, 1)])
def test_all_again_when_there_is_room_or_the_one_waits(total: float, share: float, limit: int) -> None:
    judged = Judged()
    assert judged.after(total=1.0, share=0.9) == 1
    assert judged.after(total=total, share=share) == limit


def test_all_may_show_now_and_then_whether_they_still_take_turns() -> None:
    judged = Judged()
    limits = [judged.after(total=1.0, share=0.9) for _ in range(int(40 / wsgi_turns.INTERVAL))]
    assert limits.count(4) == 1
    assert limits[-1] == 1


def test_it_is_too_early_or_too_late_to_tell() -> None:
    judged = Judged()
    assert not judged.turns.is_due(judged.now + wsgi_turns.INTERVAL / 2)
    assert judged.turns.is_due(judged.now + wsgi_turns.INTERVAL)
    assert judged.after(total=1.0, share=0.9, seconds=5.0) == 4


def test_what_threads_use_is_part_of_what_the_process_uses() -> None:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    of_process, of_threads = wsgi_turns.processor_time([thread])
    stop.set()
    thread.join()
    assert 0 <= of_threads < of_process
    assert wsgi_turns.processor_time([thread])[1] == 0.0


def test_a_pool_answers_all_whoever_takes_them_and_stops() -> None:
    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"done"]

    site = SiteSettings(apps=(AppSettings(at="/", wsgi="a:b", threads=3),))
    with ServerThread(site, objects={"a:b": application}) as server:
        execute: Any = server.server.sites[0].mounts[0].execute
        pool = execute.__self__._pool
        for turn in range(20):
            connections = [http.client.HTTPConnection(*server.address, timeout=10) for _ in range(4)]
            for connection in connections:
                connection.request("GET", "/")
            server.call(partial(pool._let_take, turn % 3 + 1))
            assert [connection.getresponse().read() for connection in connections] == [b"done"] * 4
            for connection in connections:
                connection.close()
        server.call(partial(pool._let_take, 1))
