"""WebSockets over `websocket.*` messages: whole messages, closing, back-pressure and every end (websockets 7.3)."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from penstock import ContractError
from penstock.http.messages import ResponseHead
from penstock.intake.asgi_frames import HIGH_WATER, AsgiFrames
from penstock.intake.asgi_request import AsgiRequest
from penstock.intake.frame_transport import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, UpgradeTerms
from penstock.testing.recording_sink import RecordingSink
from tests.intake.asgi_server import AsgiServer, ask_socket

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


class Opened:
    """A socket that was accepted, from all sides."""

    def __init__(self, *, max_size: int = 100_000, is_attached: bool = True) -> None:
        self.server = AsgiServer()
        self.request: AsgiRequest = ask_socket(self.server)
        frames = self.request.upgrade(ResponseHead(101, []), UpgradeTerms(KEY, max_message_size=max_size))
        assert frames is not None
        self.frames: AsgiFrames = frames
        self.sink = RecordingSink()
        if is_attached:
            frames.attach(self.sink)
        self.finishing = asyncio.ensure_future(self.request.finish())

    async def sent(self, count: int) -> list[dict[str, Any]]:
        """What was sent behind the accept."""
        return (await self.server.wait_sent(count + 1))[1:]

    async def rest(self) -> None:
        for _ in range(8):
            await asyncio.sleep(0)


def talk(journey: Callable[[Opened], Awaitable[None]], **options: Any) -> None:
    async def run() -> None:
        opened = Opened(**options)
        await journey(opened)
        opened.frames.abort()
        await opened.finishing
        assert opened.sink.count("lose") == 1
        assert opened.server.receivers == 0
        assert opened.server.most_receivers <= 1

    asyncio.run(run())


class TestMessages:
    def test_messages_that_come(self) -> None:
        async def journey(opened: Opened) -> None:
            opened.server.put("websocket.receive", text="Grüße", bytes=None)
            opened.server.put("websocket.receive", bytes=b"\x00", text=None)
            opened.server.put("websocket.receive", text="")
            await opened.sink.wait(lambda: opened.sink.count("message") == 3)
            assert opened.sink.told == [("message", "Grüße"), ("message", b"\x00"), ("message", "")]

        talk(journey)

    def test_messages_that_leave(self) -> None:
        async def journey(opened: Opened) -> None:
            opened.frames.write(TEXT, "Grüße".encode())
            opened.frames.write(BINARY, b"\x00", compress=False)
            assert await opened.sent(2) == [
                {"type": "websocket.send", "text": "Grüße"},
                {"type": "websocket.send", "bytes": b"\x00"},
            ]

        talk(journey)

    def test_websockets_section_7_3_fragments_leave_when_the_message_is_whole(self) -> None:
        async def journey(opened: Opened) -> None:
            for byte in "ü".encode():
                opened.frames.write(CONTINUATION if byte != 0xC3 else TEXT, bytes([byte]), fin=False)
            await opened.rest()
            assert len(opened.server.sent) == 1
            opened.frames.write_control(PING, b"")  # the server's
            opened.frames.write_control(PONG, b"")
            opened.frames.write(CONTINUATION, b"!")
            assert await opened.sent(1) == [{"type": "websocket.send", "text": "ü!"}]

        talk(journey)

    def test_a_text_in_fragments_that_is_none_is_the_endpoints_mistake(self) -> None:
        async def journey(opened: Opened) -> None:
            opened.frames.write(TEXT, b"\xc3", fin=False)
            with pytest.raises(ContractError, match="no UTF-8"):
                opened.frames.write(CONTINUATION, b"\xc3")
            opened.frames.write(TEXT, b"next")
            assert await opened.sent(1) == [{"type": "websocket.send", "text": "next"}]

        talk(journey)

    @pytest.mark.parametrize(
        ("message", "fits"),
        [
            ({"text": "x" * 10}, True),
            ({"text": "x" * 11}, False),
            ({"bytes": b"x" * 11}, False),
            ({"text": "ü" * 6}, False),
        ],
    )
    def test_websockets_as23_a_message_over_the_limit(self, message: dict[str, Any], fits: bool) -> None:
        async def journey(opened: Opened) -> None:
            opened.server.put("websocket.receive", **message)
            await opened.sink.wait_for_any()
            assert opened.sink.told[0] == (("message", message["text"]) if fits else ("fail", 1009))

        talk(journey, max_size=10)

    def test_websockets_h10_what_came_before_the_endpoint_was_there(self) -> None:
        async def run() -> None:
            server = AsgiServer()
            request = ask_socket(server)
            request.on_disconnect(lambda: None)  # somebody receives already
            await asyncio.sleep(0)
            frames = request.upgrade(ResponseHead(101, []), UpgradeTerms(KEY))
            assert frames is not None
            finishing = asyncio.ensure_future(request.finish())
            server.put("websocket.receive", text="early")
            server.put("websocket.receive", text="later")
            for _ in range(8):
                await asyncio.sleep(0)
            assert server.received == 1
            sink = RecordingSink()
            frames.attach(sink)
            await sink.wait(lambda: sink.count("message") == 2)
            assert sink.told == [("message", "early"), ("message", "later")]
            frames.abort()
            await finishing

        asyncio.run(run())


class TestPressure:
    def test_an_endpoint_that_reads_slowly_receives_nothing(self) -> None:
        async def journey(opened: Opened) -> None:
            await opened.rest()
            opened.frames.pause_reading()
            for number in range(5):
                opened.server.put("websocket.receive", text=str(number))
            await opened.rest()
            assert opened.server.received == 1  # the one that was asked for already
            opened.frames.resume_reading()
            await opened.sink.wait(lambda: opened.sink.count("message") == 5)

        talk(journey)

    def test_a_client_that_reads_slowly(self) -> None:
        async def journey(opened: Opened) -> None:
            opened.server.unread = 1 << 30  # the server holds back
            opened.frames.write(BINARY, b"x" * HIGH_WATER)
            paused = [opened.frames.is_paused]
            opened.frames.write(BINARY, b"x")
            paused.append(opened.frames.is_paused)
            assert paused == [False, True]
            await opened.rest()
            opened.server.begin_taking()
            await opened.sink.wait_for("resume")
            assert not opened.frames.is_paused
            assert len(await opened.sent(2)) == 2

        talk(journey)


class TestEnds:
    def test_websockets_section_7_3_with_our_close_it_is_closed(self) -> None:
        async def journey(opened: Opened) -> None:
            opened.frames.write(TEXT, b"last")
            opened.frames.write_control(CLOSE, b"\x0f\xa1enough")
            opened.frames.write(TEXT, b"late")
            opened.frames.write_control(CLOSE, b"\x03\xe8")
            await opened.sink.wait_for("close")
            assert opened.sink.told == [("close", 4001, "")]
            assert opened.server.sent[1:] == [
                {"type": "websocket.send", "text": "last"},
                {"type": "websocket.close", "code": 4001, "reason": "enough"},
            ]
            opened.frames.close()
            await opened.finishing
            assert opened.sink.told[-1] == ("lose",)

        talk(journey)

    def test_a_close_without_a_code_is_1000(self) -> None:
        async def journey(opened: Opened) -> None:
            opened.frames.write_control(CLOSE, b"")
            assert (await opened.sent(1))[0]["code"] == 1000

        talk(journey)

    def test_nobody_receives_while_a_close_is_sent(self) -> None:
        """granian would never send it."""

        async def journey(opened: Opened) -> None:
            await opened.rest()
            assert opened.server.receivers == 1
            opened.frames.write_control(CLOSE, b"\x03\xe8")
            await opened.sent(1)
            assert opened.server.receivers == 0

        talk(journey)

    @pytest.mark.parametrize(
        ("message", "told"),
        [
            ({"code": 3005, "reason": "bye"}, ("close", 3005, "bye")),
            ({"code": 1000}, ("close", 1000, "")),
            ({"code": None, "reason": None}, ("close", 1005, "")),
            ({}, ("close", 1005, "")),
            ({"code": 1006}, ("resume",)),
        ],
    )
    def test_the_client_closes_or_is_lost(self, message: dict[str, Any], told: tuple[Any, ...]) -> None:
        async def journey(opened: Opened) -> None:
            await opened.sent(0)
            opened.server.put("websocket.disconnect", **message)
            await opened.sink.wait_for_any()
            assert opened.sink.told[0] == told
            opened.frames.write(TEXT, b"late")
            opened.frames.write_control(CLOSE, b"\x03\xe8")  # the server has answered already
            opened.frames.close()
            await opened.finishing
            assert len(opened.server.sent) == 1
            assert opened.request.is_disconnected

        talk(journey)

    def test_dropped_twice_and_attached_too_late(self) -> None:
        async def journey(opened: Opened) -> None:
            drained = opened.frames.wait_drained()
            assert drained is not None
            opened.frames.abort()
            opened.frames.abort()
            await drained
            assert opened.frames.wait_drained() is None
            await opened.finishing
            opened.frames.attach(opened.sink)

        talk(journey, is_attached=False)

    def test_a_server_that_takes_nothing_more(self) -> None:
        async def journey(opened: Opened) -> None:
            await opened.sent(0)
            opened.server.failure = BrokenPipeError()
            opened.frames.write(TEXT, b"x")
            await opened.sink.wait_for("lose")
            await opened.finishing

        talk(journey)

    def test_a_server_that_ends_us(self) -> None:
        async def run() -> None:
            opened = Opened()
            await opened.rest()
            opened.finishing.cancel()
            await opened.sink.wait_for("lose")
            await asyncio.wait((opened.finishing,))
            assert opened.finishing.cancelled()
            assert opened.server.sent[1:] == [{"type": "websocket.close", "code": 1001, "reason": ""}]

        asyncio.run(run())

    def test_a_server_that_ends_us_and_takes_nothing_more(self) -> None:
        async def run() -> None:
            opened = Opened()
            await opened.sent(0)
            opened.server.failure = BrokenPipeError()
            opened.finishing.cancel()
            await asyncio.wait((opened.finishing,))
            assert opened.finishing.cancelled()

        asyncio.run(run())

    def test_an_abort_in_front_of_what_waits(self) -> None:
        async def journey(opened: Opened) -> None:
            opened.server.unread = 1 << 30
            for _ in range(5):
                opened.frames.write(TEXT, b"x")
            opened.frames.abort()
            await opened.sink.wait_for("lose")
            opened.server.begin_taking()
            await opened.finishing
            assert len(opened.server.sent) <= 2

        talk(journey)
