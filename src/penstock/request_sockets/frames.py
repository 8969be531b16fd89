"""How the bytes of a peer become messages: frames are read, unmasked, checked and put together (RFC 6455 section 5)."""

from __future__ import annotations

from codecs import utf_8_decode
from typing import Final

from penstock.errors import WebSocketProtocolError
from penstock.intake.frame_transport import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, FrameSink
from penstock.request_sockets.close_codes import INVALID_DATA, POLICY_VIOLATION, PROTOCOL_ERROR, TOO_BIG, read_close
from penstock.request_sockets.deflate import Inflater
from penstock.request_sockets.masking import load_mask

_FIN: Final = 0x80
_RSV1: Final = 0x40
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_IS_CONTROL: Final = 0x08
_WHOLE_TEXT: Final = _FIN | TEXT
_WHOLE_BINARY: Final = _FIN | BINARY
_WHOLE: Final = frozenset((_WHOLE_TEXT, _WHOLE_BINARY))
_OPCODES: Final = frozenset((CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG))

# Bytes of masked frames beside their payload, by what their length takes; what is read at once has no more than 65535.
_SHORT_HEAD: Final = 6
_LONG_HEAD: Final = 8
_SHORT: Final = 125
_LONG: Final = 65535
_LONG_AND_MASKED: Final = _MASKED | 126
# To slice a view of so many bytes is quicker than to slice the bytes.
_WORTH_A_VIEW: Final = 4096

# What comes of a frame is gathered until there is so much of it: parts of a byte each would need 40 times their memory.
_PIECE: Final = 65536
# Nobody continues a message with more frames of nothing (bad-input row 65).
_MOST_EMPTY: Final = 1000

_NO_UTF8: Final = "a text message is not UTF-8"


