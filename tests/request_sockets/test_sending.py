"""Sending: messages whole and in parts, in turns, while the client reads slowly, and cancelled; pings are answered."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from penstock.errors import ConnectionLost, WebSocketBusyError, WebSocketClosedError
from penstock.request_sockets.messages import MessageType
from penstock.request_sockets.states import WebSocketState
from tests.request_sockets.fake_transport import (
    BINARY,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    begin,
    call,
    open_socket,
    run,
    settle,
)


class TestMessages:
    def test_text_and_bytes_leave_without_waiting(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            for data in ("é", b"\xff", bytearray(b"ab"), memoryview(b"abcd")[::2], ""):
                with pytest.raises(StopIteration):
                    websocket.send(data).send(None)  # it never yields to the loop
            assert transport.log == [
                (TEXT, b"\xc3\xa9", True),
                (BINARY, b"\xff", True),
                (BINARY, b"ab", True),
                (BINARY, b"ac", True),
                (TEXT, b"", True),
            ]
            assert all(type(payload) is bytes for payload in transport.messages)
            assert websocket.bytes_out == 7

        run(journey)

    def test_what_is_sent_may_not_be_compressed(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            await websocket.send("a")
            await websocket.send("b", compress=False)
            transport.is_paused = True
            task = await begin(websocket.send("c", compress=False))
            transport.resume()
            await task
            assert transport.compressed == [True, False, False]

        run(journey)

    @pytest.mark.parametrize("data", [1, None, ["a"], {"a": 1}])
    def test_websockets_py06_other_things_are_refused_by_the_call(self, data: Any) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            with pytest.raises(TypeError, match=f"str or bytes, not {type(data).__name__}"):
                call(websocket.send, data)
            with pytest.raises(TypeError, match="bytes, not"):
                call(websocket.send_fragment, data, MessageType.TEXT, True)
            assert transport.log == []

        run(journey)

    def test_a_part_is_bytes(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            with pytest.raises(TypeError, match="a part of a message is bytes, not str"):
                call(websocket.send_fragment, "text", MessageType.TEXT, True)

        run(journey)

    def test_text_that_is_not_unicode_is_refused_and_says_where(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            with pytest.raises(ValueError, match="lone surrogate, U\\+DC80, at 2"):
                call(websocket.send, "ab\udc80")
            await websocket.send("goes on")
            assert transport.messages == [b"goes on"]

        run(journey)

    @pytest.mark.parametrize("end", ["close_received", "close_sent", "closed", "aborted"])
    def test_websockets_t11_a_send_in_each_state(self, end: str) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            early = websocket.send("early")
            if end == "close_received":
                websocket.take_close(1000, "")
                await early
                await websocket.send("late")
                assert transport.messages == [b"early", b"late"]
                return
            if end == "aborted":
                websocket.abort()
            else:
                await websocket.close_output()
            if end == "closed":
                websocket.take_close(1000, "")
            expected = ConnectionLost if end == "aborted" else WebSocketClosedError
            with pytest.raises(expected):
                call(websocket.send, "late")
            with pytest.raises(OSError, match=r"abort|closed"):
                await early
            assert transport.messages == []

        run(journey)


class TestParts:
    def test_websockets_t15_sw85_two_parts_are_one_message(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            await websocket.send_fragment(b"he", MessageType.TEXT, False)
            await websocket.send_fragment(b"", MessageType.TEXT, False)
            await websocket.send_fragment(b"llo", MessageType.TEXT, True)
            await websocket.send_fragment(b"whole", MessageType.BINARY, True)
            assert transport.log == [
                (TEXT, b"he", False),
                (CONTINUATION, b"", False),
                (CONTINUATION, b"llo", True),
                (BINARY, b"whole", True),
            ]
            assert websocket.bytes_out == 10

        run(journey)

    def test_websockets_sw86_a_code_point_may_be_split(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            await websocket.send_fragment(b"\xc3", MessageType.TEXT, False)
            await websocket.send_fragment(b"\xa9", MessageType.TEXT, True)
            assert b"".join(transport.messages).decode() == "é"

        run(journey)

    @pytest.mark.parametrize("kind", [0, 8, 9, 10, 11])
    def test_websockets_sw84_other_types_are_refused_before_the_state_is_looked_at(self, kind: int) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.abort()
            with pytest.raises(ValueError, match="TEXT or BINARY"):
                call(websocket.send_fragment, b"", kind, True)

        run(journey)

    def test_the_type_does_not_change_within_a_message(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            await websocket.send_fragment(b"a", MessageType.TEXT, False)
            with pytest.raises(ValueError, match="is TEXT"):
                call(websocket.send_fragment, b"b", MessageType.BINARY, True)

        run(journey)

    def test_websockets_dv20_others_wait_for_the_end_of_the_message(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            await websocket.send_fragment(b"1", MessageType.TEXT, False)
            others = [await begin(websocket.send(text)) for text in ("a", "b")]
            await websocket.send_fragment(b"2", MessageType.TEXT, False)
            assert not any(other.done() for other in others)
            await websocket.send_fragment(b"3", MessageType.TEXT, True)
            await asyncio.wait(others)
            assert transport.messages == [b"1", b"2", b"3", b"a", b"b"]
            await websocket.send("c")
            assert transport.messages[-1] == b"c"

        run(journey)

    def test_a_message_in_parts_waits_for_its_turn_and_keeps_it(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            first = await begin(websocket.send("a"))
            parts = await begin(websocket.send_fragment(b"1", MessageType.BINARY, False))
            last = await begin(websocket.send("b"))
            transport.resume()
            await asyncio.wait((first, parts))
            await settle()
            assert transport.messages == [b"a", b"1"]
            await websocket.send_fragment(b"2", MessageType.BINARY, True)
            await last
            assert transport.messages == [b"a", b"1", b"2", b"b"]

        run(journey)

    def test_a_part_waits_for_the_client_before_others_do(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.pauses = True
            await websocket.send_fragment(b"1", MessageType.TEXT, False)
            other = await begin(websocket.send("a"))
            part = await begin(websocket.send_fragment(b"2", MessageType.TEXT, True))
            early = websocket.send_fragment
            with pytest.raises(WebSocketBusyError, match="one task sends a message"):
                call(early, b"3", MessageType.TEXT, True)
            assert transport.messages == [b"1"]
            transport.resume()
            await asyncio.wait((part, other))
            assert transport.messages == [b"1", b"2", b"a"]

        run(journey)


class TestTurns:
    def test_websockets_t12_sends_of_many_keep_their_order_while_the_client_reads_slowly(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            tasks = [await begin(websocket.send(str(at))) for at in range(5)]
            assert transport.log == []
            transport.pauses = True
            transport.resume()
            await settle()
            assert transport.messages == [b"0"]  # which filled the buffer again
            transport.resume()
            await asyncio.wait(tasks)
            assert transport.messages == [b"0", b"1", b"2", b"3", b"4"]

        run(journey)

    def test_who_comes_while_others_wait_waits_behind_them(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            first = await begin(websocket.send("first"))
            transport.resume()  # the first one is woken, and has not gone on yet
            await websocket.send("second")
            assert transport.messages == [b"first", b"second"]
            await first

        run(journey)

    def test_websockets_t12_strict_refuses_a_second_send(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket(is_strict=True)
            transport.is_paused = True
            early = websocket.send("early")
            task = await begin(websocket.send("a"))
            with pytest.raises(WebSocketBusyError, match="is_strict"):
                call(websocket.send, "b")
            with pytest.raises(WebSocketBusyError):
                call(websocket.send_fragment, b"b", MessageType.TEXT, True)
            with pytest.raises(WebSocketBusyError):
                call(websocket.close_output)
            with pytest.raises(WebSocketBusyError):
                await early
            transport.resume()
            await task
            await websocket.send("b")
            assert transport.messages == [b"a", b"b"]

        run(journey)

    def test_websockets_t12_strict_refuses_a_message_within_a_message(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket(is_strict=True)
            await websocket.send_fragment(b"1", MessageType.TEXT, False)
            with pytest.raises(WebSocketBusyError):
                call(websocket.send, "a")
            await websocket.send_fragment(b"2", MessageType.TEXT, True)
            await websocket.send("a")
            assert transport.messages == [b"1", b"2", b"a"]

        run(journey)

    def test_websockets_as26_the_buffer_grows_by_one_message_at_the_most(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            for at in range(10):
                transport.pauses = True
                task = await begin(websocket.send("x"))
                assert task.done()
                waiting = await begin(websocket.send("y"))
                assert len(transport.messages) == 2 * at + 1
                transport.resume()
                await waiting

        run(journey)


class TestCancelled:
    """websockets T-16: a send that is cancelled has written nothing."""

    def test_websockets_t16_while_it_waits_for_its_turn(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            tasks = [await begin(websocket.send(text)) for text in "abc"]
            tasks[1].cancel()
            await settle()
            transport.resume()
            await settle()
            assert transport.messages == [b"a", b"c"]
            assert websocket.state is WebSocketState.OPEN

        run(journey)

    def test_websockets_t16_when_it_was_its_turn_the_next_one_goes(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            tasks = [await begin(websocket.send(text)) for text in "ab"]
            transport.resume()
            tasks[0].cancel()
            await tasks[1]
            assert transport.messages == [b"b"]
            await websocket.send("c")
            assert transport.messages == [b"b", b"c"]

        run(journey)

    def test_websockets_t16_all_of_them(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            for task in [await begin(websocket.send(text)) for text in "ab"]:
                task.cancel()
            await settle()
            transport.resume()
            await websocket.send("c")
            assert transport.messages == [b"c"]

        run(journey)

    def test_websockets_sw88_before_it_began(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            task = asyncio.ensure_future(websocket.send("a"))
            task.cancel()
            await settle()
            assert transport.log == []
            await websocket.send("b")
            assert transport.messages == [b"b"]

        run(journey)

    def test_websockets_dv13_the_first_part_of_a_message_harms_nobody(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            task = await begin(websocket.send_fragment(b"1", MessageType.TEXT, False))
            task.cancel()
            await settle()
            transport.resume()
            await websocket.send("a")
            assert transport.log == [(TEXT, b"a", True)]

        run(journey)

    def test_websockets_dv13_a_later_part_aborts_as_nobody_could_send_again(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.pauses = True
            await websocket.send_fragment(b"1", MessageType.TEXT, False)
            other = await begin(websocket.send("a"))
            task = await begin(websocket.send_fragment(b"2", MessageType.TEXT, True))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert websocket.state is WebSocketState.ABORTED
            with pytest.raises(ConnectionLost, match="a part of a message was cancelled"):
                await other
            assert transport.log == [(TEXT, b"1", False), "abort"]

        run(journey)


class TestEnds:
    @pytest.mark.parametrize("end", ["abort", "lose", "go_away", "fail"])
    def test_all_who_wait_are_told(self, end: str) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.pauses = True
            await websocket.send_fragment(b"1", MessageType.TEXT, False)
            tasks = [
                await begin(websocket.send("a")),
                await begin(websocket.send_fragment(b"2", MessageType.TEXT, True)),
                await begin(websocket.send("b")),
            ]
            ends: dict[str, Callable[[], None]] = {
                "abort": websocket.abort,
                "lose": lambda: websocket.lose(None),
                "go_away": lambda: websocket.go_away(1001, ""),
                "fail": lambda: websocket.fail(1002, ""),
            }
            ends[end]()
            await asyncio.wait(tasks)
            kinds = {type(task.exception()) for task in tasks}
            assert kinds == {WebSocketClosedError if end == "go_away" else ConnectionLost}
            assert transport.messages == [b"1"]
            websocket.abort()

        run(journey)

    def test_websockets_sw75_a_write_that_finds_the_connection_lost(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.breaks = True
            await websocket.send("a")  # into the void, as TCP has it
            with pytest.raises(ConnectionLost, match="gone"):
                call(websocket.send, "b")

        run(journey)


class TestPings:
    def test_websockets_f08_a_ping_is_answered_at_once_also_within_a_message(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            await websocket.send_fragment(b"1", MessageType.TEXT, False)
            websocket.take_ping(b"abc")
            websocket.take_pong(b"unasked")
            assert transport.log == [(TEXT, b"1", False), (PONG, b"abc")]
            assert PING not in [entry[0] for entry in transport.log]

        run(journey)

    def test_websockets_f08_while_the_client_does_not_read_only_the_latest_is(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            sending = await begin(websocket.send("a"))
            for payload in (b"1", b"2", b"3"):
                websocket.take_ping(payload)
            assert transport.log == []
            transport.resume()
            await sending
            assert transport.log == [(PONG, b"3"), (TEXT, b"a", True)]
            transport.resume()
            assert len(transport.log) == 2

        run(journey)

    def test_websockets_f08_not_behind_a_close(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            websocket.take_ping(b"1")
            await websocket.close_output()
            websocket.take_ping(b"2")
            transport.resume()
            assert [entry[0] for entry in transport.log] == [8]
            other, transport = open_socket()
            other.take_close(1000, "")
            other.take_ping(b"3")
            assert transport.log == []
            for each in (websocket, other):
                each.lose(None)

        run(journey)
