"""The failure matrix of section 7.6, and the counters of section 1.12: who is told, what is counted, what is logged."""

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from penstock import AcceptOptions, Context, HTTPError, Stage, WebSocket, WebSocketProtocolError
from penstock.request_sockets.states import WebSocketState
from tests.flow.websocket_subject import HeldRequest, Opened, accepting, logged, names, opened, until_closed
from tests.pipeline.subject import on, run, settle

Counts = tuple[int, int, int, int]


async def raises_later(websocket: WebSocket) -> None:
    await settle()
    raise ValueError("meant to fail")


def returns_none(websocket: WebSocket) -> None:
    return None


class Line(NamedTuple):
    """One line of the failure matrix. `wire` is a status, or the codes of the Closes sent; `counts` total and failed."""

    point: str
    wire: int | list[int]
    counts: tuple[int, int]
    errors: list[str]


MATRIX = [
    Line("accept validation, developer", 500, (0, 0), ["ValueError"]),
    Line("accept validation, client", 403, (0, 0), []),
    Line("pipeline before accept", 500, (0, 0), ["KeyError"]),
    Line("pipeline after accept", 500, (0, 0), ["KeyError"]),
    Line("veto by status", 409, (0, 0), []),
    Line("flush of 101", [], (1, 1), ["OSError"]),
    Line("transport missing", [], (1, 1), []),
    Line("endpoint raises", [1011], (1, 1), ["KeyError"]),
    Line("endpoint returns no awaitable", [1011], (1, 1), ["TypeError"]),
    Line("peer vanishes", [], (1, 1), []),
    Line("protocol violation", [1002], (1, 1), []),
]


def fail(*ignored: object) -> None:
    raise KeyError("meant to fail")


async def set_409(context: Context) -> None:
    context.response.status_code = 409


async def fails_to_receive(websocket: WebSocket) -> None:
    await websocket.receive()


def subject_of(point: str) -> tuple[list[object], Callable[..., object]]:
    """The modules and the handler with which that happens."""
    modules: dict[str, list[object]] = {
        "pipeline before accept": [on(Stage.AUTHORIZE, fail)],
        "pipeline after accept": [on(Stage.LOG, fail)],
        "veto by status": [on(Stage.END, set_409)],
    }
    endpoints: dict[str, tuple[Callable[[WebSocket], Any], AcceptOptions | None]] = {
        "accept validation, developer": (until_closed, AcceptOptions("unheard.of")),
        "accept validation, client": (until_closed, AcceptOptions(require_same_origin=True)),
        "endpoint raises": (fail, None),
        "endpoint returns no awaitable": (returns_none, None),
        "peer vanishes": (fails_to_receive, None),
        "protocol violation": (fails_to_receive, None),
    }
    return modules.get(point, []), accepting(*endpoints.get(point, (until_closed, None)))


async def happen(point: str, site: Opened) -> int | HeldRequest:
    options: dict[str, Any] = {}
    if point == "flush of 101":
        options["failure"] = OSError("meant to fail")
    request = site.ask(is_gone=point == "transport missing", **options)
    answer = await request.wait_decided()
    if answer is not None:
        return answer.status
    await settle()
    if point == "peer vanishes":
        request.transport.lose()
    if point == "protocol violation":
        request.transport.sink.fail(1002, "meant to fail")
    return request


@pytest.mark.parametrize("line", MATRIX, ids=lambda line: line.point)
def test_websockets_o10_s03_failure_matrix(line: Line) -> None:
    modules, function = subject_of(line.point)

    async def journey() -> int | list[int]:
        async with opened(*modules, function=function) as site:
            wire = await happen(line.point, site)
            await site.wait_over()
            total, executing, _, failed = site.counts
            assert ((total, failed), executing) == (line.counts, 0)
            if isinstance(wire, int):
                return wire
            return [] if wire.held is None else wire.transport.close_codes

    with logged() as records:
        assert run(journey) == line.wire
    assert [name for name in names(records) if name != "AcceptLost"] == line.errors


def test_websockets_o10_a_violation_is_told_to_whoever_receives() -> None:
    seen: list[int] = []

    async def endpoint(websocket: WebSocket) -> None:
        with pytest.raises(WebSocketProtocolError) as caught:
            await websocket.receive()
        seen.append(caught.value.code)
        assert websocket.state is WebSocketState.ABORTED

    async def journey() -> None:
        async with opened(function=accepting(endpoint)) as site:
            request = await site.open()
            request.transport.sink.fail(1007, "meant to fail")

    run(journey)
    assert seen == [1007]


def test_websockets_section_1_12_counters() -> None:
    """Two clean, one raising, one without a transport."""

    async def journey() -> Counts:
        async with opened(function=accepting(until_closed), functions={"/raises": accepting(raises_later)}) as site:
            for _ in range(2):
                (await site.open()).transport.take_close()
            await site.open("/raises")
            await site.open(is_gone=True)
            await site.wait_over()
            return site.counts

    with logged():
        assert run(journey) == (4, 0, 2, 2)


def test_websockets_sw99_bytes_are_counted_without_closes() -> None:
    async def endpoint(websocket: WebSocket) -> None:
        async for message in websocket:
            await websocket.send(message)
            await websocket.send(b"1234")

    async def journey() -> None:
        async with opened(function=accepting(endpoint)) as site:
            request = await site.open()
            request.transport.sink.take_message("hé")
            request.transport.sink.take_message(b"123456")
            await settle()
            request.transport.take_close(1000, "not counted")
            await site.wait_over()
            counted = site.runtime.sockets.statistics()
            assert (counted.bytes_in, counted.bytes_out) == (9, 17)

    run(journey)


def test_websockets_o06_a_failing_endpoint_reaches_no_error_hook() -> None:
    asked: list[object] = []

    def attach_error(hooks: Any) -> None:
        hooks.on_error(asked.append)

    class Module:
        attach = staticmethod(attach_error)

    async def journey() -> None:
        async with opened(Module(), function=accepting(raises_later)) as site:
            await site.open()

    with logged():
        run(journey)
    assert asked == []


def test_websockets_t07_an_inline_accept_ends_as_a_deferred_one() -> None:
    async def handler(context: Context) -> None:
        websocket = await context.websockets.accept()
        assert await websocket.receive() == "fail"
        raise HTTPError(404, "meant to fail")

    async def journey() -> list[int]:
        async with opened(function=handler) as site:
            request = await site.open()
            request.transport.sink.take_message("fail")
            await site.wait_over()
            assert site.counts == (1, 0, 0, 1)
            return request.transport.close_codes

    with logged() as records:
        assert run(journey) == [1011]
    assert names(records) == ["HTTPError"]
