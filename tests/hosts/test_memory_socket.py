"""This file is the test of the frame transport without a wire: bytes of RFC 6455 both ways, holding back, and its end."""

import asyncio
import os
import random
from typing import Any

import pytest

from penstock.hosts.memory_socket import HIGH_WATER, MemorySocket
from penstock.http.deflate_offers import DeflateParameters
from penstock.intake.frame_transport import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, UpgradeTerms
from penstock.request_sockets.frame_writing import encode_frame
from tests.hosts.wired import run

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


class Sink:
    """A FrameSink that remembers."""

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def take_message(self, data: str | bytes) -> None:
        self.seen.append(("message", data))

    def take_part(self, opcode: int, data: bytes, is_end: bool) -> None:
        self.seen.append(("part", opcode, data, is_end))

    def take_close(self, code: int, reason: str) -> None:
        self.seen.append(("close", code, reason))

    def take_ping(self, payload: bytes) -> None:
        self.seen.append(("ping", payload))

    def take_pong(self, payload: bytes) -> None:
        self.seen.append(("pong", payload))

    def fail(self, code: int, reason: str) -> None:
        self.seen.append(("fail", code))

    def lose(self, error: Exception | None) -> None:
        self.seen.append(("lose", error))

    def resume_sending(self) -> None:
        self.seen.append(("resume",))


def masked(opcode: int, payload: bytes, **more: bool) -> bytes:
    return encode_frame(opcode, payload, mask=os.urandom(4), **more)


def make(**terms: Any) -> tuple[MemorySocket, Sink]:
    socket, sink = MemorySocket(UpgradeTerms(KEY, **terms), lambda: None), Sink()
    socket.attach(sink)
    return socket, sink


def paused(socket: MemorySocket) -> bool:
    return socket.is_paused


def full(socket: MemorySocket) -> bool:
    return socket.is_full


class TestFrames:
    @run
    async def test_what_the_client_sends_reaches_the_sink(self) -> None:
        socket, sink = make()
        for frame in (masked(TEXT, b"one"), masked(BINARY, b"two"), masked(PING, b"3"), masked(PONG, b"4")):
            socket.feed(frame)
        socket.feed(masked(CLOSE, b"\x03\xe8bye"))
        assert sink.seen == [
            ("message", "one"),
            ("message", b"two"),
            ("ping", b"3"),
            ("pong", b"4"),
            ("close", 1000, "bye"),
        ]

    @run
    async def test_in_any_pieces(self) -> None:
        socket, sink = make()
        for byte in masked(TEXT, "Käse".encode()) + masked(TEXT, b"two"):
            socket.feed(bytes([byte]))
        assert sink.seen == [("message", "Käse"), ("message", "two")]

    @run
    async def test_websockets_h10_what_comes_right_behind_the_handshake_comes_first(self) -> None:
        socket, sink = MemorySocket(UpgradeTerms(KEY), lambda: None), Sink()
        socket.feed(masked(TEXT, b"early"))
        socket.attach(sink)
        socket.feed(masked(TEXT, b"later"))
        assert sink.seen == [("message", "early"), ("message", "later")]

    @run
    async def test_the_rules_of_the_wire_hold(self) -> None:
        socket, sink = make()
        socket.feed(encode_frame(TEXT, b"without a mask"))
        socket.feed(masked(TEXT, b"late"))
        assert sink.seen == [("fail", 1002)]

    @run
    async def test_the_size_of_messages_is_held(self) -> None:
        socket, sink = make(max_message_size=10)
        socket.feed(masked(TEXT, b"x" * 11))
        assert sink.seen == [("fail", 1009)]

    @run
    async def test_what_the_server_sends_are_frames_without_a_mask(self) -> None:
        socket, _ = make()
        socket.write(TEXT, b"he", fin=False)
        socket.write(CONTINUATION, b"llo")
        socket.write_control(CLOSE, b"\x03\xe8")
        assert socket.take() == b"\x01\x02he\x80\x03llo\x88\x02\x03\xe8"
        assert socket.take() == b""

    @run
    async def test_compressed_both_ways(self) -> None:
        socket, sink = make(deflate=DeflateParameters())
        socket.write(TEXT, b"Hello")
        # RFC 7692 section 7.2.3.1: the example.
        assert socket.take() == b"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"
        socket.feed(masked(TEXT, b"\xf2\x48\xcd\xc9\xc9\x07\x00", rsv1=True))
        assert sink.seen == [("message", "Hello")]

    @run
    async def test_fragments_are_compressed_as_their_first_frame_says(self) -> None:
        socket, _ = make(deflate=DeflateParameters())
        socket.write(TEXT, b"one", fin=False, compress=False)
        socket.write(CONTINUATION, b"two")
        assert socket.take() == b"\x01\x03one\x80\x03two"
        socket.write(TEXT, b"one", fin=False)
        socket.write(CONTINUATION, b"two")
        first, second = socket.take()[0], socket.take()
        assert (first, second) == (0x41, b"")

    @run
    async def test_a_message_may_inflate_so_much_and_no_more(self) -> None:
        socket, sink = make(deflate=DeflateParameters(), max_ratio=2)
        small, _ = make(deflate=DeflateParameters())
        small.write(BINARY, bytes(1_000_000))
        frame = small.take()
        payload = frame[4:] if frame[1] == 126 else frame[2:]
        socket.feed(masked(BINARY, payload, rsv1=True))
        assert sink.seen == [("fail", 1009)]


