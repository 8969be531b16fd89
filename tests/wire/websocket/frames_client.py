"""A client of raw WebSocket frames: it writes and reads every byte itself, so that no code under test judges itself."""

import base64
import hashlib
import select
import struct
import time
from typing import NamedTuple

from tests.wire.raw_client import Answer, BadAnswer, RawClient

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
MASK = b"\x37\xfa\x21\x3d"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class Frame(NamedTuple):
    """One frame as the server sent it. `rsv` are the three reserved bits, 4 is RSV1."""

    opcode: int
    payload: bytes
    fin: bool = True
    rsv: int = 0

    def __repr__(self) -> str:
        """Short enough for a message of a test that failed."""
        shown = self.payload if len(self.payload) < 60 else self.payload[:50] + b"... %d bytes" % len(self.payload)
        return f"Frame({self.opcode}, {shown!r}, fin={self.fin}, rsv={self.rsv})"


def masked(payload: bytes, mask: bytes = MASK) -> bytes:
    """RFC 6455 section 5.3: octet i of the result is octet i of the payload XOR octet i modulo 4 of the mask."""
    size = len(payload)
    stretched = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stretched, "big")).to_bytes(size, "big")


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, mask: bytes | None = MASK, form: int = 0
) -> bytes:
    """The bytes of one frame. `mask` None: unmasked. `form` 16 or 64: that form of the length, be it too long."""
    size = len(payload)
    flag = 0x80 if mask is not None else 0
    form = form or (7 if size < 126 else 16 if size < 65536 else 64)
    if form == 7:
        length = bytes([flag | size])
    else:
        length = (
            bytes([flag | 126]) + struct.pack("!H", size)
            if form == 16
            else bytes([flag | 127]) + struct.pack("!Q", size)
        )
    first = bytes([0x80 * fin | rsv << 4 | opcode])
    return first + length + (payload if mask is None else mask + masked(payload, mask))


def close_payload(code: int, reason: bytes = b"") -> bytes:
    """RFC 6455 section 5.5.1: two octets of code, then the reason."""
    return struct.pack("!H", code) + reason


def close_frame(code: int | None = 1000, reason: bytes = b"") -> bytes:
    """A Close of the client; None: without a code."""
    return frame(CLOSE, b"" if code is None else close_payload(code, reason))


def handshake(target: str = "/", *fields: bytes, host: bytes = b"example.org") -> bytes:
    """A handshake as RFC 6455 section 4.1 wants it, and `fields` behind it."""
    lines = [
        b"GET %s HTTP/1.1" % target.encode(),
        b"Host: " + host,
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: " + KEY,
        b"Sec-WebSocket-Version: 13",
        *fields,
    ]
    return b"\r\n".join([*lines, b"", b""])


def accept_of(key: bytes) -> bytes:
    """RFC 6455 section 4.2.2 step 5.4."""
    return base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())


class FramesClient(RawClient):
    """One WebSocket connection of raw frames."""

    def open(self, target: str = "/", *fields: bytes, behind: bytes = b"") -> Answer:
        """The handshake, `behind` in the same write; checks the answer as RFC 6455 section 4.1 wants a client to."""
        self.send([handshake(target, *fields) + behind])
        answer = self.read_answer()
        if answer.status != 101:
            raise BadAnswer(f"the handshake was answered with {answer.status} {answer.body[:200]!r}")
        assert (answer.find(b"upgrade") or b"").lower() == b"websocket"
        assert b"upgrade" in (answer.find(b"connection") or b"").lower()
        assert answer.find(b"sec-websocket-accept") == accept_of(KEY)
        return answer

    def read_frame(self) -> Frame | None:
        """The next frame, None at the end of the connection. Raises BadAnswer for what RFC 6455 does not let a server send."""
        deadline = time.monotonic() + self.seconds
        while not self.buffer:
            if self.is_at_end:
                return None
            self._receive(deadline, "the wait for a frame")
        first, second = self._read_exactly(2, deadline, "a frame")
        opcode, size = first & 15, second & 127
        if second & 128:
            raise BadAnswer("a masked frame (section 5.1: a server must not mask)")
        if size >= 126:
            size = self._read_long_size(size, deadline)
        payload = self._read_exactly(size, deadline, "the payload of a frame")
        found = Frame(opcode, payload, bool(first & 128), first >> 4 & 7)
        _check(found)
        return found

    def _read_long_size(self, form: int, deadline: float) -> int:
        wide = form == 127
        size = int.from_bytes(self._read_exactly(8 if wide else 2, deadline, "the length of a frame"), "big")
        if size < (65536 if wide else 126):
            raise BadAnswer(
                f"the length {size} in {64 if wide else 16} bits (section 5.2: the minimal number of bytes)"
            )
        return size

    def read_message(self) -> tuple[int, bytes]:
        """The next message, its fragments joined: opcode and payload. No other frame may come."""
        found = self.read_frame()
        assert found is not None, "the connection ended"
        assert found.opcode in (TEXT, BINARY), found
        opcode, pieces = found.opcode, [found.payload]
        while not found.fin:
            found = self.read_frame()
            assert found is not None
            assert found.opcode == CONTINUATION, found
            pieces.append(found.payload)
        return opcode, b"".join(pieces)

    def read_close(self) -> int | None:
        """The code of the Close that comes next, 1005 for none, and then the end; None when the end comes without."""
        found = self.read_frame()
        if found is None:
            return None
        assert found.opcode == CLOSE, found
        assert self.read_frame() is None
        return int.from_bytes(found.payload[:2], "big") if found.payload else 1005

    def echo(self, payload: bytes = b"hello", opcode: int = TEXT) -> None:
        """Send a message and read it back."""
        self.send([frame(opcode, payload)])
        assert self.read_message() == (opcode, payload)

    def leave(self, code: int = 1000) -> None:
        """The client's close handshake, to the end of the connection."""
        self.send([close_frame(code)])
        assert self.read_close() == code

    def flood(self, frames: bytes, *, at_most: int, seconds: float) -> int:
        """Send `frames` again and again, whole, reading nothing, until no more is taken for `seconds`; the bytes sent."""
        sent, rest = 0, memoryview(frames)
        while sent < at_most and self._wait(select.POLLOUT, seconds=seconds):
            try:
                count = self.socket.send(rest)
            except BlockingIOError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
            sent += count
            rest = rest[count:] or memoryview(frames)
        return sent

    def is_quiet(self, seconds: float = 0.05) -> bool:
        """Whether nothing comes for so long, neither bytes nor the end."""
        return not self.buffer and not self.is_at_end and not self._wait(select.POLLIN, seconds=seconds)


def _check(found: Frame) -> None:
    """What holds for every frame of a server (sections 5.2, 5.5 and 7.4)."""
    if found.opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
        raise BadAnswer(f"a reserved opcode: {found}")
    if found.opcode >= 8 and (len(found.payload) > 125 or not found.fin or found.rsv):
        raise BadAnswer(f"a control frame that is too long, fragmented or marked: {found}")
    if found.opcode == CLOSE and found.payload:
        if len(found.payload) < 2:
            raise BadAnswer("a Close with one byte")
        code = int.from_bytes(found.payload[:2], "big")
        if not ((1000 <= code <= 1014 and code not in (1004, 1005, 1006)) or 3000 <= code <= 4999):
            raise BadAnswer(f"a Close with {code}")
        found.payload[2:].decode()
