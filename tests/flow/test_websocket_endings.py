"""How a socket ends, whatever its endpoint does and whatever fails (websockets 1.7, 7.6, T-6, T-7, T-8, T-10, O-9 to O-11)."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import pytest

from penstock import (
    ConnectionLost,
    Context,
    SocketDisposedError,
    WebSocket,
    WebSocketDisconnect,
    WebSocketError,
    WebSocketStateError,
)
from tests.flow.websocket_subject import accepting, logged, names, opened, until_closed
from tests.pipeline.subject import run, settle

Counts = tuple[int, int, int, int]


class Failure(NamedTuple):
    """What is seen when the transport fails: log, counters, errors logged."""

    log: list[str]
    counts: Counts
    errors: list[str]


def failing(endpoint: Callable[[WebSocket], Any], log: list[str], **options: Any) -> Failure:
    async def journey() -> Counts:
        async with opened(function=accepting(endpoint), log=log) as site:
            await site.open(**options)
            await site.wait_over()
            return site.counts

    with logged() as records:
        counts = run(journey)
    return Failure(log, counts, names(records))


def test_websockets_t06_sw41_flush_failure_is_deferred() -> None:
    log: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        log.append(websocket.state.name)
        await settle()
        log.append("ran to its end")

    seen = failing(endpoint, log, failure=OSError("meant to fail"))
    # SW-41: the endpoint had its turn first; then one line, and the socket counts as failed.
    assert seen == (["flush", "ABORTED", "ran to its end"], (1, 0, 0, 1), ["OSError"])


def test_websockets_t06_sw42_client_gone_null_transport() -> None:
    log: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        log.append(websocket.state.name)
        with pytest.raises(WebSocketStateError):
            await websocket.send("hello")
        with pytest.raises(WebSocketError):
            await websocket.receive()
        log.append("cleaned up")

    # SW-42: told by its operations; nothing is logged.
    assert failing(endpoint, log, is_gone=True) == (["flush", "ABORTED", "cleaned up"], (1, 0, 0, 1), [])


def test_websockets_o11_an_inline_accept_gets_an_aborted_socket_too() -> None:
    log: list[str] = []

    async def handler(context: Context) -> None:
        websocket = await context.websockets.accept()
        log.append(websocket.state.name)
        with pytest.raises(WebSocketError):
            await websocket.receive()

    async def journey() -> None:
        async with opened(function=handler, log=log) as site:
            await site.open(is_gone=True)
            await site.wait_over()
            assert site.counts == (1, 0, 0, 1)

    run(journey)
    assert log == ["flush", "ABORTED"]


# -- T-7: what endpoints do ------------------------------------------------------------------------------------------------


async def returns(websocket: WebSocket) -> None:
    await settle()


def raises_at_once(websocket: WebSocket) -> Awaitable[None]:
    raise ValueError("meant to fail")


async def raises_later(websocket: WebSocket) -> None:
    await settle()
    raise ValueError("meant to fail")


def returns_none(websocket: WebSocket) -> None:
    return None


async def raises_cancelled(websocket: WebSocket) -> None:
    raise asyncio.CancelledError


async def leaves_the_program(websocket: WebSocket) -> None:
    raise SystemExit(3)


async def aborts(websocket: WebSocket) -> None:
    websocket.abort()


async def closes(websocket: WebSocket) -> None:
    await websocket.close(4001, "enough")


async def lets_disconnect_escape(websocket: WebSocket) -> None:
    await websocket.receive()


OUTCOMES = [
    # endpoint, the Close it leads to, whether it succeeded, what is logged
    (returns, [1000], True, []),
    (raises_at_once, [1011], False, ["ValueError"]),
    (raises_later, [1011], False, ["ValueError"]),
    (returns_none, [1011], False, ["TypeError"]),
    (leaves_the_program, [1011], False, [""]),
    (aborts, [], False, []),
    (closes, [4001], True, []),
]


@pytest.mark.parametrize(
    ("endpoint", "closes", "succeeds", "errors"), OUTCOMES, ids=lambda each: getattr(each, "__name__", "")
)
def test_websockets_t07_sw43_function_outcomes(
    endpoint: Callable[[WebSocket], Any], closes: list[int], succeeds: bool, errors: list[str]
) -> None:
    async def journey() -> list[int]:
        async with opened(function=accepting(endpoint)) as site:
            request = await site.open()
            await site.wait_over()
            assert site.counts == (1, 0, int(succeeds), int(not succeeds))
            assert request.transport.is_gone
            return request.transport.close_codes

    with logged() as records:
        assert run(journey) == closes
    assert len(records) == len(errors)
    assert [name for name in names(records) if name in errors] == errors or errors == [""]


def test_websockets_t07_an_endpoint_that_raises_cancelled_error_without_being_cancelled() -> None:
    async def journey() -> None:
        async with opened(function=accepting(raises_cancelled)) as site:
            request = await site.open()
            await site.wait_over()
            assert request.transport.is_gone
            assert site.counts[:2] == (1, 0)
            # The next one is served: nobody was cancelled but by itself.
            (await site.open()).transport.take_close()

    run(journey)


def test_websockets_t08_cw07_success_requires_not_aborted() -> None:
    async def journey() -> None:
        async with opened(function=accepting(aborts)) as site:
            request = await site.open()
            await site.wait_over()
            assert site.counts == (1, 0, 0, 1)
            assert request.transport.frames == []

    run(journey)


def test_websockets_sw47_completion_is_posted_once_on_every_path() -> None:
    deferred: list[str] = []
    endpoints: list[Any] = [each[0] for each in OUTCOMES]

    def handler(context: Context) -> None:
        context.defer(lambda: deferred.append("once"))
        context.accept_websocket(endpoints[len(deferred) % len(endpoints)])

    async def journey() -> None:
        async with opened(function=handler) as site:
            hosts: list[dict[str, Any]] = [{} for _ in endpoints]
            hosts += [{"failure": OSError("meant to fail")}, {"is_gone": True}]
            for number, host in enumerate(hosts, 1):
                await site.open(**host)
                await site.wait_over()
                assert len(deferred) == number
                assert site.counts[:2] == (number, 0)

    run(journey)


def test_websockets_sw44_an_open_socket_that_is_left_is_closed_politely_and_succeeds() -> None:
    async def journey() -> None:
        async with opened(function=accepting(returns)) as site:
            request = await site.open()
            await site.wait_over()
            assert request.transport.close_codes == [1000]
            assert site.counts == (1, 0, 1, 0)

    run(journey)


def test_websockets_dv06_a_client_that_does_not_answer_is_dropped_a_second_later() -> None:
    async def journey() -> float:
        loop = asyncio.get_running_loop()
        async with opened(function=accepting(returns)) as site:
            began = loop.time()
            request = await site.open(is_polite=False)
            await site.wait_over()
            assert request.transport.close_codes == [1000]
            assert request.transport.is_gone
            return loop.time() - began

    assert 0.9 < run(journey) < 2.5


def test_websockets_py19_a_close_that_the_endpoint_ignores_is_echoed_when_it_ends() -> None:
    gate = asyncio.Event()

    async def endpoint(websocket: WebSocket) -> None:
        await gate.wait()

    async def journey() -> list[int]:
        async with opened(function=accepting(endpoint)) as site:
            request = await site.open()
            request.transport.take_close(4000, "bye")
            await settle()
            gate.set()
            await site.wait_over()
            assert site.counts == (1, 0, 1, 0)
            return request.transport.close_codes

    assert run(journey) == [4000]


@pytest.mark.parametrize("how", ["send", "receive", "close", "send_fragment", "receive_fragment", "abort", "state"])
def test_websockets_sw45_sw77_a_socket_that_leaked_is_dead(how: str) -> None:
    leaked: list[WebSocket] = []
    calls: dict[str, Callable[[WebSocket], Any]] = {
        "send": lambda socket: socket.send("late"),
        "receive": lambda socket: socket.receive(),
        "close": lambda socket: socket.close(),
        "send_fragment": lambda socket: socket.send_fragment(b"late", 1, True),
        "receive_fragment": lambda socket: socket.receive_fragment(),
        "abort": lambda socket: socket.abort(),
        "state": lambda socket: socket.state,
    }

    async def endpoint(websocket: WebSocket) -> None:
        leaked.append(websocket)

    async def journey() -> None:
        async with opened(function=accepting(endpoint)) as site:
            await site.open()
            await site.wait_over()
            with pytest.raises(SocketDisposedError):
                await calls[how](leaked[0])
            await leaked[0].abort_async()  # SW-96: it never raises

    run(journey)


def test_websockets_t10_sw46_drain_before_completion() -> None:
    log: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        receiving = asyncio.ensure_future(websocket.receive())
        receiving.add_done_callback(lambda done: log.append(type(done.exception()).__name__))
        await settle()

    def handler(context: Context) -> None:
        context.defer(lambda: log.append("posted"))
        context.accept_websocket(endpoint)

    async def journey() -> None:
        loop = asyncio.get_running_loop()
        async with opened(function=handler, log=log) as site:
            request = await site.open()
            draining = request.transport.draining = loop.create_future()
            await settle(100)
            assert "gone" in log
            assert "posted" not in log  # SW-46: not before all that is pending has ended
            assert site.counts[1] == 0  # SW-14 of 1.7: it is unregistered by then
            draining.set_result(None)

    run(journey)
    assert log[-1] == "posted"
    assert {"WebSocketDisconnect", "ConnectionLost", "SocketDisposedError", "WebSocketStateError"} & set(log)


def test_websockets_sw48_what_the_endpoint_closes_over_is_not_kept_for_it() -> None:
    class Heavy:
        pass

    async def journey() -> None:
        heavy = Heavy()
        known = weakref.ref(heavy)
        gate = asyncio.Event()

        def endpoint(websocket: WebSocket, heavy: Heavy = heavy) -> Awaitable[bool]:
            return gate.wait()

        def handler(context: Context, kept: list[Any] = [endpoint]) -> None:  # noqa: B006
            context.accept_websocket(kept.pop())

        del endpoint, heavy
        async with opened(function=handler) as site:
            await site.open()
            gc.collect()
            assert known() is None
            gate.set()

    run(journey)


def test_websockets_rt13_sw98_pending_operations_of_a_lost_client_end() -> None:
    seen: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        try:
            await websocket.receive()
        except WebSocketDisconnect as error:
            seen.append(f"{error.code}")
        with pytest.raises((ConnectionLost, WebSocketStateError)):
            await websocket.send("too late")

    async def journey() -> Counts:
        async with opened(function=accepting(endpoint)) as site:
            request = await site.open()
            request.transport.lose(ConnectionResetError("meant to fail"))
            await site.wait_over()
            return site.counts

    with logged() as records:
        assert run(journey) == (1, 0, 0, 1)
    assert seen == ["1006"]
    assert records == []


def test_websockets_sw61_py22_a_task_of_the_socket_ends_with_it_and_its_error_is_logged() -> None:
    seen: list[str] = []

    async def fails() -> None:
        raise ValueError("meant to fail")

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def endpoint(websocket: WebSocket) -> None:
        websocket.start(fails())
        websocket.start(waits())
        await until_closed(websocket)

    async def journey() -> Counts:
        async with opened(function=accepting(endpoint)) as site:
            (await site.open()).transport.take_close()
            await site.wait_over()
            return site.counts

    with logged() as records:
        assert run(journey) == (1, 0, 1, 0)
    assert (seen, names(records)) == (["cancelled"], ["ValueError"])
