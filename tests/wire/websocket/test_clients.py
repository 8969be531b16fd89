"""Clients that others wrote - `websockets`, wsproto, picows - against native endpoints and ASGI applications."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from picows import WSCloseCode, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedError, ConnectionClosedOK, InvalidStatus
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Close
from websockets.typing import Subprotocol
from wsproto.events import BytesMessage, CloseConnection, Ping, RejectConnection, TextMessage

from tests.wire.listener_subject import eventually
from tests.wire.websocket.faces import AsgiFaces, Closed, native_routes
from tests.wire.websocket.subject import SocketServer, serving
from tests.wire.websocket.wsproto_client import WsprotoClient

FACES = ("/native", "/asgi")
LARGE = " ".join(
    f"Satz {number} über Flüsse." for number in range(30_000)
)  # not packed beyond the ratio that is allowed
CLOSED = Closed()


@pytest.fixture(scope="module")
def server() -> Iterator[SocketServer]:
    with serving(native_routes(CLOSED), app=AsgiFaces(CLOSED)) as server:
        yield server


@pytest.fixture(params=FACES)
def face(request: pytest.FixtureRequest) -> str:
    CLOSED.seen.clear()
    return str(request.param)


def url(server: SocketServer, target: str) -> str:
    host, port = server.address
    return f"ws://{host}:{port}{target}"


def run(journey: Callable[[], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        async with asyncio.timeout(10):
            return await journey()

    return asyncio.run(whole())


class TestWebsockets:
    """The library `websockets`, with its asyncio client."""

    def test_text_binary_and_fragments(self, server: SocketServer, face: str) -> None:
        async def journey() -> None:
            async with connect(url(server, f"{face}/echo"), compression=None) as client:
                for message in ("", "hello", "grüße", LARGE, b"", b"\x00\xff", LARGE.encode()):
                    await client.send(message)
                    assert await client.recv() == message
                await client.send(["one ", "two ", "three"])
                assert await client.recv() == "one two three"
                await client.send([b"one", b"", b"two"])
                assert await client.recv() == b"onetwo"

        run(journey)

    def test_fragments_of_the_server(self, server: SocketServer) -> None:
        async def journey() -> None:
            async with connect(url(server, "/native/fragments"), compression=None) as client:
                await client.send(LARGE)
                pieces = [piece async for piece in client.recv_streaming()]
                assert len(pieces) > 100
                assert "".join(str(piece) for piece in pieces) == LARGE

        run(journey)

    def test_websockets_rt05_sw83_ping(self, server: SocketServer, face: str) -> None:
        async def journey() -> None:
            async with connect(url(server, f"{face}/echo")) as client:
                for payload in (b"", b"payload"):
                    assert await (await client.ping(payload)) < 5

        run(journey)

    @pytest.mark.parametrize("takes_over", [True, False])
    def test_compression(self, server: SocketServer, takes_over: bool) -> None:
        factory = ClientPerMessageDeflateFactory(
            server_no_context_takeover=not takes_over,
            client_no_context_takeover=not takes_over,
            server_max_window_bits=12,
            client_max_window_bits=True,
        )

        async def journey() -> None:
            async with connect(url(server, "/native/deflate"), compression=None, extensions=[factory]) as client:
                assert [extension.name for extension in client.protocol.extensions] == ["permessage-deflate"]
                for message in ("hello", "hello", LARGE, LARGE.encode(), ""):
                    await client.send(message)
                    assert await client.recv() == message
                await client.send(["compressed ", "in ", "fragments"])
                assert await client.recv() == "compressed in fragments"

        run(journey)

    def test_an_offer_of_compression_that_is_not_taken(self, server: SocketServer, face: str) -> None:
        async def journey() -> None:
            async with connect(url(server, f"{face}/echo"), compression="deflate") as client:
                assert client.protocol.extensions == []
                await client.send("hello")
                assert await client.recv() == "hello"

        run(journey)

    @pytest.mark.parametrize(
        ("offered", "chosen"), [(["chat.v1", "chat.v2"], "chat.v2"), (["chat.v1"], None), ([], None)]
    )
    def test_subprotocols(self, server: SocketServer, face: str, offered: list[str], chosen: str | None) -> None:
        async def journey() -> None:
            subprotocols = [Subprotocol(each) for each in offered] or None
            async with connect(url(server, f"{face}/choose"), subprotocols=subprotocols) as client:
                assert client.subprotocol == chosen

        run(journey)

    @pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "r"), (3000, "grüße"), (4999, "x" * 123)])
    def test_close_of_the_client(self, server: SocketServer, face: str, code: int, reason: str) -> None:
        async def journey() -> ClientConnection:
            async with connect(url(server, f"{face}/closed")) as client:
                await client.send("hello")
                await client.close(code, reason)
            return client

        client = run(journey)
        assert client.protocol.close_rcvd.code == code
        assert eventually(lambda: CLOSED.seen == [(code, reason)]), CLOSED.seen

    def test_close_of_the_server(self, server: SocketServer, face: str) -> None:
        async def journey() -> None:
            async with connect(url(server, f"{face}/close")) as client:
                await client.send("hello")
                with pytest.raises(ConnectionClosedError) as caught:
                    await client.recv()
                assert caught.value.rcvd == Close(4001, "enough")
                assert caught.value.rcvd_then_sent

        run(journey)

    def test_an_endpoint_that_fails(self, server: SocketServer, face: str) -> None:
        async def journey() -> None:
            async with connect(url(server, f"{face}/fail")) as client:
                await client.send("hello")
                with pytest.raises(ConnectionClosedError) as caught:
                    await client.recv()
                assert caught.value.rcvd is not None
                assert caught.value.rcvd.code == 1011

        run(journey)

    def test_leaving_the_block_is_a_clean_end(self, server: SocketServer, face: str) -> None:
        async def journey() -> None:
            async with connect(url(server, f"{face}/echo")) as client:
                await client.send("unread")
            with pytest.raises(ConnectionClosedOK):
                await client.send("late")

        run(journey)

    def test_websockets_h06_a_refusal_is_an_ordinary_answer(self, server: SocketServer) -> None:
        async def journey() -> int:
            with pytest.raises(InvalidStatus) as caught:
                await connect(url(server, "/nowhere"))
            return caught.value.response.status_code

        assert run(journey) == 404


class TestWsproto:
    def test_text_binary_and_fragments(self, server: SocketServer, face: str) -> None:
        with WsprotoClient(server.address, f"{face}/echo") as client:
            for text in ("", "hello", "grüße", LARGE[:70_000]):
                client.send(TextMessage(text))
                assert client.read_message() == text
            client.send(BytesMessage(b"\x00\xff" * 40_000))
            assert client.read_message() == b"\x00\xff" * 40_000
            client.send(TextMessage("one ", message_finished=False))
            client.send(Ping(b"between"))
            client.send(TextMessage("two"))
            assert client.read_pong() == b"between"
            assert client.read_message() == "one two"
            client.send(CloseConnection(1000, "done"))
            assert client.read_close()[0] == 1000

    def test_compression(self, server: SocketServer) -> None:
        with WsprotoClient(server.address, "/native/deflate", deflate=True) as client:
            assert [extension.name for extension in client.accepted.extensions] == ["permessage-deflate"]
            for _ in range(3):
                client.send(TextMessage(LARGE[:70_000]))
                assert client.read_message() == LARGE[:70_000]

    def test_subprotocols(self, server: SocketServer, face: str) -> None:
        with WsprotoClient(server.address, f"{face}/choose", subprotocols=["chat.v1", "chat.v2"]) as client:
            assert client.accepted.subprotocol == "chat.v2"

    @pytest.mark.parametrize(("code", "reason"), [(1000, ""), (4000, "bye")])
    def test_close_of_the_client(self, server: SocketServer, face: str, code: int, reason: str) -> None:
        with WsprotoClient(server.address, f"{face}/closed") as client:
            client.send(CloseConnection(code, reason))
            assert client.read_close()[0] == code
        assert eventually(lambda: CLOSED.seen == [(code, reason)]), CLOSED.seen

    def test_close_of_the_server(self, server: SocketServer, face: str) -> None:
        with WsprotoClient(server.address, f"{face}/close") as client:
            client.send(TextMessage("hello"))
            assert client.read_close() == (4001, "enough")

    def test_websockets_h06_a_refusal_is_an_ordinary_answer(self, server: SocketServer) -> None:
        with WsprotoClient(server.address, "/nowhere") as client:
            assert isinstance(client.opening, RejectConnection)
            assert client.opening.status_code == 404


class Listener(WSListener):
    """What picows tells of one connection."""

    def __init__(self) -> None:
        self.messages: asyncio.Queue[tuple[WSMsgType, bytes, bool]] = asyncio.Queue()
        self.close: tuple[int, str] | None = None

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            self.close = (frame.get_close_code().value, (frame.get_close_message() or b"").decode())
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        else:
            self.messages.put_nowait((frame.msg_type, frame.get_payload_as_bytes(), frame.fin))

    async def read(self) -> tuple[WSMsgType, bytes]:
        kind, payload, is_end = await self.messages.get()
        while not is_end:
            _, piece, is_end = await self.messages.get()
            payload += piece
        return kind, payload


async def open_picows(server: SocketServer, target: str) -> tuple[WSTransport, Listener]:
    transport, listener = await ws_connect(Listener, url(server, target))
    assert isinstance(listener, Listener)
    return transport, listener


class TestPicows:
    def test_text_binary_and_fragments(self, server: SocketServer, face: str) -> None:
        async def journey() -> None:
            transport, listener = await open_picows(server, f"{face}/echo")
            for kind, payload in (
                (WSMsgType.TEXT, b""),
                (WSMsgType.TEXT, LARGE.encode()),
                (WSMsgType.BINARY, b"\x00\xff" * 100_000),
            ):
                transport.send(kind, payload)
                assert await listener.read() == (kind, payload)
            transport.send(WSMsgType.BINARY, b"one", fin=False)
            transport.send(WSMsgType.CONTINUATION, b"two")
            assert await listener.read() == (WSMsgType.BINARY, b"onetwo")
            transport.send_close(WSCloseCode.OK)
            await transport.wait_disconnected()
            assert listener.close == (1000, "")

        run(journey)

    def test_websockets_rt05_sw83_ping(self, server: SocketServer, face: str) -> None:
        async def journey() -> None:
            transport, listener = await open_picows(server, f"{face}/echo")
            transport.send_ping(b"payload")
            assert await listener.read() == (WSMsgType.PONG, b"payload")
            transport.disconnect()
            await transport.wait_disconnected()

        run(journey)

    def test_close_of_the_client(self, server: SocketServer, face: str) -> None:
        async def journey() -> tuple[int, str] | None:
            transport, listener = await open_picows(server, f"{face}/closed")
            transport.send_close(WSCloseCode.GOING_AWAY, b"r")
            await transport.wait_disconnected()
            return listener.close

        assert run(journey) in ((1001, ""), (1001, "r"))
        assert eventually(lambda: CLOSED.seen == [(1001, "r")]), CLOSED.seen

    def test_close_of_the_server(self, server: SocketServer, face: str) -> None:
        async def journey() -> tuple[int, str] | None:
            transport, listener = await open_picows(server, f"{face}/close")
            transport.send(WSMsgType.TEXT, b"hello")
            await transport.wait_disconnected()
            return listener.close

        assert run(journey) == (4001, "enough")

    def test_a_client_that_just_leaves(self, server: SocketServer, face: str) -> None:
        async def journey() -> None:
            transport, _ = await open_picows(server, f"{face}/closed")
            transport.disconnect()
            await transport.wait_disconnected()

        run(journey)
        assert eventually(lambda: CLOSED.seen == [(1006, "")]), CLOSED.seen
