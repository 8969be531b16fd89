"""This file is the test of a WebSocket as OWIN hands it to an application (websockets CO-41 to CO-45, OW-9 to OW-15; T-26)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from penstock.errors import ConnectionLost, SocketDisposedError, WebSocketClosedError
from penstock.intake.frame_transport import BINARY, CLOSE, CONTINUATION, TEXT
from penstock.request_sockets.owin_socket import environment_of
from penstock.request_sockets.owin_token import CancellationToken
from penstock.request_sockets.websocket import WebSocket, WebSocketState
from tests.pipeline.subject import run, settle
from tests.request_sockets.owin_subject import LoggedTransport, open_websocket


def talk(conversation: Callable[[Any, WebSocket, LoggedTransport], Awaitable[None]]) -> None:
    async def journey() -> None:
        websocket, transport = open_websocket()
        await conversation(environment_of(websocket, CancellationToken()), websocket, transport)
        await websocket.abort_async()

    run(journey)


class TestEnvironment:
    def test_websockets_t26_ow9_ka9_owin_delegates(self) -> None:
        """websockets OW-9."""

        async def look(socket: Any, websocket: WebSocket, transport: LoggedTransport) -> None:
            assert sorted(socket) == [
                "penstock.request_sockets.websocket.WebSocket",
                "websocket.CallCancelled",
                "websocket.CloseAsync",
                "websocket.ReceiveAsync",
                "websocket.SendAsync",
                "websocket.Version",
            ]
            assert socket["websocket.Version"] == "1.0"
            assert socket["penstock.request_sockets.websocket.WebSocket"] is websocket

        talk(look)


class TestSending:
    def test_websockets_ow10_the_application_decides_where_a_message_ends(self) -> None:
        async def send(socket: Any, websocket: WebSocket, transport: LoggedTransport) -> None:
            send = socket["websocket.SendAsync"]
            await send(b"he", 1, False, None)
            await send(bytearray(b"llo"), 1, True, socket["websocket.CallCancelled"])
            await send(memoryview(b"\x00"), 2, True)
            assert transport.frames == [
                (TEXT, b"he", False),
                (CONTINUATION, b"llo", True),
                (BINARY, b"\x00", True),
            ]

        talk(send)

    @pytest.mark.parametrize(
        ("data", "payload"), [(b"", b"\x03\xe8"), (b"\x03\xe9bye", b"\x03\xe9bye"), (b"\x03\xe9", b"\x03\xe9")]
    )
    def test_websockets_co41_a_close_as_a_message(self, data: bytes, payload: bytes) -> None:
        async def send(socket: Any, websocket: WebSocket, transport: LoggedTransport) -> None:
            await socket["websocket.SendAsync"](data, 8, True, None)
            assert transport.frames == [(CLOSE, payload, True)]
            assert websocket.state is WebSocketState.CLOSE_SENT

        talk(send)

    def test_websockets_co41_a_close_of_one_byte(self) -> None:
        async def send(socket: Any, websocket: WebSocket, transport: LoggedTransport) -> None:
            with pytest.raises(ValueError, match="a code of two bytes"):
                socket["websocket.SendAsync"](b"\x03", 8, True)

        talk(send)

    def test_websockets_co42_pings_and_pongs_are_dropped(self) -> None:
        async def send(socket: Any, websocket: WebSocket, transport: LoggedTransport) -> None:
            await socket["websocket.SendAsync"](b"", 9, True)
            await socket["websocket.SendAsync"](b"", 10, True)
            assert transport.frames == []

        talk(send)

    @pytest.mark.parametrize("kind", [0, 3, "text"])
    def test_websockets_co43_other_types(self, kind: Any) -> None:
        async def send(socket: Any, websocket: WebSocket, transport: LoggedTransport) -> None:
            with pytest.raises(ValueError, match="1 is text, 2 is bytes, 8 a Close"):
                socket["websocket.SendAsync"](b"", kind, True)

        talk(send)

    @pytest.mark.parametrize("data", [5, "text", None])
    def test_what_is_not_bytes(self, data: Any) -> None:
        async def send(socket: Any, websocket: WebSocket, transport: LoggedTransport) -> None:
            with pytest.raises(TypeError, match="a bytes-like object is required"):
                socket["websocket.SendAsync"](data, 2, True)

        talk(send)

    def test_websockets_co45_ow12_closing_closes_one_half(self) -> None:
        async def close(socket: Any, websocket: WebSocket, transport: LoggedTransport) -> None:
            await socket["websocket.CloseAsync"](1001, None, None)
            assert transport.frames == [(CLOSE, b"\x03\xe9", True)]
            with pytest.raises(WebSocketClosedError):
                socket["websocket.SendAsync"](b"late", 1, True)  # websockets OW-13
            websocket.take_message("still")
            buffer = bytearray(10)
            assert await socket["websocket.ReceiveAsync"](buffer) == (1, True, 5)

        talk(close)

    def test_websockets_ow15_no_delegate_works_when_the_callback_has_ended(self) -> None:
        async def late(socket: Any, websocket: WebSocket, transport: LoggedTransport) -> None:
            websocket.dispose()
            with pytest.raises(SocketDisposedError, match="after its endpoint had ended"):
                socket["websocket.SendAsync"](b"late", 1, True)
            with pytest.raises(SocketDisposedError, match="after its endpoint had ended"):
                socket["websocket.CloseAsync"](1000, "")
            with pytest.raises(SocketDisposedError, match="after its endpoint had ended"):
                await socket["websocket.ReceiveAsync"](bytearray(1))

        talk(late)


class TestReceiving:
    def test_websockets_ow11_a_message_in_the_pieces_of_the_buffer(self) -> None:
        async def receive(socket: Any, websocket: WebSocket, transport: LoggedTransport) -> None:
            websocket.take_message("hello world")
            websocket.take_message(b"\x00\x01")
            buffer = bytearray(8)
            assert await socket["websocket.ReceiveAsync"](buffer, None) == (1, False, 8)
            assert bytes(buffer) == b"hello wo"
            assert await socket["websocket.ReceiveAsync"](buffer, None) == (1, True, 3)
            assert bytes(buffer[:3]) == b"rld"
            assert await socket["websocket.ReceiveAsync"](memoryview(buffer)[4:], None) == (2, True, 2)
            assert bytes(buffer) == b"rldl\x00\x01wo"

        talk(receive)

    def test_websockets_ow11_co44_a_close_with_a_code(self) -> None:
        async def receive(socket: Any, websocket: WebSocket, transport: LoggedTransport) -> None:
            websocket.take_close(1001, "x")
            assert await socket["websocket.ReceiveAsync"](bytearray(8)) == (8, True, 0)
            assert socket["websocket.ClientCloseStatus"] == 1001
            assert socket["websocket.ClientCloseDescription"] == "x"

        talk(receive)

    def test_websockets_dv1_a_close_without_a_code(self) -> None:
        async def receive(socket: Any, websocket: WebSocket, transport: LoggedTransport) -> None:
            websocket.take_close(1005, "")
            assert await socket["websocket.ReceiveAsync"](bytearray(8)) == (8, True, 0)
            assert "websocket.ClientCloseStatus" not in socket
            assert "websocket.ClientCloseDescription" not in socket

        talk(receive)

    def test_a_lost_connection_is_an_error(self) -> None:
        async def receive(socket: Any, websocket: WebSocket, transport: LoggedTransport) -> None:
            receiving = asyncio.ensure_future(socket["websocket.ReceiveAsync"](bytearray(8)))
            await settle()
            websocket.lose(None)
            with pytest.raises(ConnectionLost):
                await receiving

        talk(receive)

    @pytest.mark.parametrize("buffer", [bytearray(), bytes(8)])
    def test_a_buffer_without_room(self, buffer: bytes) -> None:
        async def receive(socket: Any, websocket: WebSocket, transport: LoggedTransport) -> None:
            websocket.take_message("kept")
            with pytest.raises(ValueError, match="room for at least one byte"):
                await socket["websocket.ReceiveAsync"](buffer)
            assert await websocket.receive() == "kept"

        talk(receive)
