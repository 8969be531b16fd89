"""The order in which a socket says no, and who is told of its end."""

import asyncio

import pytest

from penstock.errors import (
    ConnectionLost,
    SocketDisposedError,
    WebSocketBusyError,
    WebSocketClosedError,
    WebSocketStateError,
)
from penstock.request_sockets.states import WebSocketState
from penstock.request_sockets.websocket import WebSocket
from tests.request_sockets.fake_transport import begin, call, open_socket, run, settle


class TestPreconditions:
    """websockets SW-70: arguments, disposed, aborted, busy, closed."""

    def test_websockets_sw70_arguments_come_first(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.dispose()
            with pytest.raises(TypeError):
                call(websocket.send, 1)
            with pytest.raises(ValueError, match="TEXT or BINARY"):
                call(websocket.send_fragment, b"", 8, True)
            with pytest.raises(ValueError, match="1010"):
                call(websocket.close, 1010)
            with pytest.raises(ValueError, match="0 seconds"):
                call(websocket.close, timeout=-1)
            with pytest.raises(ValueError, match="at least one"):
                call(websocket.receive_fragment, 0)

        run(journey)

    def test_websockets_sw70_disposed_comes_before_aborted(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.abort()
            websocket.dispose()
            for each in (websocket.receive, websocket.receive_fragment, websocket.close, websocket.close_output):
                with pytest.raises(SocketDisposedError):
                    call(each)
            with pytest.raises(SocketDisposedError):
                call(websocket.send, "a")
            with pytest.raises(SocketDisposedError):
                call(websocket.send_fragment, b"a", 1, True)

        run(journey)

    def test_websockets_sw70_aborted_comes_before_busy(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket(is_strict=True)
            transport.is_paused = True
            receiving, sending = await begin(websocket.receive()), await begin(websocket.send("a"))
            with pytest.raises(WebSocketBusyError):
                call(websocket.send, "b")
            websocket.abort()
            with pytest.raises(WebSocketStateError):
                call(websocket.send, "b")
            await asyncio.wait((receiving, sending))
            assert isinstance(sending.exception(), ConnectionLost)
            assert receiving.exception() is not None
            with pytest.raises(WebSocketStateError):
                call(websocket.receive)

        run(journey)

    def test_websockets_sw70_busy_comes_before_closed(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket(is_strict=True)
            transport.is_paused = True
            sending = await begin(websocket.send("a"))
            with pytest.raises(WebSocketBusyError):
                call(websocket.send, "b")
            websocket.go_away(1001, "")
            await settle()
            assert isinstance(sending.exception(), WebSocketClosedError)
            with pytest.raises(WebSocketClosedError):
                call(websocket.send, "b")

        run(journey)

    def test_websockets_sw71_nothing_awaitable_is_left_by_a_refusal(self) -> None:
        """Warnings are errors: a coroutine that nobody awaited would be one."""

        async def journey() -> None:
            websocket = WebSocket(None)
            for each in (websocket.receive, websocket.receive_fragment, websocket.close, websocket.close_output):
                with pytest.raises(ConnectionLost):
                    call(each)
            with pytest.raises(ConnectionLost):
                call(websocket.send, "a")

        run(journey)

    def test_websockets_sw42_without_a_transport_it_is_born_aborted(self) -> None:
        async def journey() -> None:
            websocket = WebSocket(None)
            assert websocket.state is WebSocketState.ABORTED
            with pytest.raises(WebSocketStateError):
                await websocket.receive()
            with pytest.raises(ConnectionLost):
                await anext(websocket)
            await websocket.finish(1000, "", 1.0)
            await websocket.abort_async()

        run(journey)
