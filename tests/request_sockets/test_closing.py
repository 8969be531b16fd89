"""Closing: one Close from each side, whoever begins, whatever else happens, within a time."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from penstock.errors import (
    ConnectionLost,
    WebSocketClosedError,
    WebSocketDisconnect,
    WebSocketProtocolError,
    WebSocketStateError,
)
from penstock.request_sockets.messages import MessageType
from penstock.request_sockets.states import WebSocketState
from penstock.request_sockets.websocket import WebSocket
from tests.request_sockets.fake_transport import (
    CLOSE,
    TEXT,
    FakeTransport,
    advance,
    begin,
    call,
    open_socket,
    run,
    settle,
)

OPEN, CLOSE_SENT, CLOSE_RECEIVED, CLOSED, ABORTED = WebSocketState


def in_state(state: WebSocketState) -> tuple[WebSocket, FakeTransport]:
    websocket, transport = open_socket()
    if state in (CLOSE_RECEIVED, CLOSED):
        websocket.take_close(1000, "")
    if state in (CLOSE_SENT, CLOSED):
        send_close(websocket)
    if state is ABORTED:
        websocket.abort()
    transport.log.clear()
    return websocket, transport


def send_close(websocket: WebSocket) -> None:
    with pytest.raises(StopIteration):
        websocket.close_output().send(None)


# websockets T-11, section 1.13: what becomes of each state by each event, or what the call fails with.
MATRIX: list[tuple[str, list[WebSocketState | type[Exception]]]] = [
    ("close written", [CLOSE_SENT, CLOSE_SENT, CLOSED, CLOSED, WebSocketStateError]),
    # The reader delivers nothing behind a Close; should it, nothing changes.
    ("close read", [CLOSE_RECEIVED, CLOSED, CLOSE_RECEIVED, CLOSED, ABORTED]),
    ("data sent", [OPEN, WebSocketClosedError, CLOSE_RECEIVED, WebSocketClosedError, WebSocketStateError]),
    ("data received", [OPEN, CLOSE_SENT, WebSocketClosedError, WebSocketClosedError, WebSocketStateError]),
    ("abort", [ABORTED, ABORTED, ABORTED, CLOSED, ABORTED]),
    ("lost", [ABORTED, ABORTED, ABORTED, CLOSED, ABORTED]),
    ("failed", [ABORTED, ABORTED, ABORTED, CLOSED, ABORTED]),
]


async def happen(event: str, websocket: WebSocket) -> None:
    if event == "close written":
        await websocket.close_output(1001)
    elif event == "close read":
        websocket.take_close(1001, "")
    elif event == "data sent":
        await websocket.send("x")
    elif event == "data received":
        if websocket.state in (OPEN, CLOSE_SENT):
            websocket.take_message("x")
        else:
            with pytest.raises((WebSocketDisconnect, WebSocketStateError)):
                await websocket.receive()  # the end is told once, and then it is an error to ask
        assert await websocket.receive() == "x"
    elif event == "abort":
        websocket.abort()
    elif event == "lost":
        websocket.lose(None)
    elif event == "failed":
        websocket.fail(1002, "wrong")


@pytest.mark.parametrize("before", list(WebSocketState))
@pytest.mark.parametrize(("event", "outcomes"), MATRIX)
def test_websockets_t11_rt1_ow13_state_matrix(
    event: str, outcomes: list[WebSocketState | type[Exception]], before: WebSocketState
) -> None:
    async def journey() -> None:
        websocket, _ = in_state(before)
        outcome = outcomes[list(WebSocketState).index(before)]
        if isinstance(outcome, WebSocketState):
            await happen(event, websocket)
            assert websocket.state is outcome
        else:
            with pytest.raises(outcome):
                await happen(event, websocket)
            assert websocket.state is before
        websocket.lose(None)

    run(journey)


@pytest.mark.parametrize("before", list(WebSocketState))
def test_websockets_t11_dispose(before: WebSocketState) -> None:
    async def journey() -> None:
        websocket, transport = in_state(before)
        websocket.dispose()
        assert websocket.state_name == ("closed" if before is CLOSED else "aborted")
        assert ("abort" in transport.log) == (before not in (CLOSED, ABORTED))
        websocket.lose(None)

    run(journey)


class TestArguments:
    @pytest.mark.parametrize("code", [0, 999, 1004, 1006, 1010, 1015, 1016, 2999, 5000, 65536])
    def test_websockets_t14_dv12_codes_that_may_not_be_sent(self, code: int) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            for each in (websocket.close, websocket.close_output):
                with pytest.raises(ValueError, match=str(code)):
                    call(each, code)
            assert transport.log == []

        run(journey)

    @pytest.mark.parametrize("code", [1000, 1003, 1007, 1009, 1011, 1014, 3000, 4999])
    def test_websockets_t14_codes_that_may(self, code: int) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            await websocket.close_output(code, "é" * 61)
            assert transport.closes == [code.to_bytes(2, "big") + "é".encode() * 61]
            websocket.lose(None)

        run(journey)

    def test_websockets_t14_none_at_all_and_too_long_a_reason(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            with pytest.raises(ValueError, match="no reason"):
                call(websocket.close_output, 1005, "x")
            with pytest.raises(ValueError, match="123 bytes"):
                call(websocket.close, 1000, "é" * 62)
            await websocket.close_output(1005)
            assert transport.closes == [b""]
            websocket.lose(None)

        run(journey)


class TestCloseOutput:
    def test_websockets_sw91_dv10_a_second_one_does_nothing(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            await websocket.close_output(1000)
            await websocket.close_output(1001)
            assert transport.log == [(CLOSE, b"\x03\xe8")]
            websocket.lose(None)

        run(journey)

    def test_websockets_sw78_the_code_is_what_the_client_said(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            await websocket.close_output(1000)
            assert (websocket.close_code, websocket.close_reason) == (None, None)
            websocket.take_close(1001, "x")
            assert (websocket.close_code, websocket.close_reason) == (1001, "x")

        run(journey)

    def test_what_the_client_sends_behind_it_can_be_received(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            await websocket.close_output()
            websocket.take_message("late")
            websocket.take_part(TEXT, b"later", True)
            websocket.take_close(1000, "")
            assert [message async for message in websocket] == ["late", "later"]
            assert transport.log[-1] == "close"

        run(journey)

    def test_websockets_sw92_dv11_it_waits_behind_those_who_send(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            sending = await begin(websocket.send("a"))
            closing = await begin(websocket.close_output())
            again = await begin(websocket.close_output(1001))
            assert websocket.state is OPEN
            with pytest.raises(WebSocketClosedError, match="is closing"):
                call(websocket.send, "b")
            transport.resume()
            await asyncio.wait((sending, closing, again))
            assert transport.log == [(TEXT, b"a", True), (CLOSE, b"\x03\xe8")]
            assert websocket.state is CLOSE_SENT
            websocket.lose(None)

        run(journey)

    def test_cancelled_while_it_waits_the_socket_goes_on(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            sending = await begin(websocket.send("a"))
            closing = await begin(websocket.close_output())
            closing.cancel()
            await settle()
            transport.resume()
            await sending
            await websocket.send("b")
            assert transport.messages == [b"a", b"b"]
            assert transport.closes == []

        run(journey)

    def test_it_does_not_wait_for_the_end_of_a_message_that_is_open(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            await websocket.send_fragment(b"1", MessageType.TEXT, False)
            other = await begin(websocket.send("a"))
            await websocket.close_output()
            with pytest.raises(WebSocketClosedError):
                await other
            with pytest.raises(WebSocketClosedError):
                call(websocket.send_fragment, b"2", MessageType.TEXT, True)
            assert transport.closes == [b"\x03\xe8"]
            websocket.lose(None)

        run(journey)

    def test_nor_of_one_that_begins_before_it(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            opening = await begin(websocket.send_fragment(b"1", MessageType.TEXT, False))
            behind = await begin(websocket.send("a"))
            closing = await begin(websocket.close_output())
            transport.resume()
            await asyncio.wait((opening, behind, closing))
            assert transport.log == [(TEXT, b"1", False), (CLOSE, b"\x03\xe8")]
            assert isinstance(behind.exception(), WebSocketClosedError)
            websocket.lose(None)

        run(journey)

    def test_lost_while_it_waits(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            tasks = [await begin(websocket.send("a")), await begin(websocket.close_output())]
            websocket.lose(None)
            await asyncio.wait(tasks)
            assert [type(task.exception()) for task in tasks] == [ConnectionLost, ConnectionLost]
            assert transport.log == []

        run(journey)

    def test_lost_by_being_written(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.breaks = True
            await websocket.close_output()
            assert websocket.state is ABORTED

        run(journey)

    def test_websockets_c09_a_client_that_does_not_answer_is_dropped(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket(close_timeout=3.0)
            await websocket.close_output()
            await advance(2.9)
            assert websocket.state is CLOSE_SENT
            await advance(0.1)
            assert websocket.state is ABORTED
            assert transport.log[-1] == "abort"

        run(journey)


class TestClose:
    """websockets T-13, SW-93."""

    def test_websockets_t13_sw93_from_open(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            task = await begin(websocket.close(1001, "bye"))
            assert transport.log == [(CLOSE, b"\x03\xe9bye")]
            assert not task.done()
            websocket.take_close(1001, "")
            await task
            assert transport.log[1:] == ["close"]  # C-4: at once, the server first
            assert websocket.state is CLOSED

        run(journey)

    def test_websockets_t13_from_close_sent(self) -> None:
        async def journey() -> None:
            websocket, transport = in_state(CLOSE_SENT)
            task = await begin(websocket.close())
            assert transport.log == []
            websocket.take_close(1000, "")
            await task
            assert (websocket.state, transport.log) == (CLOSED, ["close"])

        run(journey)

    def test_websockets_t13_from_close_received(self) -> None:
        async def journey() -> None:
            websocket, transport = in_state(CLOSE_RECEIVED)
            await websocket.close(3000)
            assert (websocket.state, transport.log) == (CLOSED, [(CLOSE, b"\x0b\xb8"), "close"])

        run(journey)

    def test_websockets_t13_from_closed(self) -> None:
        async def journey() -> None:
            websocket, transport = in_state(CLOSED)
            await websocket.close()
            assert transport.log == []

        run(journey)

    def test_websockets_t13_a_silent_client_is_dropped_and_nothing_raised(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket(close_timeout=10.0)
            task = await begin(websocket.close(timeout=2))
            await advance(1.9)
            assert not task.done()
            await advance(0.1)
            await task
            assert (websocket.state, websocket.close_code) == (ABORTED, None)
            assert transport.log[1:] == ["abort"]

        run(journey)

    def test_a_longer_time_than_that_of_the_location_is_given(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket(close_timeout=1.0)
            task = await begin(websocket.close(timeout=60))
            await advance(59)
            assert not task.done()
            websocket.take_close(1000, "")
            await task

        run(journey)

    def test_websockets_py10_the_time_counts_while_it_waits_to_send(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            sending, closing = await begin(websocket.send("a")), await begin(websocket.close(timeout=2))
            await advance(2)
            await closing
            assert isinstance(sending.exception(), ConnectionLost)
            assert (websocket.state, transport.log) == (ABORTED, ["abort"])

        run(journey)

    def test_websockets_py10_also_when_the_client_has_closed(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            websocket.take_close(1000, "")
            sending, closing = await begin(websocket.send("a")), await begin(websocket.close(timeout=2))
            await advance(2)
            await asyncio.wait((sending, closing))
            assert (websocket.state, transport.log) == (ABORTED, ["abort"])

        run(journey)

    def test_websockets_t13_dv08_rt03_what_the_client_sends_first_is_thrown_away(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            websocket.take_message("unread")
            task = await begin(websocket.close())
            websocket.take_message("late")
            websocket.take_part(TEXT, b"later", True)
            websocket.take_close(1000, "bye")
            await task
            with pytest.raises(WebSocketDisconnect) as raised:
                await websocket.receive()
            assert (raised.value.code, raised.value.reason) == (1000, "bye")
            assert websocket.bytes_in == 15
            assert transport.log[-1] == "close"

        run(journey)

    def test_a_client_that_waits_for_room_is_let_on(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            websocket.take_message(bytes(100_000))
            task = await begin(websocket.close())
            assert transport.log == ["pause", "resume", (CLOSE, b"\x03\xe8")]
            websocket.take_close(1000, "")
            await task

        run(journey)

    def test_websockets_t13_c07_both_at_once_is_clean(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.loses = "later"
            early = websocket.close()
            websocket.take_close(1000, "")
            await early
            await settle()
            assert (websocket.state, websocket.close_code) == (CLOSED, 1000)
            assert transport.log == [(CLOSE, b"\x03\xe8"), "close"]

        run(journey)

    def test_websockets_dv09_a_receive_that_waits_is_told(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            receiving, closing = await begin(websocket.receive()), await begin(websocket.close())
            websocket.take_message("late")
            await settle()
            assert not receiving.done()
            websocket.take_close(4000, "bye")
            await closing
            with pytest.raises(WebSocketDisconnect, match="4000: bye"):
                await receiving

        run(journey)

    def test_websockets_py20_three_tasks_send_one_close(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            sending = await begin(websocket.send("a"))
            tasks = [await begin(websocket.close(code)) for code in (1000, 1001, 4000)]
            transport.resume()
            await settle()
            websocket.take_close(1000, "")
            await asyncio.wait((sending, *tasks))
            assert transport.closes == [b"\x03\xe8"]
            assert [task.exception() for task in tasks] == [None, None, None]

        run(journey)

    @pytest.mark.parametrize("end", ["lose", "abort"])
    def test_lost_meanwhile_it_is_closed_all_the_same(self, end: str) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            task = await begin(websocket.close())
            websocket.lose(None) if end == "lose" else websocket.abort()
            await task
            assert websocket.state is ABORTED

        run(journey)

    def test_lost_between_the_call_and_its_awaiting(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            closing = websocket.close()
            websocket.lose(None)
            await closing
            assert transport.log == []

        run(journey)

    def test_websockets_rt04_cancelled_it_is_bounded_all_the_same(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            task = await begin(websocket.close(timeout=5))
            task.cancel()
            await settle()
            assert websocket.state is CLOSE_SENT
            await advance(5)
            assert transport.log[-1] == "abort"

        run(journey)

    def test_a_client_that_does_not_read_what_it_was_sent_is_dropped(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket(close_timeout=10.0)
            await begin(websocket.close_output())
            websocket.take_close(1000, "")
            await advance(10)
            assert (websocket.state, transport.log[-1]) == (CLOSED, "abort")

        run(journey)


class TestPeerClose:
    def test_websockets_py19_is_answered_when_the_endpoint_does_not(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket(close_timeout=10.0)
            websocket.take_close(1001, "going")
            await advance(9.9)
            assert transport.log == []
            await advance(0.1)
            assert transport.log == [(CLOSE, b"\x03\xe9"), "close"]
            assert websocket.state is CLOSED
            await advance(9.9)
            assert transport.log[-1] == "close"
            await advance(0.1)
            assert transport.log[-1] == "abort"  # it has not even read that

        run(journey)

    def test_the_endpoint_may_send_on_before_it_answers(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            websocket.take_close(1000, "")
            await websocket.send("last")
            await websocket.close_output(1000)
            await advance(9.9)
            assert transport.log == [(TEXT, b"last", True), (CLOSE, b"\x03\xe8"), "close"]
            websocket.lose(None)

        run(journey)

    def test_it_is_answered_at_once_where_that_is_wanted(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket(answers_close=True)
            websocket.take_message("last")
            websocket.take_close(1005, "")
            assert transport.log == [(CLOSE, b""), "close"]
            assert websocket.state is CLOSED
            assert await websocket.receive() == "last"
            with pytest.raises(WebSocketDisconnect, match="1005"):
                await websocket.receive()
            with pytest.raises(WebSocketClosedError):
                await websocket.receive()
            with pytest.raises(OSError, match="closed"):
                call(websocket.send, "x")

        run(journey)

    def test_websockets_as08_messages_before_it_are_delivered(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            for message in "abc":
                websocket.take_message(message)
            websocket.take_close(1000, "")
            assert [await websocket.receive() for _ in range(3)] == ["a", "b", "c"]
            with pytest.raises(WebSocketDisconnect) as raised:
                await websocket.receive()
            assert raised.value.code == 1000
            websocket.lose(None)

        run(journey)

    def test_websockets_c06_the_first_one_decides(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.take_close(4001, "first")
            websocket.take_close(4002, "second")
            websocket.lose(None)
            assert (websocket.close_code, websocket.close_reason) == (4001, "first")
            with pytest.raises(WebSocketDisconnect, match="4001: first"):
                await websocket.receive()

        run(journey)

    def test_no_timer_is_left_behind(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.loses = "at once"
            websocket.take_close(1000, "")
            await websocket.close()
            await advance(100)
            assert transport.log == [(CLOSE, b"\x03\xe8"), "close"]
            assert websocket.state is CLOSED

        run(journey)


class TestFailure:
    def test_websockets_c08_the_client_is_told_and_the_receiver(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            task = await begin(websocket.receive())
            websocket.fail(1002, "a reserved bit is set")
            websocket.take_message("behind")
            with pytest.raises(WebSocketProtocolError, match="reserved bit"):
                await task
            assert transport.log == [(CLOSE, b"\x03\xeaa reserved bit is set"), "close"]
            assert (websocket.state, websocket.close_code) == (ABORTED, None)

        run(journey)

    def test_messages_before_it_are_delivered(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.take_message("good")
            websocket.fail(1009, "too long")
            websocket.lose(None)
            assert await websocket.receive() == "good"
            with pytest.raises(WebSocketProtocolError) as raised:
                await websocket.receive()
            assert raised.value.code == 1009
            with pytest.raises(ConnectionLost, match="1009"):
                call(websocket.receive)

        run(journey)

    def test_a_close_is_not_sent_twice(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            task = await begin(websocket.close())
            websocket.fail(1002, "wrong")
            await task
            assert transport.log == [(CLOSE, b"\x03\xe8"), "close"]

        run(journey)

    def test_it_is_bounded(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket(close_timeout=4.0)
            websocket.fail(1002, "wrong")
            await advance(4)
            assert transport.log[-1] == "abort"

        run(journey)

    def test_websockets_as25_a_client_that_answers_no_ping_is_lost(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            websocket.fail(1011, "keepalive ping timeout")
            with pytest.raises(WebSocketDisconnect, match="1006: keepalive ping timeout"):
                await websocket.receive()
            assert transport.closes == [b"\x03\xf3keepalive ping timeout"]

        run(journey)


class TestLoss:
    def test_websockets_c06_is_1006_behind_what_came_before(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.take_message("a")
            websocket.take_part(TEXT, b"never ended", False)
            websocket.lose(ConnectionResetError("reset by peer"))
            assert await websocket.receive() == "a"
            with pytest.raises(WebSocketDisconnect) as raised:
                await websocket.receive()
            assert (raised.value.code, raised.value.reason) == (1006, "")
            with pytest.raises(ConnectionLost, match="reset by peer"):
                call(websocket.receive)
            assert websocket.close_code is None

        run(journey)

    @pytest.mark.parametrize("loses", ["", "at once", "later"])
    @pytest.mark.parametrize("end", [lambda each: each.abort(), lambda each: each.fail(1002, "")])
    def test_it_may_follow_at_any_time(self, end: Callable[[WebSocket], Any], loses: str) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.loses = loses
            task = await begin(websocket.receive())
            end(websocket)
            await settle()
            assert websocket.state is ABORTED
            assert isinstance(task.exception(), WebSocketDisconnect | WebSocketProtocolError)
            assert transport.log.count("abort") + transport.log.count("close") == 1

        run(journey)
