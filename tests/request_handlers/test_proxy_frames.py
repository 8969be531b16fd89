"""Frames on the client's side: what is sent is masked, what comes is not, and nothing is read before somebody wants it."""

import asyncio
from typing import Any

from penstock.errors import WebSocketProtocolError
from penstock.intake.frame_transport import BINARY, CLOSE, TEXT
from penstock.request_handlers.proxy_frames import BackendFrames
from penstock.request_sockets.masking import mask_in_python
from tests.pipeline.subject import run


class Wire:
    """As much of a transport as is used."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.calls: list[str] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def __getattr__(self, name: str) -> Any:
        return lambda: self.calls.append(name)


class Sink:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def __getattr__(self, name: str) -> Any:
        return lambda *values: self.told.append((name, *values))


def opened(beginning: bytes = b"") -> tuple[BackendFrames, Wire, Sink]:
    frames, wire, sink = BackendFrames(1000), Wire(), Sink()
    frames.begin(wire, beginning)  # type: ignore[arg-type]
    return frames, wire, sink


def unmasked(frame: bytes) -> bytes:
    assert frame[1] & 0x80, "a client masks (RFC 6455 section 5.3)"
    return mask_in_python(frame[6:], frame[2:6])


def test_rfc6455_section_5_3_every_frame_has_a_mask_of_its_own() -> None:
    frames, wire, _ = opened()
    for _ in range(20):
        frames.write(TEXT, b"hello")
    frames.write(BINARY, b"part", fin=False)
    frames.write_control(CLOSE, b"\x03\xe8")
    assert [unmasked(frame) for frame in wire.written] == [b"hello"] * 20 + [b"part", b"\x03\xe8"]
    assert [frame[0] for frame in wire.written[-3:]] == [0x81, 0x02, 0x88]
    assert len({frame[2:6] for frame in wire.written}) > 15


def test_websockets_h10_what_came_with_the_handshake_comes_first() -> None:
    frames, wire, sink = opened(b"\x81\x01a\x81")
    assert wire.calls == ["pause_reading"]
    frames.data_received(b"\x01b")
    frames.attach(sink)
    assert wire.calls == ["pause_reading", "resume_reading"]
    frames.data_received(b"\x82\x01c")
    assert [each for each in sink.told if each[0] == "take_message"] == [
        ("take_message", "a"),
        ("take_message", "b"),
        ("take_message", b"c"),
    ]


def test_rfc6455_section_5_1_a_backend_does_not_mask() -> None:
    frames, _, sink = opened()
    frames.attach(sink)
    frames.data_received(b"\x81\x81aaaab")
    assert sink.told == [("fail", 1002, "a server's frame is masked")]
    assert issubclass(WebSocketProtocolError, Exception)


def test_a_lost_connection_is_told_once_and_drops_what_is_written() -> None:
    async def journey() -> None:
        frames, wire, sink = opened()
        frames.attach(sink)
        frames.pause_writing()
        assert frames.is_paused
        frames.resume_writing()
        drained = frames.wait_drained()
        assert drained is not None
        frames.connection_lost(None)
        await drained
        assert frames.wait_drained() is None
        assert sink.told == [("resume_sending",), ("resume_sending",), ("lose", None)]
        calls = len(wire.calls)
        frames.write(TEXT, b"late")
        for late in (frames.close, frames.abort, frames.pause_reading, frames.resume_reading):
            late()
        assert (wire.written, len(wire.calls)) == ([], calls)
        late_sink = Sink()
        frames.attach(late_sink)
        assert late_sink.told == [("lose", None)]
        await asyncio.sleep(0)

    run(journey)
