"""The socket phase: how endpoints run and end, whatever they do (websockets section 1.7, 7.5, 7.6)."""

import asyncio
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from penstock import (
    AcceptOptions,
    Context,
    ContractError,
    Response,
    ResponseCompleted,
    Stage,
    WebSocket,
    WebSocketDisconnect,
    WebSocketStateError,
)
from penstock.testing import Client, WebSocketRefused
from tests.pipeline.subject import on, open_site, run, settle


def accepting(endpoint: Callable[[WebSocket], Any]) -> Callable[[Context], None]:
    def handler(context: Context) -> None:
        context.accept_websocket(endpoint)

    return handler


def counters(client: Client) -> tuple[int, ...]:
    return client.runtime.sockets.statistics()[:4]


def outcome(endpoint: Callable[[WebSocket], Any]) -> tuple[int, tuple[int, ...]]:
    """The code with which a socket was closed whose client only waits, and the counters behind it."""

    async def journey() -> tuple[int, tuple[int, ...]]:
        client = open_site(function=accepting(endpoint))
        async with client:
            async with client.websocket("/") as websocket:
                with pytest.raises(WebSocketDisconnect) as caught:
                    await websocket.receive()
            await settle()
            return caught.value.code, counters(client)

    return run(journey)


class TestOutcomes:
    def test_websockets_dv06_an_endpoint_that_returns_closes_with_1000(self) -> None:
        async def endpoint(websocket: WebSocket) -> None:
            pass

        assert outcome(endpoint) == (1000, (1, 0, 1, 0))

    def test_websockets_dv07_one_that_raises_closes_with_1011_and_is_logged_once(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def endpoint(websocket: WebSocket) -> None:
            raise ValueError("broken")

        assert outcome(endpoint) == (1011, (1, 0, 0, 1))
        assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
            "a WebSocket endpoint failed at GET /"
        ]

    def test_websockets_sw43_one_that_raises_before_it_begins(self, caplog: pytest.LogCaptureFixture) -> None:
        def endpoint(websocket: WebSocket) -> None:
            raise ValueError("broken")

        assert outcome(endpoint) == (1011, (1, 0, 0, 1))
        assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1

    def test_websockets_sw43_one_that_is_no_coroutine_function(self, caplog: pytest.LogCaptureFixture) -> None:
        assert outcome(lambda websocket: None) == (1011, (1, 0, 0, 1))
        record = next(record for record in caplog.records if record.levelname == "ERROR")
        assert record.exc_info is not None
        assert "a WebSocket endpoint is a coroutine function" in str(record.exc_info[1])

    def test_one_that_lets_the_cancelling_of_something_else_through(self) -> None:
        async def endpoint(websocket: WebSocket) -> None:
            other = asyncio.ensure_future(asyncio.Event().wait())
            await settle(2)
            other.cancel()
            await other

        assert outcome(endpoint) == (1011, (1, 0, 0, 1))

    def test_websockets_t08_one_that_aborts_has_failed(self) -> None:
        async def endpoint(websocket: WebSocket) -> None:
            websocket.abort()

        assert outcome(endpoint) == (1006, (1, 0, 0, 1))

    def test_the_end_of_its_client_is_an_ordinary_end(self, caplog: pytest.LogCaptureFixture) -> None:
        async def endpoint(websocket: WebSocket) -> None:
            while True:
                await websocket.receive()

        async def journey() -> None:
            client = open_site(function=accepting(endpoint))
            async with client:
                async with client.websocket("/") as websocket:
                    await websocket.close(4000, "enough")
                await settle()
                assert counters(client) == (1, 0, 1, 0)

        run(journey)
        assert [record for record in caplog.records if record.levelname == "ERROR"] == []


class TestEnd:
    def test_websockets_sw45_a_socket_that_was_kept_is_dead(self) -> None:
        kept: list[WebSocket] = []

        async def endpoint(websocket: WebSocket) -> None:
            kept.append(websocket)

        outcome(endpoint)
        with pytest.raises(WebSocketStateError):
            _ = kept[0].send("late")

    def test_websockets_sw38_what_was_deferred_is_closed_behind_the_socket(self) -> None:
        log: list[str] = []

        def handler(context: Context) -> None:
            context.defer(lambda: log.append("closed"))
            context.on_completed(lambda context: log.append("completed"))
            context.accept_websocket(endpoint)

        async def endpoint(websocket: WebSocket) -> None:
            log.append("endpoint")

        async def journey() -> None:
            client = open_site(function=handler)
            async with client:
                async with client.websocket("/") as websocket:
                    with pytest.raises(WebSocketDisconnect):
                        await websocket.receive()
                await settle()

        run(journey)
        assert log == ["completed", "endpoint", "closed"]

    def test_websockets_py12_a_stop_closes_with_1001(self) -> None:
        async def endpoint(websocket: WebSocket) -> None:
            async for _ in websocket:
                pass

        async def journey() -> tuple[int, ...]:
            client = open_site(function=accepting(endpoint))
            async with client:
                async with client.websocket("/") as websocket:
                    client.runtime.sockets.go_away()
                    with pytest.raises(WebSocketDisconnect) as caught:
                        await websocket.receive()
                    assert caught.value.code == 1001
                await settle()
                return counters(client)

        assert run(journey) == (1, 0, 1, 0)


