"""MessageType, ReceiveResult, and a message that is put together, or handed out, piece by piece."""

from __future__ import annotations

import enum
from typing import NamedTuple


class MessageType(enum.IntEnum):
    """What a message is; the values are the opcodes of RFC 6455 section 5.2."""

    TEXT = 1
    BINARY = 2
    CLOSE = 8


class ReceiveResult(NamedTuple):
    """What `receive_fragment` returns: a piece of a message, or the Close.

    `data` of a text is UTF-8, and may end in the middle of a code point. `close_code` (1005: the client gave none) and
    `close_reason` are there with `type` CLOSE only, None otherwise.
    """

    data: bytes
    type: MessageType
    end_of_message: bool
    close_code: int | None = None
    close_reason: str | None = None


class PartialMessage:
    """One message in pieces. All that is held of it is in one bytearray: a byte at a time costs a byte at a time."""

    __slots__ = ("buffer", "is_ended", "opcode")

    def __init__(self, opcode: int) -> None:
        self.opcode = opcode
        self.buffer = bytearray()
        self.is_ended = False

    def take(self, limit: int) -> ReceiveResult:
        """At most `limit` bytes from its beginning, which are gone from it then."""
        buffer = self.buffer
        piece = bytes(buffer[:limit])
        del buffer[:limit]
        return ReceiveResult(piece, MessageType(self.opcode), self.is_ended and not buffer)

    def join(self) -> str | bytes:
        """The whole. A text was checked as it came, and is complete now."""
        return self.buffer.decode() if self.opcode == MessageType.TEXT else bytes(self.buffer)
