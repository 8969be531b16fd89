"""This file is the test of a WebSocket over the delegates of an OWIN server (websockets CO-20 to CO-27; T-26)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from penstock.errors import (
    ConnectionLost,
    WebSocketClosedError,
    WebSocketDisconnect,
    WebSocketProtocolError,
)
from penstock.request_sockets.messages import MessageType
from penstock.request_sockets.owin_transport import websocket_over
from penstock.request_sockets.websocket import WebSocket, WebSocketState
from tests.pipeline.subject import run, settle
from tests.request_sockets.owin_subject import OwinPeer, Said

CLOSED: Said = (8, True, b"")
Conversation = Callable[[WebSocket, OwinPeer], Awaitable[None]]


def talk(conversation: Conversation, *said: Said, peer: OwinPeer | None = None, **options: Any) -> OwinPeer:
    """What is left of the peer when nothing of its socket is under way any more."""
    found = peer or OwinPeer(*said)

    async def journey() -> None:
        websocket = websocket_over(found.environment, **options)
        await conversation(websocket, found)
        await websocket.abort_async()
        await settle()
        assert len(asyncio.all_tasks()) == 1

    run(journey)
    return found


class TestReceiving:
    def test_messages_of_both_types_and_the_end(self) -> None:
        async def receive(websocket: WebSocket, peer: OwinPeer) -> None:
            assert await websocket.receive() == "hé"
            assert await websocket.receive() == b"\x00"
            with pytest.raises(WebSocketDisconnect) as ended:
                await websocket.receive()
            assert (ended.value.code, ended.value.reason) == (1001, "r")
            assert websocket.state is WebSocketState.CLOSE_RECEIVED
            assert (websocket.close_code, websocket.close_reason) == (1001, "r")

        peer = OwinPeer((1, True, "hé".encode()), (2, True, b"\x00"), CLOSED, code=1001, reason="r")
        talk(receive, peer=peer)

    def test_websockets_co22_a_close_without_a_code(self) -> None:
        async def receive(websocket: WebSocket, peer: OwinPeer) -> None:
            with pytest.raises(WebSocketDisconnect) as ended:
                await websocket.receive()
            assert (ended.value.code, ended.value.reason) == (1005, "")

        talk(receive, CLOSED)

    def test_a_message_in_pieces(self) -> None:
        async def receive(websocket: WebSocket, peer: OwinPeer) -> None:
            assert await websocket.receive() == "hé"
            assert await websocket.receive() == b"ab"
            assert await websocket.receive() == ""

        talk(receive, (1, False, b"h\xc3"), (1, True, b"\xa9"), (2, False, b"a"), (2, True, b"b"), (1, True, b""))

    def test_is_pulled_only_while_there_is_room(self) -> None:
        async def receive(websocket: WebSocket, peer: OwinPeer) -> None:
            await settle(500)
            pulled = peer.calls.count("receive")
            assert pulled < 200
            for _ in range(200):
                await websocket.receive()
            assert peer.calls.count("receive") == 201

        talk(receive, *[(2, True, bytes(1000))] * 200)

    @pytest.mark.parametrize("kind", [9, 0, 3])
    def test_websockets_co20_other_types(self, kind: int) -> None:
        async def receive(websocket: WebSocket, peer: OwinPeer) -> None:
            with pytest.raises(ConnectionLost, match=f"gave {kind}, which is no type of a message"):
                await websocket.receive_fragment()

        talk(receive, (kind, True, b""))

    def test_an_error_of_the_delegate_is_a_lost_connection(self) -> None:
        async def receive(websocket: WebSocket, peer: OwinPeer) -> None:
            with pytest.raises(WebSocketDisconnect) as ended:
                await websocket.receive()
            assert ended.value.code == 1006
            assert websocket.state is WebSocketState.ABORTED
            with pytest.raises(ConnectionLost, match="reset by peer"):
                await websocket.send("late")

        talk(receive, OSError("reset by peer"))

    @pytest.mark.parametrize("said", [[(1, True, b"\xff")], [(1, False, b"a"), (1, True, b"\xc3")]])
    def test_text_that_is_not_utf8(self, said: list[Said]) -> None:
        async def receive(websocket: WebSocket, peer: OwinPeer) -> None:
            with pytest.raises(WebSocketProtocolError) as broken:
                await websocket.receive()
            assert broken.value.code == 1007

        assert talk(receive, *said).sent == [("close", 1007, "a text is not UTF-8")]

    def test_a_message_beyond_the_limit(self) -> None:
        async def receive(websocket: WebSocket, peer: OwinPeer) -> None:
            assert await websocket.receive() == b"123"
            with pytest.raises(WebSocketProtocolError) as broken:
                await websocket.receive()
            assert broken.value.code == 1009

        peer = talk(receive, (2, True, b"123"), (2, False, b"12"), (2, True, b"34"), max_message_size=3)
        assert peer.sent == [("close", 1009, "a message is longer than 3 bytes")]

    @pytest.mark.parametrize("name", ["SendAsync", "ReceiveAsync", "CloseAsync"])
    def test_a_delegate_that_is_missing(self, name: str) -> None:
        async def journey() -> None:
            peer = OwinPeer()
            del peer.environment[f"websocket.{name}"]
            with pytest.raises(KeyError, match=name):
                websocket_over(peer.environment)

        run(journey)


class TestSending:
    def test_websockets_co23_types_and_ends(self) -> None:
        async def send(websocket: WebSocket, peer: OwinPeer) -> None:
            await websocket.send("hé")
            await websocket.send(b"\x00")
            await websocket.send_fragment(b"a", MessageType.BINARY, end=False)
            await websocket.send_fragment(b"b", MessageType.BINARY, end=True)
            await settle()

        assert talk(send).sent == [
            ("hé".encode(), 1, True),
            (b"\x00", 2, True),
            (b"a", 2, False),
            (b"b", 2, True),
        ]

    def test_websockets_co27_one_delegate_is_called_at_a_time(self) -> None:
        async def send(websocket: WebSocket, peer: OwinPeer) -> None:
            peer.is_slow.clear()
            sending = [asyncio.ensure_future(websocket.send(text)) for text in "abc"]
            await settle()
            assert peer.sent == [(b"a", 1, True)]
            assert [each.done() for each in sending] == [True, False, False]
            peer.is_slow.set()
            await asyncio.gather(*sending)
            await settle()
            assert peer.sent == [(b"a", 1, True), (b"b", 1, True), (b"c", 1, True)]

        talk(send)

    def test_an_error_of_the_delegate_is_a_lost_connection(self) -> None:
        async def send(websocket: WebSocket, peer: OwinPeer) -> None:
            peer.failure = OSError("broken pipe")
            await websocket.send("a")
            with pytest.raises(ConnectionLost, match="broken pipe"):
                await websocket.send("b")

        talk(send)


class TestClosing:
    def test_websockets_co25_closing_drains_what_comes(self) -> None:
        async def close(websocket: WebSocket, peer: OwinPeer) -> None:
            await websocket.close(1000, "bye")
            assert websocket.state is WebSocketState.CLOSED

        assert talk(close, (1, True, b"1"), (1, True, b"2"), (2, False, b"3")).sent == [("close", 1000, "bye")]

    def test_websockets_co21_a_close_that_came_is_answered(self) -> None:
        async def close(websocket: WebSocket, peer: OwinPeer) -> None:
            with pytest.raises(WebSocketDisconnect):
                await websocket.receive()
            await websocket.close_output(1000)
            assert websocket.state is WebSocketState.CLOSED
            with pytest.raises(WebSocketClosedError):
                await websocket.send("late")

        assert talk(close, CLOSED).sent == [("close", 1000, "")]

    def test_a_close_without_a_code_is_sent_as_a_message(self) -> None:
        async def close(websocket: WebSocket, peer: OwinPeer) -> None:
            await websocket.close_output(1005)
            await settle()

        assert talk(close).sent == [(b"", 8, True)]

    def test_websockets_co26_aborting_calls_no_delegate(self) -> None:
        async def abort(websocket: WebSocket, peer: OwinPeer) -> None:
            websocket.abort()
            assert websocket.state is WebSocketState.ABORTED
            await settle()

        assert talk(abort).sent == []

    def test_aborting_gives_up_what_is_being_sent(self) -> None:
        async def abort(websocket: WebSocket, peer: OwinPeer) -> None:
            peer.is_slow.clear()
            await websocket.send("a")
            await settle()
            websocket.abort()

        assert talk(abort).sent == [(b"a", 1, True)]

    def test_websockets_ow8_the_token_gives_up_a_close_that_does_not_leave(self) -> None:
        async def close(websocket: WebSocket, peer: OwinPeer) -> None:
            with pytest.raises(WebSocketDisconnect):
                await websocket.receive()
            peer.is_slow.clear()
            await websocket.finish(1000, "", 1.0)
            peer.token.cancel()

        talk(close, CLOSED)

    def test_websockets_ow8_the_token_ends_the_socket(self) -> None:
        async def lose(websocket: WebSocket, peer: OwinPeer) -> None:
            receiving = asyncio.ensure_future(websocket.receive())
            await settle()
            peer.token.cancel()
            with pytest.raises(WebSocketDisconnect) as ended:
                await receiving
            assert ended.value.code == 1006

        talk(lose)