class TestSlimming:
    def test_websockets_sw50_the_response_has_gone_and_what_is_known_of_the_request_stays(self) -> None:
        seen: list[object] = []

        def handler(context: Context) -> None:
            context.items["k"] = 1
            context.response.write("x" * 1000)
            context.accept_websocket(endpoint)

        async def endpoint(websocket: WebSocket) -> None:
            context = websocket.context
            seen.extend([context.items["k"], context.request.path, context.request.headers["host"]])
            with pytest.raises(ResponseCompleted):
                context.response.write("late")
            assert context.response.body == b""
            with pytest.raises(ContractError, match="in BEGIN"):
                context.rewrite("/x")
            with pytest.raises(ContractError, match="before MAP_HANDLER"):
                context.remap(None)
            with pytest.raises(ContractError, match="to EXECUTE"):
                context.redispatch("/x")

        async def journey() -> None:
            client = open_site(on(Stage.AUTHENTICATE, lambda context: None), function=handler)
            async with client, client.websocket("/") as websocket:
                with pytest.raises(WebSocketDisconnect) as caught:
                    await websocket.receive()
                assert caught.value.code == 1000

        run(journey)
        assert seen == [1, "/", "testserver"]

    def test_websockets_sw48_what_an_endpoint_closes_over_is_not_held_for_it(self) -> None:
        class Big:
            pass

        async def journey() -> None:
            gone = asyncio.Event()
            held: list[weakref.ref[Big]] = []

            def handler(context: Context) -> None:
                big = Big()
                held.append(weakref.ref(big))

                def endpoint(websocket: WebSocket) -> Any:
                    assert big is not None
                    return wait(websocket)

                context.accept_websocket(endpoint)

            async def wait(websocket: WebSocket) -> None:
                await gone.wait()

            client = open_site(function=handler)
            async with client, client.websocket("/"):
                await settle()
                gc.collect()
                assert held[0]() is None
                gone.set()

        run(journey)


def test_websockets_o01_the_headers_of_an_accept_that_a_callback_takes_back_do_not_leave() -> None:
    async def endpoint(websocket: WebSocket) -> None:
        raise AssertionError("there is no socket")

    def refuse(response: Response) -> None:
        response.status_code = 404

    def handler(context: Context) -> None:
        context.response.headers["x-own"] = "1"
        context.accept_websocket(endpoint, AcceptOptions(headers={"x-of-the-socket": "1"}))
        context.response.on_sending_headers(refuse)

    async def journey() -> None:
        client = open_site(function=handler)
        async with client:
            with pytest.raises(WebSocketRefused) as caught:
                async with client.websocket("/"):
                    pass
            assert caught.value.response.status == 404
            assert "x-own" in caught.value.response.headers
            assert "x-of-the-socket" not in caught.value.response.headers
            assert counters(client) == (0, 0, 0, 0)

    run(journey)


def test_websockets_sw38_a_server_that_drains_waits_for_what_a_socket_has_deferred() -> None:
    log: list[object] = []

    async def close() -> None:
        log.append("begun")
        await settle()
        log.append("closed")

    async def endpoint(websocket: WebSocket) -> None:
        websocket.context.defer(close)
        async for _ in websocket:
            pass

    async def journey() -> None:
        client = open_site(function=accepting(endpoint))
        async with client, client.websocket("/") as websocket:
            draining = asyncio.ensure_future(client.runtime.drain(60))
            with pytest.raises(WebSocketDisconnect):
                await websocket.receive()
            log.append(await draining)

    run(journey)
    assert log == ["begun", "closed", True]


def test_websockets_sw38_an_endpoint_that_is_thrown_away_closes_what_it_deferred_without_waiting() -> None:
    log: list[object] = []

    async def close() -> None:
        log.append("begun")
        try:
            await asyncio.Event().wait()
        finally:
            log.append("given up")

    async def endpoint(websocket: WebSocket) -> None:
        websocket.context.defer(lambda: log.append("closed"))
        websocket.context.defer(close)
        await websocket.receive()

    async def journey() -> None:
        client = open_site(function=accepting(endpoint))
        async with client:
            async with client.websocket("/") as websocket:
                await settle()
                task = next(task for task in asyncio.all_tasks() if task.get_name() == "penstock-websocket")
                running: Any = task.get_coro()
                running.close()
                with pytest.raises(WebSocketDisconnect):
                    await websocket.receive()
            assert await client.runtime.sockets.wait_empty(60)
            task.cancel()  # it has nothing left to go on with
            await asyncio.wait((task,))

    run(journey)
    assert log == ["begun", "given up", "closed"]