class FrameReader:
    """Reads the frames of one connection, and calls its sink in the order of the wire.

    What it calls does not depend on how the bytes are split into reads, except for how many parts a message comes in that
    does not come at once, and which of two faults of a compressed message is told. `max_message_size` is in bytes, behind
    inflating. A peer that breaks a rule is told to `sink.fail` at the first byte that shows it (websockets RT-6, RT-7, C-8);
    behind that, and behind a Close, nothing is read any more.
    """

    __slots__ = (
        "_empty_frames",
        "_gathered",
        "_has_parts",
        "_held",
        "_inflater",
        "_is_compressed",
        "_is_done",
        "_is_final",
        "_is_server",
        "_left",
        "_long",
        "_mask",
        "_max_size",
        "_opcode",
        "_short",
        "_sink",
        "_size",
        "_tail",
        "_unmask",
    )

    def __init__(
        self, sink: FrameSink, *, max_message_size: int, inflater: Inflater | None = None, is_server: bool = True
    ) -> None:
        self._sink = sink
        self._max_size = max_message_size
        self._inflater = inflater
        self._is_server = is_server
        self._unmask = load_mask()
        # How many bytes a frame may have to be read at once; 0 where none can begin: inside a message or a frame, at the end.
        self._short = 0
        self._long = 0
        # Of the open message: its opcode (0: none is), bytes received, whether they are compressed, whether parts of it have
        # been handed on, and the beginning of a character whose end has not come.
        self._opcode = 0
        self._size = 0
        self._is_compressed = False
        self._has_parts = False
        self._tail = b""
        # Of the open frame: bytes that are to come, and the mask as the next of them needs it.
        self._left = 0
        self._mask = b""
        self._is_final = False
        self._gathered = bytearray()
        # The beginning of a frame whose head, or of a control frame whose payload, is not complete: 138 bytes at most.
        self._held = b""
        self._empty_frames = 0
        self._is_done = False
        # Whether a Close has come.
        self._be_between_messages()

    def feed(self, data: bytes) -> None:
        """Read what the peer sent next."""
        size = len(data)
        # A whole message in a whole frame that is all there is: what nearly every read brings. First a frame of few bytes,
        # then one whose length has two bytes of its own; everything else is walked through.
        if _SHORT_HEAD <= size <= self._short and data[1] == size + (_MASKED - _SHORT_HEAD):
            first = data[0]
            if first == _WHOLE_TEXT:
                try:
                    text = self._unmask(data[6:], data[2:6]).decode()
                except UnicodeDecodeError:
                    self._fail(INVALID_DATA, _NO_UTF8)
                else:
                    self._sink.take_message(text)
                return
            if first == _WHOLE_BINARY:
                self._sink.take_message(self._unmask(data[6:], data[2:6]))
                return
        elif _LONG_HEAD + _SHORT < size <= self._long and data[1] == _LONG_AND_MASKED:
            first = data[0]
            if (data[2] << 8 | data[3]) == size - _LONG_HEAD and first in _WHOLE:
                payload = data[8:] if size < _WORTH_A_VIEW else memoryview(data)[8:]
                self._take_whole(first, self._unmask(payload, data[4:8]))
                return
        self._walk(data)

    def _walk(self, data: bytes) -> None:
        """Read frames of any kind, and the beginning of one."""
        if self._is_done:
            return
        if self._held:
            data = self._held + data
            self._held = b""
            if not self._opcode:
                self._be_quick()
        at = self._go_on(data, 0) if self._left else 0
        size = len(data)
        while 0 <= at < size:
            if self._short:
                at = self._read_short_ones(data, at)
            if 0 <= at < size:
                at = self._read_frame(data, at)

    def _read_short_ones(self, data: bytes, at: int) -> int:
        """Read whole messages of few bytes, as quick as in `feed`, up to a frame that is none; returns as `_read_frame`."""
        size = len(data)
        most = self._short - _SHORT_HEAD
        unmask = self._unmask
        take = self._sink.take_message
        while size - at >= _SHORT_HEAD:
            first = data[at]
            length = data[at + 1] - _MASKED
            end = at + _SHORT_HEAD + length
            if not 0 <= length <= most or end > size or first not in _WHOLE:
                break
            payload = unmask(data[at + 6 : end], data[at + 2 : at + 6])
            at = end
            if first == _WHOLE_BINARY:
                take(payload)
                continue
            try:
                text = payload.decode()
            except UnicodeDecodeError:
                return self._fail(INVALID_DATA, _NO_UTF8)
            take(text)
        return at

    def _take_whole(self, first: int, payload: bytes) -> bool:
        """Take a message that came in one frame; False when that broke a rule."""
        if first & 0x0F == BINARY:
            self._sink.take_message(payload)
            return True
        try:
            text = payload.decode()
        except UnicodeDecodeError:
            self._fail(INVALID_DATA, _NO_UTF8)
            return False
        self._sink.take_message(text)
        return True

    def _read_frame(self, data: bytes, at: int) -> int:
        """Read the frame that begins at `at`: returns where the next one does, -1 when there is nothing to read."""
        size = len(data)
        if size - at < 2:
            return self._hold(data, at)
        first, second = data[at], data[at + 1]
        fault = self._judge(first, second)
        if fault:
            return self._fail(PROTOCOL_ERROR, fault)
        length = second & 0x7F
        start = at + 2
        if length > _SHORT:
            start += 2 if length == 126 else 8
            if size < start:
                return self._hold(data, at)
            length = int.from_bytes(data[at + 2 : start], "big")
            # RFC 6455 section 5.2: the shortest form there is; the highest bit of the longest is 0 (websockets F-4).
            if length <= (_SHORT if start - at == 4 else _LONG) or length >> 63:
                return self._fail(PROTOCOL_ERROR, "the length of a frame is not in the shortest form")
        opcode = first & 0x0F
        if opcode < _IS_CONTROL and not self._has_room(first, length):
            return -1
        mask = b""
        if self._is_server:
            start += 4
            if size < start:
                return self._hold(data, at)
            mask = data[start - 4 : start]
        if opcode < _IS_CONTROL:
            return self._go_on(data, start) if self._begin_frame(first, length, mask=mask) else -1
        end = start + length
        if size < end:
            return self._hold(data, at)
        payload = data[start:end]
        self._take_control(opcode, self._unmask(payload, mask) if mask else payload)
        return -1 if self._is_done else end

    def _hold(self, data: bytes, at: int) -> int:
        self._held = data[at:]
        self._short = self._long = 0
        return -1

    def _judge(self, first: int, second: int) -> str:
        """What is wrong with the first two bytes of a frame, "" for nothing (websockets RT-6, F-1, F-3, F-5, F-6, D-8)."""
        opcode = first & 0x0F
        if first & _RESERVED and not (first & _RESERVED == _RSV1 and self._inflater and opcode in (TEXT, BINARY)):
            return "a frame has a reserved bit set"
        if opcode not in _OPCODES:
            return f"there is no opcode {opcode}"
        if (second & _MASKED != 0) != self._is_server:
            return "a client's frame is not masked" if self._is_server else "a server's frame is masked"
        if opcode >= _IS_CONTROL:
            if not first & _FIN:
                return "a control frame is fragmented"
            return "a control frame has more than 125 bytes" if second & 0x7F > _SHORT else ""
        if opcode == CONTINUATION:
            return "" if self._opcode else "a frame continues a message that has not begun"
        return "a message begins inside another" if self._opcode else ""

    def _has_room(self, first: int, length: int) -> bool:
        """Whether the message may have `length` more bytes; tells the sink when not."""
        most = self._max_size
        if self._is_compressed if first & 0x0F == CONTINUATION else first & _RSV1:
            # What counts is what it inflates to (websockets D-11); this is what deflate may add to bytes that do not shrink.
            most += (most >> 3) + 1024
        if self._size + length > most:
            self._fail(TOO_BIG, f"a message has more than {self._max_size} bytes")
            return False
        return True

    def _begin_frame(self, first: int, length: int, *, mask: bytes) -> bool:
        """The head of a frame has come; False when its message is made of nothing."""
        if first & 0x0F:
            self._opcode = first & 0x0F
            self._is_compressed = first & _RSV1 != 0
            self._short = self._long = 0
        self._size += length
        self._is_final = first & _FIN != 0
        self._left = length
        self._mask = mask
        self._empty_frames = 0 if length or self._is_final else self._empty_frames + 1
        if self._empty_frames > _MOST_EMPTY:
            self._fail(POLICY_VIOLATION, f"more than {_MOST_EMPTY} frames in a row are empty")
            return False
        return True

    def _go_on(self, data: bytes, at: int) -> int:
        """Take what `data` has from `at` on of the open frame's payload; returns as `_read_frame`."""
        end = at + self._left
        piece = data[at:end]
        size = len(piece)
        self._left -= size
        mask = self._mask
        if mask and size:
            piece = self._unmask(piece, mask)
            turn = size & 3
            self._mask = mask[turn:] + mask[:turn]
        if not self._take_piece(piece) or self._left:
            return -1
        return end

    def _take_piece(self, piece: bytes) -> bool:
        """Take what came of the open frame; False when that broke a rule."""
        is_frame_end = self._left == 0
        is_end = is_frame_end and self._is_final
        if self._is_compressed:
            assert self._inflater is not None
            try:
                piece = self._inflater.inflate(piece, is_end=is_end)
            except WebSocketProtocolError as error:
                self._fail(error.code, error.reason)
                return False
        if is_end and not self._has_parts:
            if self._gathered:
                piece = bytes(self._gathered + piece)
            opcode = self._opcode
            self._be_between_messages()
            return self._take_whole(opcode, piece)
        if self._opcode == TEXT and not self._is_utf8(piece, is_end=is_end):
            self._fail(INVALID_DATA, _NO_UTF8)
            return False
        self._gather(piece, is_frame_end=is_frame_end, is_end=is_end)
        return True

    def _is_utf8(self, piece: bytes, *, is_end: bool) -> bool:
        """Whether the text is UTF-8 as far as it has come: false at the first byte that cannot be (websockets RT-7)."""
        if not self._tail and piece.isascii():
            return True
        text = self._tail + piece
        try:
            _, used = utf_8_decode(text, "strict", is_end)
        except UnicodeDecodeError:
            return False
        self._tail = text[used:]
        # Python keeps ED A0 as a beginning, but it is one of a surrogate, and RFC 3629 section 3 has none.
        return not (self._tail[:1] == b"\xed" and self._tail[1:] >= b"\xa0")

    def _gather(self, piece: bytes, *, is_frame_end: bool, is_end: bool) -> None:
        """Hand `piece` on, or keep it until there is more."""
        if self._gathered or (len(piece) < _PIECE and not is_frame_end):
            self._gathered += piece
            if len(self._gathered) < _PIECE and not is_frame_end:
                return
            piece = bytes(self._gathered)
            self._gathered = bytearray()
        opcode = self._opcode
        if is_end:
            self._be_between_messages()
        elif piece:
            self._has_parts = True
        else:
            return  # a fragment of nothing says nothing
        self._sink.take_part(opcode, piece, is_end)

    def _take_control(self, opcode: int, payload: bytes) -> None:
        if opcode == PING:
            self._sink.take_ping(payload)
        elif opcode == PONG:
            self._sink.take_pong(payload)
        else:
            close = read_close(payload)
            if close is None:
                self._fail(PROTOCOL_ERROR, "a Close has a code that is not allowed, or a reason that is not UTF-8")
            else:
                self._stop()
                self._sink.take_close(close[0], close[1])

    def _be_between_messages(self) -> None:
        self._be_quick()
        self._opcode = 0
        self._size = 0
        self._is_compressed = False
        self._has_parts = False
        self._tail = b""
        self._gathered = bytearray()

    def _be_quick(self) -> None:
        if self._is_server:
            self._short = _SHORT_HEAD + min(_SHORT, self._max_size)
            self._long = _LONG_HEAD + min(_LONG, self._max_size)

    def _fail(self, code: int, reason: str) -> int:
        self._stop()
        self._sink.fail(code, reason)
        return -1

    def _stop(self) -> None:
        self._is_done = True
        self._short = self._long = 0
        self._left = 0
        self._held = self._tail = b""
        self._gathered = bytearray()
