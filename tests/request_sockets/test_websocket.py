"""The WebSocket as a whole: its end from outside, its tasks, and what is left of it."""

import asyncio
import gc
import logging
import threading
import weakref
from typing import Any

import pytest

from penstock.errors import ConnectionLost, SocketDisposedError, WebSocketClosedError, WebSocketDisconnect
from penstock.intake.frame_transport import FrameSink
from penstock.request_sockets.messages import MessageType
from penstock.request_sockets.states import WebSocketState
from penstock.request_sockets.websocket import WebSocket
from tests.request_sockets.fake_transport import CLOSE, TEXT, advance, begin, call, open_socket, run, settle

OPEN, CLOSE_SENT, CLOSE_RECEIVED, CLOSED, ABORTED = WebSocketState


def test_is_what_frames_are_delivered_to() -> None:
    async def journey() -> None:
        sink: FrameSink = WebSocket(None)
        sink.take_pong(b"")

    run(journey)


def test_says_what_it_is() -> None:
    async def journey() -> None:
        websocket, _ = open_socket(subprotocol="chat")
        assert (websocket.state, websocket.subprotocol) == (OPEN, "chat")
        assert (websocket.close_code, websocket.close_reason, websocket.context) == (None, None, None)
        assert (websocket.bytes_in, websocket.bytes_out) == (0, 0)
        assert (repr(websocket), websocket.state_name) == ("<WebSocket open>", "open")

    run(journey)


def test_echo() -> None:
    async def journey() -> None:
        websocket, transport = open_socket()

        async def endpoint() -> None:
            async for message in websocket:
                await websocket.send(message)

        task = await begin(endpoint())
        for message in ("a", b"b", "c"):
            websocket.take_message(message)
            await settle()
        websocket.take_close(1000, "")
        await task
        await websocket.finish(1000, "", 1.0)
        assert transport.messages == [b"a", b"b", b"c"]
        assert transport.log[3:] == [(CLOSE, b"\x03\xe8"), "close"]
        assert websocket.state is CLOSED

    run(journey)