class TestHoldingBack:
    @run
    async def test_a_client_that_reads_slowly(self) -> None:
        socket, sink = make()
        for _ in range(66):
            assert not paused(socket)
            socket.write(BINARY, b"x" * 1000)
        assert paused(socket)
        assert sink.seen == []
        assert len(socket.take()) > HIGH_WATER
        assert not paused(socket)
        assert sink.seen == [("resume",)]

    @run
    async def test_an_endpoint_that_reads_slowly(self) -> None:
        socket, sink = make()
        socket.pause_reading()
        for _ in range(66):
            assert not full(socket)
            socket.feed(masked(TEXT, b"x" * 1000))
        assert full(socket)
        assert sink.seen == []
        waiting = asyncio.ensure_future(socket.wait_change())
        socket.resume_reading()
        await waiting
        assert not full(socket)
        assert {each[0] for each in sink.seen} == {"message"}

    @run
    async def test_pausing_holds_behind_what_is_read_at_once(self) -> None:
        socket, sink = make()
        sink.take_part = lambda *part: socket.pause_reading()  # type: ignore[method-assign]
        socket.feed(masked(BINARY, random.randbytes(1_000_000)))
        assert socket.is_full

    @run
    async def test_waiting_for_what_the_server_sends(self) -> None:
        socket, _ = make()
        waiting = [asyncio.ensure_future(socket.wait_change()) for _ in range(2)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        assert not waiting[1].done()
        socket.write(TEXT, b"now")
        await waiting[1]
        await socket.wait_change()


class TestTheEnd:
    @run
    async def test_close_tells_a_turn_later_and_keeps_what_was_written(self) -> None:
        socket, sink = make()
        socket.write(TEXT, b"last")
        socket.close()
        socket.close()
        assert sink.seen == []
        drained = socket.wait_drained()
        assert drained is not None
        await drained
        assert sink.seen == [("resume",), ("lose", None)]
        assert socket.is_ended
        assert socket.take() == b"\x81\x04last"
        assert socket.wait_drained() is None

    @run
    async def test_close_waits_for_a_client_that_reads_slowly(self) -> None:
        socket, sink = make()
        socket.write(BINARY, bytes(2 * HIGH_WATER))
        socket.close()
        await asyncio.sleep(0)
        assert sink.seen == []
        socket.take()
        await socket.wait_change()
        assert ("lose", None) in sink.seen

    @run
    async def test_abort_does_not_wait(self) -> None:
        told: list[int] = []
        socket, sink = MemorySocket(UpgradeTerms(KEY), lambda: told.append(1)), Sink()
        socket.attach(sink)
        socket.write(BINARY, bytes(2 * HIGH_WATER))
        socket.abort()
        socket.abort()
        await asyncio.sleep(0)
        assert sink.seen == [("resume",), ("lose", None)]
        assert told == [1]
        assert socket.is_aborted

    @run
    async def test_a_client_that_leaves(self) -> None:
        socket, sink = make()
        socket.write(TEXT, b"unread")
        socket.leave()
        socket.feed(masked(TEXT, b"late"))
        socket.write(TEXT, b"to nobody")
        await asyncio.sleep(0)
        assert sink.seen == [("resume",), ("lose", None)]
        assert socket.take() == b""

    @run
    async def test_who_attaches_late_is_told(self) -> None:
        socket, sink = MemorySocket(UpgradeTerms(KEY), lambda: None), Sink()
        socket.leave()
        await asyncio.sleep(0)
        socket.attach(sink)
        assert sink.seen == [("lose", None)]

    @run
    async def test_reading_on_when_it_has_gone_harms_nobody(self) -> None:
        socket, sink = make()
        socket.pause_reading()
        socket.feed(masked(TEXT, b"unread"))
        socket.resume_reading()
        socket.abort()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [each[0] for each in sink.seen] in (["message", "resume", "lose"], ["resume", "lose"])


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 300_000])
def test_any_size_passes_both_ways(size: int) -> None:
    payload = random.randbytes(size)

    async def journey() -> None:
        socket, sink = make()
        socket.feed(masked(BINARY, payload))
        whole = b"".join(each[1] if each[0] == "message" else each[2] for each in sink.seen)
        assert whole == payload
        socket.write(BINARY, payload)
        assert socket.take().endswith(payload)

    asyncio.run(journey())
