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
_WINDOW: Final = 32768

# Small messages may inflate as they like: a line of blanks is no attack.
_FREE_OF_RATIO: Final = 65536
_ANY_RATIO: Final = 1 << 20  # deflate itself packs no more than 1032 times


class Inflater:
    """Inflates the messages of the peer: the client's when `is_server`.

    `max_size` is what a message may inflate to, in bytes; `max_ratio` how many times its compressed size that may be, which
    counts from 64 KiB on (bad-input row 63); 0 is any.
    """

    __slots__ = ("_bits", "_in", "_keeps_context", "_max_ratio", "_max_size", "_out", "_zlib")

    def __init__(
        self, parameters: DeflateParameters, *, max_size: int, max_ratio: int = 100, is_server: bool = True
    ) -> None:
        bits = parameters.client_max_window_bits if is_server else parameters.server_max_window_bits
        is_forgetful = parameters.client_no_context_takeover if is_server else parameters.server_no_context_takeover
        self._bits = -bits
        self._keeps_context = not is_forgetful
        self._max_size = max_size
        self._max_ratio = max_ratio or _ANY_RATIO
        self._in = 0
        self._out = 0
        self._zlib: Any = None  # made with the first message, for it costs memory

    def inflate(self, piece: bytes, *, is_end: bool) -> bytes:
        """What the next `piece` of a message holds; `is_end`: it is the last one.

        Raises WebSocketProtocolError: 1009 when the message has become too large, and then inflating has stopped there
        (websockets D-11); 1007 when it is no deflate stream (websockets D-12).
        """
        self._in += len(piece)
        if self._zlib is None:
            self._zlib = zlib.decompressobj(wbits=self._bits)
        try:
            inflated = self._decompress(piece + _TAIL if is_end else piece)
        except zlib.error:
            raise WebSocketProtocolError(INVALID_DATA, "a compressed message is no deflate stream") from None
        if is_end:
            self._in = self._out = 0
            if not self._keeps_context:
                self._zlib = None
        return inflated

    def _decompress(self, piece: bytes) -> bytes:
        by_ratio = max(_FREE_OF_RATIO, self._in * self._max_ratio)
        room = min(self._max_size, by_ratio) - self._out
        inflated: bytes = self._zlib.decompress(piece, room + 1)
        if self._zlib.eof:
            inflated += self._begin_again(inflated, room + 1 - len(inflated))
        self._out += len(inflated)
        if len(inflated) <= room:
            return inflated
        self._zlib = None
        if self._out > self._max_size:
            raise WebSocketProtocolError(TOO_BIG, f"a message has more than {self._max_size} bytes")
        raise WebSocketProtocolError(TOO_BIG, f"a message inflates to more than {self._max_ratio} times its size")

    def _begin_again(self, window: bytes, room: int) -> bytes:
        # RFC 7692 section 7.2.3.4: a block may say that it is the last one, and the message goes on all the same. Once in
        # a piece: a message of such blocks alone would be copied for each.
        rest = self._zlib.unused_data
        self._zlib = zlib.decompressobj(wbits=self._bits, zdict=window[-_WINDOW:])
        inflated: bytes = self._zlib.decompress(rest, room) if room else b""
        if self._zlib.eof:
            raise zlib.error("more than one last block")
        return inflated


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