class TestAbort:
    def test_websockets_sw95_again_is_nothing(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            task = await begin(websocket.receive())
            websocket.abort()
            websocket.abort()
            with pytest.raises(WebSocketDisconnect, match="1006"):
                await task
            assert transport.log == ["abort"]

        run(journey)

    def test_websockets_py07_from_another_thread(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            task = await begin(websocket.receive())
            thread = threading.Thread(target=websocket.abort)
            thread.start()
            with pytest.raises(WebSocketDisconnect, match="1006"):
                await task
            thread.join()
            assert (websocket.state, transport.log) == (ABORTED, ["abort"])

        run(journey)

    def test_websockets_py07_when_its_loop_is_gone(self) -> None:
        async def journey() -> WebSocket:
            return open_socket()[0]

        websocket = run(journey)
        websocket.abort()

    def test_what_waits_unread_is_dropped(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.take_message("a")
            websocket.abort()
            with pytest.raises(ConnectionLost, match="aborted"):
                call(websocket.receive)

        run(journey)

    def test_whoever_wants_to_know_is_told_once(self) -> None:
        async def journey() -> None:
            told: list[str] = []
            for end in ("abort", "lose", "fail", "close"):
                websocket, _ = open_socket()
                websocket.on_abort = lambda end=end: told.append(end)
                if end == "abort":
                    websocket.abort()
                elif end == "fail":
                    websocket.fail(1002, "")
                elif end == "close":
                    websocket.take_close(1000, "")
                    await websocket.close()
                websocket.lose(None)
            assert told == ["abort", "lose", "fail"]

        run(journey)

    def test_one_who_fails_at_it_does_not_hold_the_end_up(self, caplog: pytest.LogCaptureFixture) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            websocket.on_abort = {}.popitem
            websocket.abort()
            assert transport.log == ["abort"]

        run(journey)
        assert "aborted failed" in caplog.text


class TestAbortAsync:
    def test_websockets_t10_sw96_done_when_the_receive_has_gone_on(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            order: list[str] = []

            async def receiver() -> None:
                with pytest.raises(WebSocketDisconnect):
                    await websocket.receive()
                order.append("receive")

            task = await begin(receiver())
            drained = websocket.abort_async()
            assert not drained.done()
            assert websocket.abort_async() is drained
            drained.add_done_callback(lambda _: order.append("drained"))
            await drained
            await task
            assert order == ["receive", "drained"]

        run(journey)

    def test_websockets_t10_every_kind_of_operation_is_waited_for(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.pauses = True
            await websocket.send_fragment(b"1", MessageType.TEXT, False)
            tasks = [
                await begin(websocket.receive_fragment()),
                await begin(websocket.send("a")),
                await begin(websocket.send_fragment(b"2", MessageType.TEXT, True)),
            ]
            drained = websocket.abort_async()
            assert not drained.done()
            await drained
            assert [type(task.exception()) for task in tasks] == [ConnectionLost] * 3

        run(journey)

    def test_websockets_t10_who_closes_is_waited_for(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            tasks = [
                await begin(websocket.send("a")),
                await begin(websocket.close_output()),
            ]
            other, _ = open_socket()
            tasks.append(await begin(other.close()))
            for each in (websocket, other):
                drained = each.abort_async()
                assert not drained.done()
                await drained
            await asyncio.wait(tasks)
            assert [type(task.exception()) for task in tasks] == [ConnectionLost, ConnectionLost, type(None)]

        run(journey)

    def test_websockets_py08_the_transport_is_waited_for_however_it_ends(self) -> None:
        async def journey() -> None:
            loop = asyncio.get_running_loop()
            for end in ("result", "error", "cancelled"):
                websocket, transport = open_socket()
                transport.draining = waiting = loop.create_future()
                drained = websocket.abort_async()
                await settle()
                assert not drained.done()
                if end == "result":
                    waiting.set_result(None)
                elif end == "error":
                    waiting.set_exception(OSError("gone"))
                else:
                    waiting.cancel()
                await drained

        run(journey)

    def test_websockets_sw96_never_raises(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            websocket.dispose()
            await websocket.abort_async()
            await WebSocket(None).abort_async()
            assert transport.log == ["abort"]

        run(journey)

    def test_who_was_cancelled_waiting_for_it_does_no_harm(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            receiving = await begin(websocket.receive())
            websocket.abort_async().cancel()
            await asyncio.wait((receiving,))
            assert isinstance(receiving.exception(), WebSocketDisconnect)

        run(journey)


class TestDisposed:
    def test_websockets_t09_sw45_a_socket_that_was_kept_is_dead(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            websocket.take_message("unread")
            websocket.dispose()
            with pytest.raises(SocketDisposedError):
                call(websocket.send, "a")
            with pytest.raises(SocketDisposedError):
                call(websocket.receive)
            with pytest.raises(SocketDisposedError):
                await anext(websocket)
            assert transport.log == ["abort"]

        run(journey)

    @pytest.mark.parametrize("name", ["state", "subprotocol", "close_code", "close_reason"])
    def test_websockets_sw77_what_it_was_is_not_told_any_more(self, name: str) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.dispose()
            with pytest.raises(SocketDisposedError):
                getattr(websocket, name)
            with pytest.raises(SocketDisposedError):
                websocket.abort()
            websocket.go_away(1001, "")
            assert websocket.state_name == "aborted"

        run(journey)

    def test_who_still_waited_is_told(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            tasks = [await begin(websocket.receive())]
            websocket.dispose()
            await asyncio.wait(tasks)
            assert isinstance(tasks[0].exception(), WebSocketDisconnect)
            with pytest.raises(SocketDisposedError):
                await anext(websocket)

        run(journey)

    def test_nothing_keeps_it(self) -> None:
        """Compiled classes have no weak references: what would be kept with it is looked at."""

        class Kept:
            pass

        async def journey() -> None:
            websocket, transport = open_socket()
            websocket.context = Kept()
            kept = weakref.ref(websocket.context)
            task = await begin(websocket.receive())
            websocket.take_close(1000, "")
            with pytest.raises(WebSocketDisconnect):
                await task
            await websocket.finish(1000, "", 1.0)
            websocket.lose(None)
            websocket.dispose()
            await websocket.abort_async()
            transport.sink = None
            del websocket, task, transport
            await settle()
            gc.collect()
            assert kept() is None

        run(journey)


class TestGoAway:
    def test_websockets_as24_receivers_are_told_at_once(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            task = await begin(websocket.receive())
            websocket.go_away(1012, "restart")
            with pytest.raises(WebSocketDisconnect) as raised:
                await task
            assert (raised.value.code, raised.value.reason) == (1012, "restart")
            assert transport.log == [(CLOSE, b"\x03\xf4restart")]
            assert (websocket.state, websocket.close_code) == (CLOSE_SENT, None)
            with pytest.raises(WebSocketClosedError):
                call(websocket.receive)
            websocket.take_message("thrown away")
            websocket.take_close(1012, "")
            assert (websocket.state, websocket.close_code) == (CLOSED, 1012)

        run(journey)

    def test_who_receives_later_is_told_behind_what_came_even_when_it_is_aborted_meanwhile(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.take_message("a")
            websocket.go_away(1001, "")
            websocket.go_away(1001, "")
            assert await websocket.receive() == "a"
            websocket.abort()
            with pytest.raises(WebSocketDisconnect, match="1001"):
                await websocket.receive()
            with pytest.raises(ConnectionLost):
                call(websocket.receive)

        run(journey)

    def test_an_iteration_ends(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.go_away(1001, "")
            assert [message async for message in websocket] == []
            websocket.lose(None)

        run(journey)

    def test_pieces_end_with_a_close(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            websocket.go_away(1001, "bye")
            assert (await websocket.receive_fragment())[1:] == (MessageType.CLOSE, True, 1001, "bye")
            websocket.lose(None)

        run(journey)

    def test_a_close_that_came_is_answered(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            websocket.take_close(1000, "")
            websocket.go_away(1001, "")
            assert transport.log == [(CLOSE, b"\x03\xe9"), "close"]
            with pytest.raises(WebSocketDisconnect, match="1000"):
                await websocket.receive()
            websocket.go_away(1001, "")
            assert len(transport.log) == 2
            websocket.lose(None)

        run(journey)

    def test_a_client_that_waits_for_room_is_let_on_and_time_runs(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket(close_timeout=5.0)
            websocket.take_message(bytes(100_000))
            websocket.go_away(1001, "")
            assert transport.log == ["pause", "resume", (CLOSE, b"\x03\xe9")]
            await advance(5)
            assert websocket.state is ABORTED

        run(journey)


class TestFinish:
    """What the pipeline awaits when the endpoint has ended (websockets DV-6, DV-7)."""

    def test_websockets_dv06_open_is_closed_and_the_client_answers(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            websocket.take_message("unread")
            task = await begin(websocket.finish(1000, "", 1.0))
            assert transport.log == [(CLOSE, b"\x03\xe8")]
            websocket.take_message("late")
            websocket.take_close(1000, "")
            await task
            assert (websocket.state, transport.log[1:]) == (CLOSED, ["close"])

        run(journey)

    def test_websockets_dv06_a_silent_client_is_dropped(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            task = await begin(websocket.finish(1011, "failed", 1.0))
            assert transport.closes == [b"\x03\xf3failed"]
            await advance(1.0)
            await task
            assert (websocket.state, transport.log[-1]) == (ABORTED, "abort")

        run(journey)

    def test_websockets_py19_a_close_that_came_is_echoed(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            websocket.take_close(4000, "mine")
            await websocket.finish(1011, "", 1.0)
            assert transport.log == [(CLOSE, b"\x0f\xa0"), "close"]
            assert websocket.state is CLOSED
            websocket.lose(None)

        run(journey)

    @pytest.mark.parametrize("before", [CLOSE_SENT, CLOSED, ABORTED])
    def test_no_second_close_is_sent(self, before: WebSocketState) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            if before is ABORTED:
                websocket.abort()
            else:
                await websocket.close_output(1000)
            if before is CLOSED:
                websocket.take_close(1000, "")
            task = await begin(websocket.finish(1000, "", 1.0))
            assert task.done() == (before is not CLOSE_SENT)
            await advance(1.0)
            await task
            assert len(transport.closes) == (before is not ABORTED)
            websocket.lose(None)

        run(journey)

    def test_who_waits_for_the_client_to_read_does_not_hold_it_up(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            transport.is_paused = True
            sending = await begin(websocket.send("a"))
            task = await begin(websocket.finish(1000, "", 1.0))
            assert transport.log == [(CLOSE, b"\x03\xe8")]
            assert isinstance(sending.exception(), WebSocketClosedError)
            await advance(1.0)
            await task

        run(journey)

    def test_cancelled_the_connection_is_dropped(self) -> None:
        async def journey() -> None:
            websocket, transport = open_socket()
            task = await begin(websocket.finish(1000, "", 1.0))
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert transport.log[-1] == "abort"

        run(journey)


class TestTasks:
    """websockets PY-22."""

    def test_websockets_py22_end_with_the_socket(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            forever = websocket.start(asyncio.Event().wait())
            await settle()
            websocket.take_close(1000, "")
            await websocket.finish(1000, "", 1.0)
            assert forever.cancelled()
            websocket.lose(None)

        run(journey)

    def test_websockets_py22_one_that_fails_is_logged_once(self, caplog: pytest.LogCaptureFixture) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()

            async def fail() -> None:
                raise RuntimeError("nobody looks")

            task = websocket.start(fail())
            await settle()
            assert task.done()
            websocket.abort()
            await websocket.finish(1000, "", 1.0)
            del task

        run(journey)
        gc.collect()
        records = [record for record in caplog.records if record.levelno >= logging.ERROR]
        assert [record.getMessage() for record in records] == ["a task of a WebSocket failed"]
        assert "nobody looks" in caplog.text

    def test_one_that_ends_as_its_client_left_is_not(self, caplog: pytest.LogCaptureFixture) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            task = websocket.start(websocket.receive())
            await settle()
            websocket.lose(None)
            await asyncio.wait((task,))
            done: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            assert websocket.start(done) is done
            done.set_result("fine")
            await settle()

        run(journey)
        assert caplog.records == []

    def test_one_that_does_not_end_is_not_waited_for_for_ever(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()
            release = asyncio.Event()

            async def stubborn() -> None:
                while not release.is_set():
                    try:
                        await release.wait()
                    except asyncio.CancelledError:
                        continue

            task = websocket.start(stubborn())
            await settle()
            finishing = await begin(websocket.finish(1000, "", 1.0))
            websocket.take_close(1000, "")
            await settle()
            assert not finishing.done()
            await advance(1.0)
            await finishing
            release.set()
            await task
            websocket.lose(None)

        run(journey)

    def test_none_is_started_behind_the_end(self) -> None:
        async def journey() -> None:
            websocket, _ = open_socket()

            async def work() -> None:
                """Never begun: Python would warn if it were only forgotten."""

            websocket.dispose()
            with pytest.raises(SocketDisposedError):
                websocket.start(work())
            with pytest.raises(SocketDisposedError):
                websocket.start(asyncio.get_running_loop().create_future())

        run(journey)


def test_counters_are_of_data_alone() -> None:
    """websockets section 1.12."""

    async def journey() -> None:
        websocket, transport = open_socket()
        websocket.take_message("é")
        websocket.take_message(b"abc")
        websocket.take_part(TEXT, b"ab", False)
        websocket.take_part(TEXT, b"c", True)
        websocket.take_ping(b"not counted")
        await websocket.send("é")
        await websocket.send_fragment(b"abc", MessageType.BINARY, True)
        websocket.take_close(1000, "not counted")
        await websocket.close(1000, "nor this")
        assert (websocket.bytes_in, websocket.bytes_out) == (8, 5)
        transport_log: list[Any] = transport.log
        assert len(transport_log) == 5
        websocket.lose(None)

    run(journey)
