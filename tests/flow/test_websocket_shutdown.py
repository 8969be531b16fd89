"""What becomes of open sockets when the server stops (websockets 1.11, T-17, PY-12, PY-13, DV-14)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from penstock import ConnectionLost, Context, Stage, WebSocket, WebSocketDisconnect
from tests.flow.websocket_subject import accepting, logged, names, opened, until_closed
from tests.pipeline.subject import on, run, settle


def telling(log: list[str], name: str = "endpoint") -> Callable[[WebSocket], Any]:
    """An endpoint that notes how it was told of its end."""

    async def endpoint(websocket: WebSocket) -> None:
        try:
            while True:
                await websocket.receive()
        except WebSocketDisconnect as error:
            log.append(f"{name} told {error.code}")
        except ConnectionLost:
            log.append(f"{name} found it lost")

    return endpoint


def test_websockets_t17_dv14_polite_silent_and_stuck() -> None:
    log: list[str] = []

    async def stuck(websocket: WebSocket) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            log.append("stuck cancelled")
            raise

    async def journey() -> None:
        functions = {"/stuck": accepting(stuck)}
        async with opened(function=accepting(telling(log)), functions=functions) as site:
            polite = await site.open()
            silent = await site.open(is_polite=False)
            held = await site.open("/stuck", is_polite=False)
            draining = asyncio.create_task(site.runtime.drain(0.3))
            await settle()
            # PY-12: Close 1001 to all, those who receive are told at once, new handshakes are refused.
            assert [each.transport.close_codes for each in (polite, silent, held)] == [[1001]] * 3
            assert log == ["endpoint told 1001"] * 2
            assert (await site.refused()).status == 503
            assert polite.transport.is_gone
            assert not await draining
            assert not held.transport.is_gone
            await site.runtime.stop()
            assert all(each.transport.is_gone for each in (polite, silent, held))
            assert log[2:] == ["stuck cancelled"]
            assert site.counts[:2] == (3, 0)

    with logged() as records:
        run(journey)
    assert records == []


def test_websockets_sw65_abort_all_waits_for_input_and_output_and_not_for_endpoints() -> None:
    log: list[str] = []
    gate = asyncio.Event()

    async def endpoint(websocket: WebSocket) -> None:
        await telling(log)(websocket)
        await gate.wait()

    async def journey() -> None:
        async with opened(function=accepting(endpoint)) as site:
            requests = [await site.open() for _ in range(3)]
            draining = requests[0].transport.draining = asyncio.get_running_loop().create_future()
            aborting = asyncio.create_task(site.runtime.sockets.abort_all_and_wait())
            await settle()
            assert log == ["endpoint told 1006"] * 3
            assert [each.transport.frames for each in requests] == [[]] * 3
            assert not aborting.done()  # SW-65: it waits until nothing is pending
            draining.set_result(None)
            await aborting
            assert site.counts[:2] == (3, 3)  # the endpoints are still at it
            gate.set()

    run(journey)


def test_websockets_sw66_sw67_a_socket_that_comes_late_is_aborted_and_its_endpoint_runs() -> None:
    log: list[str] = []
    gate = asyncio.Event()

    async def hold(context: Context) -> None:
        await gate.wait()

    async def journey() -> None:
        async with opened(on(Stage.LOG, hold), function=accepting(telling(log))) as site:
            request = site.ask()
            await settle()
            await site.runtime.sockets.abort_all_and_wait()
            await site.runtime.sockets.abort_all_and_wait()  # one way, and again
            gate.set()
            assert await request.wait_decided() is None
            await site.wait_over()
            assert request.transport.is_gone
            assert request.transport.frames == []
            assert site.counts == (1, 0, 0, 1)

    run(journey)
    assert log == ["endpoint found it lost"]


def test_websockets_py13_a_handshake_that_was_inside_when_the_server_began_to_stop_is_closed_politely() -> None:
    log: list[str] = []
    gate = asyncio.Event()

    async def hold(context: Context) -> None:
        await gate.wait()

    async def journey() -> None:
        async with opened(on(Stage.LOG, hold), function=accepting(telling(log))) as site:
            request = site.ask()
            await settle()
            draining = asyncio.create_task(site.runtime.drain(5))
            await settle()
            gate.set()
            assert await draining
            if request.held is not None:
                assert request.transport.close_codes == [1001]
                assert log == ["endpoint told 1001"]

    run(journey)


def test_websockets_sw68_messages_that_had_come_are_not_lost_by_going_away() -> None:
    received: list[object] = []
    gate = asyncio.Event()

    async def endpoint(websocket: WebSocket) -> None:
        await gate.wait()
        received.extend([message async for message in websocket])

    async def journey() -> None:
        async with opened(function=accepting(endpoint)) as site:
            request = await site.open()
            request.transport.sink.take_message("one")
            request.transport.sink.take_message(b"two")
            draining = asyncio.create_task(site.runtime.drain(5))
            await settle()
            gate.set()
            assert await draining

    run(journey)
    assert received == ["one", b"two"]


@pytest.mark.parametrize("is_inline", [False, True], ids=["deferred", "inline"])
def test_websockets_py12_an_endpoint_may_say_goodbye_within_the_graceful_time(is_inline: bool) -> None:
    log: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        await telling(log)(websocket)
        await asyncio.sleep(0.05)
        log.append("cleaned up")

    async def inline(context: Context) -> None:
        await endpoint(await context.websockets.accept())

    async def journey() -> None:
        async with opened(function=inline if is_inline else accepting(endpoint)) as site:
            await site.open()
            assert await site.runtime.drain(5)
            assert site.counts == (1, 0, 1, 0)

    run(journey)
    assert log == ["endpoint told 1001", "cleaned up"]


def test_websockets_o12_an_inline_accept_that_waits_is_told_when_the_server_stops() -> None:
    seen: list[str] = []

    async def handler(context: Context) -> None:
        try:
            websocket = await context.websockets.accept()
            await until_closed(websocket)
            seen.append("closed")
        except BaseException as error:
            seen.append(type(error).__name__)
            raise

    async def hold(context: Context) -> None:
        await asyncio.Event().wait()

    async def journey() -> None:
        async with opened(on(Stage.LOG, hold), function=handler) as site:
            site.ask()
            await settle()
            assert not await site.runtime.drain(0.1)
            await site.runtime.stop()
            await settle()
            rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            assert rest == []

    with logged() as records:
        run(journey)
    assert len(seen) == 1
    assert "CancelledError" not in names(records)


def test_websockets_sw63_sw64_py11_the_gauge_is_the_size_of_the_registry() -> None:
    async def journey() -> None:
        async with opened(function=accepting(until_closed)) as site:
            requests = []
            for number in range(1, 4):
                requests.append(await site.open())
                assert site.counts[:2] == (number, number)
            for left, request in zip((2, 1, 0), requests, strict=True):
                request.transport.take_close()
                await settle()
                assert site.counts[:2] == (3, left)

    run(journey)
