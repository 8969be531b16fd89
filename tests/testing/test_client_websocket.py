"""This file is the test of the client's side of a WebSocket: what it sends and is told, and how handshakes and sockets end."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from penstock.errors import (
    ConnectionLost,
    RequestRejected,
    WebSocketClosedError,
    WebSocketDisconnect,
    WebSocketProtocolError,
)
from penstock.hosts.memory_host import MemoryRequest
from penstock.http.messages import ResponseHead
from penstock.intake.frame_transport import BINARY, CLOSE, CONTINUATION, PING, TEXT, UpgradeTerms
from penstock.request_sockets.websocket import WebSocket
from penstock.server import open_client
from penstock.settings import LocationSettings, RouteSettings, SiteSettings
from penstock.settings.model import LimitSettings
from penstock.settings.websocket_model import WebSocketSettings
from penstock.testing import Client, ClientWebSocket, WebSocketRefused
from penstock.testing.client_websocket import handshake_headers
from tests.hosts.wired import run

Endpoint = Callable[..., Any]
WORDS = " ".join(str(number) for number in range(40_000))


def serve(endpoint: Endpoint, **location: Any) -> Client:
    """A client of a site with one WebSocket, at /chat."""
    site = SiteSettings(
        routes=(RouteSettings(at="/chat", websocket="the:endpoint", subprotocols=("v2", "v1")),),
        locations=(LocationSettings(at="/", **location),),
    )
    return open_client(site, objects={"the:endpoint": endpoint})


async def echo(websocket: WebSocket) -> None:
    async for message in websocket:
        await websocket.send(message)


async def exchange(websocket: ClientWebSocket) -> None:
    for message in ("", "Käse", b"", b"\0\xff", "x" * 200, b"y" * 60_000, WORDS):
        await websocket.send(message)
        assert await websocket.receive() == message


class TestHandshake:
    @run
    async def test_what_was_agreed(self) -> None:
        async with serve(echo) as client, client.websocket("/chat", subprotocols=["v1", "v2"]) as websocket:
            assert websocket.subprotocol == "v2"
            assert websocket.response_headers["upgrade"] == "websocket"
        async with serve(echo) as client, client.websocket("/chat") as websocket:
            assert websocket.subprotocol is None

    @run
    async def test_one_that_is_refused(self) -> None:
        async with serve(echo) as client:
            with pytest.raises(WebSocketRefused) as caught:
                async with client.websocket("/nowhere"):
                    pass
        assert caught.value.response.status == 404
        assert "answered with 404: b'404 Not Found" in str(caught.value)

    @run
    async def test_a_page_of_another_site(self) -> None:
        async with serve(echo, websockets=WebSocketSettings(origins=("https://good.example",))) as client:
            async with client.websocket("/chat", origin="https://good.example") as websocket:
                await websocket.send("in")
            with pytest.raises(WebSocketRefused, match="403"):
                async with client.websocket("/chat", origin="https://evil.example"):
                    pass

    @run
    async def test_headers_of_ones_own_take_the_place(self) -> None:
        async with serve(echo) as client:
            with pytest.raises(WebSocketRefused) as caught:
                async with client.websocket("/chat", headers={"Sec-WebSocket-Version": "8"}):
                    pass
            assert caught.value.response.status == 426
            with pytest.raises(RequestRejected):
                async with client.websocket("/chat", headers=[("host", "a"), ("host", "b")]):
                    pass

    @run
    async def test_nothing_is_asked_before_the_block(self) -> None:
        async with serve(echo) as client:
            client.websocket("/chat")
            assert client.runtime.statistics().total == 0

    @run
    async def test_a_101_that_does_not_answer_the_key(self) -> None:
        request = handshake()
        socket = request.upgrade(ResponseHead(101, []), UpgradeTerms(b"x" * 24))
        assert socket is not None
        with pytest.raises(WebSocketProtocolError, match="does not answer"):
            ClientWebSocket(request, socket)


class TestMessages:
    @run
    async def test_of_all_sizes_and_kinds(self) -> None:
        async with serve(echo) as client, client.websocket("/chat", compression=True) as websocket:
            assert "sec-websocket-extensions" not in websocket.response_headers
            await exchange(websocket)

    @run
    async def test_compressed(self) -> None:
        async with (
            serve(echo, websockets=WebSocketSettings(compression=True)) as client,
            client.websocket("/chat", compression=True) as websocket,
        ):
            assert "permessage-deflate" in websocket.response_headers["sec-websocket-extensions"]
            await exchange(websocket)

    @run
    async def test_more_than_the_server_keeps_is_read_while_sending_waits(self) -> None:
        async with serve(echo) as client, client.websocket("/chat") as websocket:
            for number in range(300):
                await websocket.send(f"{number}:" + "x" * 5000)
            assert [(await websocket.receive())[:3] for _ in range(10)] == [f"{number}:x"[:3] for number in range(10)]

    @run
    async def test_pings_are_answered(self) -> None:
        async with serve(echo) as client, client.websocket("/chat") as websocket:
            await websocket.send("kept")
            await websocket.ping(b"there?")
            await websocket.ping()
            assert await websocket.receive() == "kept"

    @run
    async def test_bytes_that_are_no_frames(self) -> None:
        async with serve(echo) as client, client.websocket("/chat") as websocket:
            websocket.send_raw(b"\x81\x00")
            with pytest.raises(WebSocketDisconnect) as caught:
                await websocket.receive()
            assert (caught.value.code, websocket.close_code) == (1002, 1002)


class TestEnding:
    @run
    async def test_the_end_of_the_block_closes(self) -> None:
        seen: list[object] = []

        async def endpoint(websocket: WebSocket) -> None:
            try:
                await websocket.receive()
            except WebSocketDisconnect as error:
                seen.append(error.code)

        async with serve(endpoint) as client:
            async with client.websocket("/chat"):
                pass
            assert seen == [1000]

    @run
    async def test_a_block_that_fails_leaves_without_a_word(self) -> None:
        seen: list[object] = []

        async def endpoint(websocket: WebSocket) -> None:
            try:
                await websocket.receive()
            except WebSocketDisconnect as error:
                seen.append(error.code)

        async with serve(endpoint) as client:
            with pytest.raises(ZeroDivisionError):
                async with client.websocket("/chat"):
                    raise ZeroDivisionError
        assert seen == [1006]

    @run
    async def test_the_server_closes(self) -> None:
        async def endpoint(websocket: WebSocket) -> None:
            await websocket.send("last")
            await websocket.close_output(4001, "enough")

        async with serve(endpoint) as client, client.websocket("/chat") as websocket:
            assert await websocket.receive() == "last"
            for _ in range(2):
                with pytest.raises(WebSocketDisconnect) as caught:
                    await websocket.receive()
                assert (caught.value.code, caught.value.reason) == (4001, "enough")
            assert (websocket.close_code, websocket.close_reason) == (4001, "enough")
            with pytest.raises(WebSocketClosedError):
                await websocket.send("late")

    @run
    async def test_the_client_closes_and_still_gets_what_came(self) -> None:
        async with serve(echo) as client, client.websocket("/chat") as websocket:
            await websocket.send("one")
            await websocket.close(3000, "done")
            await websocket.close()
            assert websocket.close_code == 3000
            assert await websocket.receive() == "one"
            with pytest.raises(WebSocketDisconnect):
                await websocket.receive()

    @run
    async def test_a_code_that_cannot_be_sent_changes_nothing(self) -> None:
        async with serve(echo) as client, client.websocket("/chat") as websocket:
            with pytest.raises(ValueError, match="1006 is not a code"):
                await websocket.close(1006)
            await websocket.send("still open")
            assert await websocket.receive() == "still open"

    @run
    async def test_the_server_drops_the_connection(self) -> None:
        async def endpoint(websocket: WebSocket) -> None:
            websocket.abort()

        async with serve(endpoint) as client, client.websocket("/chat") as websocket:
            with pytest.raises(WebSocketDisconnect) as caught:
                await websocket.receive()
            assert caught.value.code == 1006
            with pytest.raises(ConnectionLost):
                await websocket.send("late")
            assert await websocket.receive_raw() == b""

    @run
    async def test_the_server_stops(self) -> None:
        async with serve(echo) as client:
            async with client.websocket("/chat") as websocket:
                stopping = asyncio.ensure_future(client.runtime.drain(5))
                with pytest.raises(WebSocketDisconnect) as caught:
                    await websocket.receive()
                assert caught.value.code == 1001
            assert await stopping


def handshake() -> MemoryRequest:
    fields = [(b"host", b"example.org"), *((name.encode(), value.encode()) for name, value in handshake_headers())]
    return MemoryRequest.make("GET", "/", fields, b"", LimitSettings())


class TestAgainstAServerInHand:
    """What the server sends is the test's."""

    def open(self) -> tuple[ClientWebSocket, Any]:
        request = handshake()
        socket = request.upgrade(ResponseHead(101, []), UpgradeTerms(request.head.find(b"sec-websocket-key") or b""))
        assert socket is not None
        return ClientWebSocket(request, socket), socket

    @run
    async def test_messages_in_fragments_with_a_ping_between(self) -> None:
        websocket, socket = self.open()
        socket.write(TEXT, "Kä".encode()[:2], fin=False)
        socket.write_control(PING, b"")
        socket.write(CONTINUATION, "Kä".encode()[2:])
        socket.write(BINARY, b"one", fin=False)
        socket.write(CONTINUATION, b"two")
        assert await websocket.receive() == "Kä"
        assert await websocket.receive() == b"onetwo"

    @run
    async def test_a_server_that_breaks_the_protocol(self) -> None:
        websocket, socket = self.open()
        socket.write(TEXT, b"good")
        socket.write(CONTINUATION, b"of nothing")
        assert await websocket.receive() == "good"
        with pytest.raises(WebSocketProtocolError, match="the server broke the protocol"):
            await websocket.receive()

    @run
    async def test_a_server_that_says_nothing_more(self) -> None:
        websocket, socket = self.open()
        socket.write_control(CLOSE, b"")
        socket.close()
        with pytest.raises(WebSocketDisconnect) as caught:
            await websocket.receive()
        assert caught.value.code == 1005
        await websocket.close()

    @run
    async def test_what_comes_raw(self) -> None:
        websocket, socket = self.open()
        reading = asyncio.ensure_future(websocket.receive_raw())
        await asyncio.sleep(0)
        socket.write(TEXT, b"raw")
        assert await reading == b"\x81\x03raw"

    def test_a_server_that_never_ends_is_left(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("penstock.testing.client_websocket._PATIENCE", 0.01)

        async def journey() -> None:
            websocket, socket = self.open()
            await websocket.close()
            await socket.wait_drained()
            assert socket.is_ended

        asyncio.run(journey())
