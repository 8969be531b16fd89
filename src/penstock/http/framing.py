"""Where a request body ends: by its length, or by its chunks (RFC 9112 section 6 and 7): the smuggling-critical page."""

from __future__ import annotations

import re
from typing import Final

from penstock.errors import RequestRejected
from penstock.http.grammar import HEX_DIGITS, is_field_value, is_token

# What a sender may spend on chunk lines and trailers: a fixed sum, and so much for each byte of body.
_OVERHEAD_FREE: Final = 16 * 1024
_OVERHEAD_PER_BYTE: Final = 8
_LINE: Final = 4 * 1024
_TRAILERS: Final = 100
_SIZE_DIGITS: Final = 16

# RFC 9110 section 6.5.1: fields that decide framing, routing or trust may not come behind the body.
_FORBIDDEN_TRAILERS: Final = frozenset(
    (
        b"authorization",
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-range",
        b"content-type",
        b"cookie",
        b"expect",
        b"forwarded",
        b"host",
        b"keep-alive",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-proto",
    )
)

_QUOTED_PAIR: Final = re.compile(rb"\\.")

_SIZE: Final = 0
_BYTES: Final = 1
_BYTES_END: Final = 2
_TRAILER: Final = 3
_END: Final = 4


class LengthBody:
    """A body of as many bytes as Content-Length says (RFC 9112 section 6.3)."""

    __slots__ = ("is_complete", "remaining")

    def __init__(self, length: int) -> None:
        self.remaining = length
        self.is_complete = length == 0

    def feed(self, received: bytes, pieces: list[bytes]) -> bytes:
        """Append what belongs to the body to `pieces`; returns what lies beyond it."""
        count = len(received)
        if count < self.remaining:
            self.remaining -= count
            pieces.append(received)
            return b""
        remaining = self.remaining
        self.remaining = 0
        self.is_complete = True
        if count == remaining:
            pieces.append(received)
            return b""
        pieces.append(received[:remaining])
        return received[remaining:]


class ChunkedBody:
    """A body in chunks (RFC 9112 section 7.1), read strictly: only CRLF ends a line, only hexadecimal digits are a size."""

    __slots__ = ("_body_bytes", "_overhead", "_pending", "_remaining", "_state", "is_complete", "trailers")

    def __init__(self) -> None:
        self.is_complete = False
        self.trailers: list[tuple[bytes, bytes]] = []
        self._state = _SIZE
        self._remaining = 0
        self._pending = b""
        self._body_bytes = 0
        self._overhead = 0

    def feed(self, received: bytes, pieces: list[bytes]) -> bytes:
        """Append the bytes of chunks in `received` to `pieces`; returns what lies beyond the last chunk and its trailers.

        Raises RequestRejected (400) at the first byte that breaks the coding, and when a sender spends more on the coding
        than a body can justify.
        """
        position = 0
        if self._pending:
            received = self._pending + received
            self._pending = b""
        count = len(received)
        while position < count and self._state != _END:
            if self._state == _BYTES:
                piece = received[position : position + self._remaining]
                pieces.append(piece)
                position += len(piece)
                self._body_bytes += len(piece)
                self._remaining -= len(piece)
                if self._remaining == 0:
                    self._state = _BYTES_END
                continue
            end = self._find_line_end(received, position)
            if end < 0:
                self._pending = received[position:]
                return b""
            self._spend(end + 2 - position)
            self._read_line(received[position:end])
            position = end + 2
        self.is_complete = self._state == _END
        return received[position:] if position < count else b""

    def _find_line_end(self, received: bytes, position: int) -> int:
        end = received.find(b"\n", position)
        if end < 0:
            self._judge_unfinished(received, position)
            return -1
        if end == position or received[end - 1] != 13 or received.find(b"\r", position, end - 1) >= 0:
            raise _malformed("a line of the chunked coding ends with CRLF")
        if end - 1 - position > _LINE:
            raise _malformed(f"a line of the chunked coding is longer than {_LINE} bytes")
        return end - 1

    def _judge_unfinished(self, received: bytes, position: int) -> None:
        waiting = len(received) - position
        if waiting > _LINE:
            raise _malformed(f"a line of the chunked coding is longer than {_LINE} bytes")
        carriage = received.find(b"\r", position)
        if 0 <= carriage < len(received) - 1:
            raise _malformed("a line of the chunked coding ends with CRLF")
        # What can never become right is refused now, not when its line ends: the line may never end.
        if self._state == _BYTES_END and received[position] != 13:
            raise _malformed("a chunk is longer than its size says")
        if self._state == _SIZE:
            size = received[position:].partition(b";")[0].rstrip(b"\r")
            if size.translate(None, HEX_DIGITS) or len(size) > _SIZE_DIGITS:
                raise _malformed("a chunk size is one to sixteen hexadecimal digits")

    def _read_line(self, line: bytes) -> None:
        if self._state == _SIZE:
            self._read_size(line)
        elif self._state == _BYTES_END:
            if line:
                raise _malformed("a chunk is longer than its size says")
            self._state = _SIZE
        elif line:
            self._read_trailer(line)
        else:
            self._state = _END

    def _read_size(self, line: bytes) -> None:
        size, semicolon, extension = line.partition(b";")
        if not size or size.translate(None, HEX_DIGITS) or len(size) > _SIZE_DIGITS:
            raise _malformed("a chunk size is one to sixteen hexadecimal digits")
        if semicolon and not (is_field_value(extension) and _are_quotes_closed(extension)):
            raise _malformed("a chunk extension holds a control character, or a quote that stays open")
        self._remaining = int(size, 16)
        self._state = _BYTES if self._remaining else _TRAILER

    def _read_trailer(self, line: bytes) -> None:
        name, colon, value = line.partition(b":")
        name = name.lower()
        if not colon or not is_token(name) or not is_field_value(value):
            raise _malformed("malformed trailer field")
        if name in _FORBIDDEN_TRAILERS:
            raise RequestRejected(
                400, f"{name.decode('ascii')} may not come as a trailer field", rule="RFC 9110 section 6.5.1"
            )
        if len(self.trailers) >= _TRAILERS:
            raise RequestRejected(431, f"more than {_TRAILERS} trailer fields", rule="RFC 6585 section 5")
        self.trailers.append((name, value.strip(b" \t")))

    def _spend(self, count: int) -> None:
        self._overhead += count
        if self._overhead > _OVERHEAD_FREE + _OVERHEAD_PER_BYTE * self._body_bytes:
            raise _malformed("the chunked coding is larger than its body can justify")


def _are_quotes_closed(extension: bytes) -> bool:
    # RFC 9110 section 5.6.4: inside quotes a backslash takes the next byte's meaning away.
    return b'"' not in extension or _QUOTED_PAIR.sub(b"", extension).count(b'"') % 2 == 0


def _malformed(detail: str) -> RequestRejected:
    return RequestRejected(400, detail, rule="RFC 9112 section 7.1")
