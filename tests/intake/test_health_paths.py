"""Probes: answered before the queue, on every host name, counted by nobody."""

from typing import Any

import pytest

from penstock.hosts.memory_host import MemoryRequest
from penstock.intake.health_paths import HealthPaths
from penstock.intake.runtime import Runtime
from tests.intake.subject import FakeSite, keep, make_request
from tests.pipeline.subject import run


def ask(runtime: Runtime, target: str, *, method: str = "GET", host: str = "10.0.0.1") -> tuple[int, bytes]:
    request = make_request(target, host=host, method=method)
    runtime.process(request)
    return answer_of(request)


def answer_of(request: MemoryRequest) -> tuple[int, bytes]:
    head = request.response_head
    return (0, b"") if head is None else (head.status, b"".join(request.pieces))


def make_runtime(**options: Any) -> Runtime:
    health = HealthPaths(live="/live", ready="/ready")
    return Runtime([FakeSite(["example.org"], process=keep)], health=health, **options)


def test_a_running_server_is_alive_and_ready_on_every_host() -> None:
    async def journey() -> None:
        recorded: list[object] = []
        runtime = make_runtime(record=lambda *args: recorded.append(args))
        reached: list[str] = []
        runtime.limit_requests(1, lambda: reached.append("quota"))
        await runtime.start()
        assert ask(runtime, "/live?x=1") == ask(runtime, "/ready", host="example.org") == (200, b"ok\n")
        assert ask(runtime, "/live/more")[0] == 421
        assert runtime.statistics().total == 1
        assert len(recorded) == 1

    run(journey)


def test_full_places_and_a_full_queue_do_not_hold_them_up() -> None:
    async def journey() -> None:
        runtime = make_runtime(requests_inside=1, queue=1)
        await runtime.start()
        assert [ask(runtime, "/", host="example.org")[0] for _ in range(3)] == [0, 0, 503]
        assert ask(runtime, "/live") == ask(runtime, "/ready") == (200, b"ok\n")

    run(journey)


def test_who_is_not_ready_says_why() -> None:
    async def journey() -> None:
        runtime = make_runtime(retry_after=7)
        request = make_request("/ready")
        runtime.process(request)
        assert answer_of(request) == (503, b"503 Service Unavailable: starting\n")
        assert request.response_head is not None
        assert dict(request.response_head.raw_headers)[b"retry-after"] == b"7"
        await runtime.start()
        runtime.gate.hold()
        assert ask(runtime, "/ready") == (503, b"503 Service Unavailable: not accepting\n")
        runtime.let_in()
        runtime.announce_stop()
        assert ask(runtime, "/ready") == (503, b"503 Service Unavailable: stopping\n")
        assert ask(runtime, "/live")[0] == 200
        await runtime.drain(1)
        await runtime.stop()
        assert ask(runtime, "/ready") == (503, b"503 Service Unavailable: stopping\n")
        assert ask(runtime, "/live")[0] == 200

    run(journey)


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("POST", 405), ("DELETE", 405), ("OPTIONS", 405)])
def test_methods(method: str, status: int) -> None:
    async def journey() -> None:
        runtime = make_runtime()
        await runtime.start()
        request = make_request("/ready", method=method)
        runtime.process(request)
        assert request.response_head is not None
        assert request.response_head.status == status
        assert dict(request.response_head.raw_headers).get(b"allow") == (b"GET, HEAD" if status == 405 else None)

    run(journey)


def test_one_without_the_other() -> None:
    async def journey() -> None:
        runtime = Runtime([FakeSite()], health=HealthPaths(live="/live"))
        await runtime.start()
        assert ask(runtime, "/live") == (200, b"ok\n")
        assert ask(runtime, "/ready") == (200, b"")  # the site's
        assert ask(runtime, "*", method="OPTIONS") == (200, b"")

    run(journey)
