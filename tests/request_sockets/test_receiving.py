"""Receiving: messages whole and in pieces, waiting and not, cancelled, and more of them than anybody takes."""

import asyncio
import inspect
import sys

import pytest

from penstock.errors import (
    ConnectionLost,
    ContractError,
    SocketDisposedError,
    WebSocketBusyError,
    WebSocketClosedError,
    WebSocketDisconnect,
    WebSocketError,
    WebSocketProtocolError,
)
from penstock.request_sockets.messages import MessageType
from penstock.request_sockets.receiving import DISCARDED_BYTES, UNREAD_BYTES, UNREAD_MESSAGES
from penstock.request_sockets.states import WebSocketState
from tests.request_sockets.fake_transport import BINARY, TEXT, begin, call, open_socket, run, settle

A_TEXT, A_BINARY = MessageType.TEXT, MessageType.BINARY


class TestWhole:
    def test_what_waits_is_received_in_order_without_waiting(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            for message in ("a", b"b", "", b"", "é"):
                websocket.take_message(message)
            for expected in ("a", b"b", "", b"", "é"):
                receiving = websocket.receive()
                with pytest.raises(StopIteration) as received:
                    receiving.send(None)  # it never yields to the loop
                assert received.value.value == expected
            assert websocket.bytes_in == 4

        run(journey)

    def test_who_waits_is_woken(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            task = await begin(websocket.receive())
            websocket.take_message("a")
            websocket.take_message("b")
            assert await task == "a"
            assert await websocket.receive() == "b"

        run(journey)

    def test_a_receiver_gets_messages_and_the_end_in_its_own_shape(self) -> None:
        class Shapes:
            def shape_message(self, received: str | bytes) -> object:
                return ["message", received]

            def shape_end(self, error: WebSocketError) -> object:
                return ["end", type(error)]

        async def journey() -> None:
            websocket, _ = open_socket()
            shapes = Shapes()
            task = await begin(websocket.receive_for(shapes))
            with pytest.raises(WebSocketBusyError):
                await websocket.receive_for(shapes)
            websocket.take_message("a")
            websocket.take_message(b"b")
            assert [await task, await websocket.receive_for(shapes)] == [["message", "a"], ["message", b"b"]]
            websocket.take_close(1001, "")
            assert await websocket.receive_for(shapes) == ["end", WebSocketDisconnect]
            assert await websocket.receive_for(shapes) == ["end", WebSocketClosedError]
            websocket.dispose()
            assert await websocket.receive_for(shapes) == ["end", SocketDisposedError]

        run(journey)

    @pytest.mark.parametrize("text", ["κόσμε", "\U00024b62", "Hello-µ@ßöäüàá"])
    def test_websockets_py14_text_comes_a_byte_at_a_time(self, text: str) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            data = text.encode()
            task = await begin(websocket.receive())
            for at, byte in enumerate(data):
                websocket.take_part(TEXT, bytes((byte,)), at == len(data) - 1)
                await settle()
            assert await task == text
            assert websocket.bytes_in == len(data)

        run(journey)

    def test_websockets_as05_six_fragments_are_one_message_with_a_ping_between(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            for at in range(6):
                websocket.take_part(BINARY, b"x", at == 5)
                websocket.take_ping(b"")
            assert await websocket.receive() == b"xxxxxx"

        run(journey)

    def test_an_empty_message_in_parts(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.take_part(TEXT, b"", False)
            websocket.take_part(TEXT, b"", True)
            assert await websocket.receive() == ""

        run(journey)


class TestBusy:
    def test_websockets_t12_a_second_receive_is_refused_by_the_call(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            task = await begin(websocket.receive())
            with pytest.raises(WebSocketBusyError, match="one task receives"):
                call(websocket.receive)
            with pytest.raises(WebSocketBusyError):
                call(websocket.receive_fragment)
            websocket.take_message("a")
            with pytest.raises(WebSocketBusyError):
                call(websocket.receive)  # the first one was woken, and has not gone on yet
            assert await task == "a"

        run(journey)

    def test_websockets_t12_a_second_receive_that_was_called_before_fails_when_awaited(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            first, second = websocket.receive(), websocket.receive_fragment()
            third = websocket.receive()
            task = await begin(first)
            with pytest.raises(WebSocketBusyError):
                await second
            with pytest.raises(WebSocketBusyError):
                await third
            websocket.take_message("a")
            assert await task == "a"

        run(journey)

    def test_websockets_t12_sw72_one_receive_and_one_send_overlap(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            task = await begin(websocket.receive())
            await websocket.send("out")
            websocket.take_message("in")
            assert await task == "in"
            assert transport.messages == [b"out"]

        run(journey)


class TestCancelled:
    """websockets T-16, DV-13, PY-15: a receive that is cancelled loses nothing, and harms nothing."""

    def test_websockets_t16_before_anything_came(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            task = await begin(websocket.receive())
            task.cancel()
            await settle()
            websocket.take_message("a")
            assert await websocket.receive() == "a"
            assert websocket.state is WebSocketState.OPEN
            assert transport.log == []

        run(journey)

    def test_websockets_sw89_when_a_message_had_come_and_it_had_not_gone_on(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            task = await begin(websocket.receive())
            websocket.take_message("a")
            websocket.take_message("b")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert [await websocket.receive(), await websocket.receive()] == ["a", "b"]

        run(journey)

    def test_websockets_sw88_before_it_began(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            task = asyncio.ensure_future(websocket.receive())
            task.cancel()
            await settle()
            websocket.take_message("a")
            assert await websocket.receive() == "a"

        run(journey)

    def test_websockets_py15_a_time_limit_twice_in_the_middle_of_a_message(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            for part in (b"ab", b"cd"):
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(websocket.receive(), 0)
                waiting = await begin(websocket.receive())
                websocket.take_part(TEXT, part, False)
                await settle()
                waiting.cancel()
                await settle()
            websocket.take_part(TEXT, b"ef", True)
            assert await websocket.receive() == "abcdef"

        run(journey)

    def test_websockets_t16_a_piece_is_not_lost_either(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            task = await begin(websocket.receive_fragment())
            websocket.take_part(TEXT, b"ab", False)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert (await websocket.receive_fragment()).data == b"ab"

        run(journey)

    def test_an_end_is_not_lost_either(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            task = await begin(websocket.receive())
            websocket.take_close(1000, "")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(WebSocketDisconnect):
                await websocket.receive()

        run(journey)


class TestFragments:
    def test_websockets_t15_sw80_dv18_ten_bytes_in_pieces_of_four(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.take_message("0123456789")
            websocket.take_message(b"")
            pieces = [(await websocket.receive_fragment(4))[:3] for _ in range(4)]
            assert pieces == [
                (b"0123", A_TEXT, False),
                (b"4567", A_TEXT, False),
                (b"89", A_TEXT, True),
                (b"", A_BINARY, True),
            ]

        run(journey)

    def test_websockets_t15_pieces_come_while_the_message_arrives(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            task = await begin(websocket.receive_fragment(2))
            websocket.take_part(TEXT, b"", False)  # nothing yet
            await settle()
            assert not task.done()
            websocket.take_part(TEXT, "é".encode()[:1], False)
            assert (await task)[:3] == (b"\xc3", A_TEXT, False)
            task = await begin(websocket.receive_fragment(2))
            websocket.take_part(TEXT, "é".encode()[1:], True)
            assert (await task)[:3] == (b"\xa9", A_TEXT, True)

        run(journey)

    def test_the_end_may_come_behind_the_last_byte(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.take_part(BINARY, b"abc", False)
            assert (await websocket.receive_fragment())[:3] == (b"abc", A_BINARY, False)
            task = await begin(websocket.receive_fragment())
            websocket.take_part(BINARY, b"", True)
            websocket.take_message("next")
            assert (await task)[:3] == (b"", A_BINARY, True)
            assert await websocket.receive() == "next"

        run(journey)

    def test_a_message_that_was_begun_in_pieces_is_not_received_whole(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.take_message("0123456789")
            early = websocket.receive()
            await websocket.receive_fragment(4)
            with pytest.raises(ContractError, match="end_of_message"):
                call(websocket.receive)
            with pytest.raises(ContractError, match="end_of_message"):
                await early
            await websocket.receive_fragment()
            websocket.take_message("next")
            assert await websocket.receive() == "next"

        run(journey)

    @pytest.mark.parametrize("limit", [0, -1])
    def test_a_limit_below_one_is_refused(self, limit: int) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            with pytest.raises(ValueError, match="at least one byte"):
                call(websocket.receive_fragment, limit)

        run(journey)

    def test_websockets_sw81_the_close_is_a_result_once(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.take_message("last")
            websocket.take_close(1000, "bye")
            assert (await websocket.receive_fragment()).data == b"last"
            assert await websocket.receive_fragment() == (b"", MessageType.CLOSE, True, 1000, "bye")
            assert websocket.state is WebSocketState.CLOSE_RECEIVED
            with pytest.raises(WebSocketClosedError):
                call(websocket.receive_fragment)

        run(journey)

    def test_websockets_sw90_a_loss_is_raised(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            task = await begin(websocket.receive_fragment())
            websocket.lose(OSError(104, "reset"))
            with pytest.raises(ConnectionLost, match="reset"):
                await task
            assert websocket.state is WebSocketState.ABORTED

        run(journey)

    def test_a_broken_protocol_is_raised(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            task = await begin(websocket.receive_fragment())
            websocket.fail(1002, "a continuation of nothing")
            with pytest.raises(WebSocketProtocolError) as raised:
                await task
            assert (raised.value.code, raised.value.reason) == (1002, "a continuation of nothing")
            with pytest.raises(ConnectionLost):
                call(websocket.receive_fragment)

        run(journey)

    def test_a_message_that_never_ended_is_given_up_behind_its_pieces(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.take_part(TEXT, b"abcd", False)
            assert (await websocket.receive_fragment(2)).data == b"ab"
            websocket.take_close(1001, "")
            assert (await websocket.receive_fragment(2)).data == b"cd"
            assert (await websocket.receive_fragment(2)).close_code == 1001

        run(journey)


class TestIteration:
    def test_websockets_py16_ends_on_a_close(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.take_message("a")
            websocket.take_message("b")
            websocket.take_close(1001, "")
            assert [message async for message in websocket] == ["a", "b"]
            assert [message async for message in websocket] == []
            assert websocket.close_code == 1001

        run(journey)

    def test_websockets_py16_raises_on_a_loss(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.take_message("a")
            websocket.lose(None)
            received = []
            with pytest.raises(WebSocketDisconnect) as raised:
                async for message in websocket:
                    received.append(message)  # noqa: PERF401 - what came before is kept
            assert (received, raised.value.code) == (["a"], 1006)
            with pytest.raises(ConnectionLost):
                await anext(websocket)

        run(journey)

    def test_raises_on_a_broken_protocol(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.fail(1007, "no UTF-8")
            with pytest.raises(WebSocketProtocolError):
                await anext(websocket)

        run(journey)


class TestPressure:
    """websockets AS-26: what nobody takes is bounded."""

    def test_websockets_as26_many_messages(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            for _ in range(UNREAD_MESSAGES):
                websocket.take_message("x")
            assert transport.log == []
            websocket.take_message("x")
            websocket.take_message("x")  # what had been read from the connection already
            assert transport.log == ["pause"]
            for _ in range(UNREAD_MESSAGES + 1):
                await websocket.receive()
            assert transport.log == ["pause"]
            await websocket.receive()
            assert transport.log == ["pause", "resume"]

        run(journey)

    def test_websockets_as26_many_bytes(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            half = "é" * (UNREAD_BYTES // 4)
            websocket.take_message(half)
            websocket.take_message(half)
            assert transport.log == []
            websocket.take_message("x")
            assert transport.log == ["pause"]

        run(journey)

    def test_websockets_as26_one_large_message(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            websocket.take_message(bytes(UNREAD_BYTES + 1))
            assert transport.log == ["pause"]
            await websocket.receive()
            assert transport.log == ["pause", "resume"]

        run(journey)

    def test_websockets_as26_who_waits_takes_a_large_one_without_a_pause(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            for size in (UNREAD_BYTES + 1, 10):
                task = await begin(websocket.receive())
                websocket.take_message(bytes(size))
                await task
            assert transport.log == []

        run(journey)

    def test_an_incomplete_message_waits_for_who_wants_it(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            part = bytes(UNREAD_BYTES)
            websocket.take_part(BINARY, part, False)
            websocket.take_part(BINARY, b"x", False)
            assert transport.log == ["pause"]
            task = await begin(websocket.receive())
            assert transport.log == ["pause", "resume"]
            websocket.take_part(BINARY, part, False)
            websocket.take_part(BINARY, part, True)
            assert len(await task) == 3 * UNREAD_BYTES + 1
            assert transport.log == ["pause", "resume"]

        run(journey)

    def test_pieces_of_a_large_message_keep_the_client_waiting(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            task = await begin(websocket.receive_fragment(UNREAD_BYTES))
            websocket.take_part(BINARY, bytes(UNREAD_BYTES + 1), False)
            assert transport.log == ["pause"]
            assert len((await task).data) == UNREAD_BYTES
            assert transport.log == ["pause", "resume"]

        run(journey)

    def test_who_wants_a_piece_lets_the_client_go_on(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            websocket.take_part(BINARY, bytes(UNREAD_BYTES + 1), False)
            await websocket.receive_fragment(UNREAD_BYTES)
            await websocket.receive_fragment()
            assert transport.log == ["pause", "resume"]
            await begin(websocket.receive_fragment())
            assert transport.log == ["pause", "resume"]
            websocket.abort()
            await settle()

        run(journey)

    def test_the_messages_of_a_pause_are_counted_as_they_are_taken(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            for _ in range(1000):
                websocket.take_message(bytes(UNREAD_BYTES // 4))
                websocket.take_message(bytes(UNREAD_BYTES // 4))
                await websocket.receive()
                await websocket.receive()
            assert transport.log == []

        run(journey)

    def test_websockets_dv08_what_is_sent_behind_the_end_is_bounded(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            task = await begin(websocket.close())
            websocket.take_message(bytes(DISCARDED_BYTES // 2))
            websocket.take_part(BINARY, bytes(DISCARDED_BYTES // 2), False)
            await settle()
            assert not task.done()
            websocket.take_message("x")
            await task
            assert websocket.state is WebSocketState.ABORTED
            assert transport.log[-1] == "abort"
            websocket.take_message("x")
            assert transport.log.count("abort") == 1

        run(journey)


class TestMemory:
    def test_websockets_t40_an_idle_socket_owns_nothing_but_itself(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            task = await begin(websocket.receive())
            for _ in range(3):
                websocket.take_message("a")
            assert await task == "a"
            websocket.take_part(TEXT, b"part", False)
            websocket.take_part(TEXT, b"part", True)
            for _ in range(3):
                await websocket.receive()
            await websocket.send("a")
            names = [name for kind in type(websocket).__mro__ for name in vars(kind) if is_kept(kind, name)]
            assert {"_first", "_others", "_waiter", "_line", "_timer"} <= set(names)
            owned = [getattr(websocket, name) for name in names]
            kept = [each for each in owned if each is not None and type(each) not in KEPT]
            assert kept == []
            assert sys.getsizeof(websocket) < 400

        run(journey)


KEPT = (bool, int, float, str, WebSocketState)


def is_kept(kind: type, name: str) -> bool:
    """Is it an attribute, in the interpreted form or in the compiled one?"""
    return name[:2] != "__" and inspect.isdatadescriptor(vars(kind)[name]) and name not in ("_loop", "_transport")
