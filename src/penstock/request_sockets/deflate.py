"""Messages are compressed and inflated again, never beyond what is allowed (RFC 7692 section 7.2)."""

from __future__ import annotations

import zlib
from typing import Any, Final

from penstock.errors import WebSocketProtocolError
from penstock.http.deflate_offers import DeflateParameters
from penstock.request_sockets.close_codes import INVALID_DATA, TOO_BIG

# RFC 7692 section 7.2.1: what ends each flushed message, and is not sent.
_TAIL: Final = b"\x00\x00\xff\xff"
_EMPTY: Final = b"\x00"  # section 7.2.3.6

# Small messages may inflate as they like: a line of blanks is no attack.
_FREE_OF_RATIO: Final = 65536
_ANY_RATIO: Final = 1 << 20  # deflate itself packs no more than 1032 times
# What has come counts in steps of so many bytes: so it matters to no limit in which pieces it comes.
_STEP: Final = 1024
# Nobody ends the stream more often within a message; each time costs a new inflater.
_MOST_ENDINGS: Final = 100


class Inflater:
    """Inflates the messages of the peer: the client's when `is_server`.

    `max_size` is what a message may inflate to, in bytes; `max_ratio` how many times its compressed size that may be, which
    counts from 64 KiB on (bad-input row 63).
    """

    __slots__ = ("_bits", "_endings", "_in", "_keeps_context", "_max_ratio", "_max_size", "_out", "_zlib")

    def __init__(
        self, parameters: DeflateParameters, *, max_size: int, max_ratio: int = 100, is_server: bool = True
    ) -> None:
        bits = parameters.client_max_window_bits if is_server else parameters.server_max_window_bits
        is_forgetful = parameters.client_no_context_takeover if is_server else parameters.server_no_context_takeover
        self._bits = -bits
        self._keeps_context = not is_forgetful
        self._max_size = max_size
        self._max_ratio = max_ratio or _ANY_RATIO
        self._zlib: Any = None  # made with the first message, for it costs memory
        # Of the message: bytes that came, bytes that they were inflated to, and how often the stream ended.
        self._in = 0
        self._out = 0
        self._endings = 0

    def inflate(self, piece: bytes, *, is_end: bool) -> bytes:
        """What the next `piece` of a message holds; `is_end`: it is the last one.

        Raises WebSocketProtocolError: 1009 when the message has become too large, and then inflating has stopped there
        (websockets D-11); 1007 when it is no deflate stream (websockets D-12).
        """
        data = piece + _TAIL if is_end else piece
        parts: list[bytes] = []
        at = 0
        try:
            while at < len(data):
                at = self._inflate_some(data, at, parts=parts)
        except zlib.error:
            raise WebSocketProtocolError(INVALID_DATA, "a compressed message is no deflate stream") from None
        if is_end:
            self._in = self._out = self._endings = 0
            if not self._keeps_context:
                self._zlib = None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _inflate_some(self, data: bytes, at: int, *, parts: list[bytes]) -> int:
        """Inflate what stands in `data` from `at` on, as far as it can be allowed at once; returns where that ends."""
        if self._zlib is None:
            self._zlib = zlib.decompressobj(wbits=self._bits)
        if self._out <= _FREE_OF_RATIO:
            most = min(_FREE_OF_RATIO, self._max_size)
            step = data[at:]
        else:
            most = self._most(self._in + 1)
            step = data[at : at + _STEP - self._in % _STEP]
        inflated = self._zlib.decompress(step, most - self._out + 1)
        parts.append(inflated)
        self._out += len(inflated)
        left = len(self._zlib.unconsumed_tail)
        if self._zlib.eof:
            left = len(self._zlib.unused_data)
            self._begin_again()
        self._in += len(step) - left
        if self._out > self._most(self._in):
            self._refuse()
        return at + len(step) - left

    def _most(self, size: int) -> int:
        """How many bytes a message may have of which `size` have come."""
        return min(self._max_size, max(_FREE_OF_RATIO, -(-size // _STEP) * _STEP * self._max_ratio))

    def _refuse(self) -> None:
        self._zlib = None
        if self._out > self._max_size:
            raise WebSocketProtocolError(TOO_BIG, f"a message has more than {self._max_size} bytes")
        raise WebSocketProtocolError(TOO_BIG, f"a message inflates to more than {self._max_ratio} times its size")

    def _begin_again(self) -> None:
        # RFC 7692 section 7.2.3.4: a block may say that it is the last one, and the message goes on all the same. What
        # follows may not refer to what came before: a compressor that has ended a stream has forgotten it.
        self._endings += 1
        if self._endings > _MOST_ENDINGS:
            raise zlib.error("too many last blocks")
        self._zlib = zlib.decompressobj(wbits=self._bits)


class Deflater:
    """Compresses the messages for the peer: the server's when `is_server`."""

    __slots__ = ("_bits", "_keeps_context", "_memory", "_zlib")

    def __init__(self, parameters: DeflateParameters, *, is_server: bool = True) -> None:
        bits = parameters.server_max_window_bits if is_server else parameters.client_max_window_bits
        is_forgetful = parameters.server_no_context_takeover if is_server else parameters.client_no_context_takeover
        self._bits = -bits
        self._memory = bits - 7  # zlib's own choice for 15 bits, and as much less as the window is smaller
        self._keeps_context = not is_forgetful
        self._zlib: Any = None

    def deflate(self, payload: bytes, *, is_end: bool = True) -> bytes:
        """The payload of the next frame of a message, RSV1 of whose first frame is then set; `is_end`: it is the last one."""
        if self._zlib is None:
            self._zlib = zlib.compressobj(wbits=self._bits, memLevel=self._memory)
        deflated: bytes = self._zlib.compress(payload) + self._zlib.flush(zlib.Z_SYNC_FLUSH)
        if not is_end:
            return deflated
        if not self._keeps_context:
            self._zlib = None
        # zlib says nothing where nothing has come since the last flush.
        return deflated[:-4] or _EMPTY
