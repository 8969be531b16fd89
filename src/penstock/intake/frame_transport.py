"""The shape in which a host carries the frames of a WebSocket: the second narrow waist, beside the worker request."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from penstock.http.deflate_offers import DeflateParameters

# The opcodes of RFC 6455 section 5.2.
CONTINUATION = 0
TEXT = 1
BINARY = 2
CLOSE = 8
PING = 9
PONG = 10


class UpgradeTerms:
    """What was agreed for one socket: the host writes it into the handshake, and holds the client to it.

    `key` is Sec-WebSocket-Key as received; `subprotocol` the one chosen, or None; `deflate` the parameters of
    permessage-deflate, or None. `max_message_size` is in bytes behind inflating; `max_ratio` how many times its size a
    compressed message may inflate to. Times are in seconds, 0 for never.
    """

    __slots__ = (
        "deflate",
        "keepalive_interval",
        "keepalive_timeout",
        "key",
        "max_message_size",
        "max_ratio",
        "subprotocol",
    )

    def __init__(
        self,
        key: bytes,
        *,
        subprotocol: str | None = None,
        deflate: DeflateParameters | None = None,
        max_message_size: int = 16 * 1024 * 1024,
        max_ratio: int = 100,
        keepalive_interval: float = 20.0,
        keepalive_timeout: float = 20.0,
    ) -> None:
        self.key = key
        self.subprotocol = subprotocol
        self.deflate = deflate
        self.max_message_size = max_message_size
        self.max_ratio = max_ratio
        self.keepalive_interval = keepalive_interval
        self.keepalive_timeout = keepalive_timeout


class FrameSink(Protocol):
    """Who takes what comes in: the WebSocket. All calls are made on its loop, in the order of the wire."""

    def take_message(self, data: str | bytes) -> None:
        """A whole message that came in one frame: text, already checked, or bytes. Only between messages."""

    def take_part(self, opcode: int, data: bytes, is_end: bool) -> None:
        """The next part of a message that comes in several: of text, already checked as UTF-8 as far as it goes.

        `opcode` is that of the message (TEXT or BINARY) for every part; a code point may be split between parts.
        """

    def take_close(self, code: int, reason: str) -> None:
        """The client's Close; 1005 when it gave no code. Nothing follows."""

    def take_ping(self, payload: bytes) -> None:
        """A ping, also between the parts of a message."""

    def take_pong(self, payload: bytes) -> None:
        """A pong."""

    def fail(self, code: int, reason: str) -> None:
        """The client broke the protocol, or a limit (1002, 1007, 1008, 1009). Nothing follows."""

    def lose(self, error: Exception | None) -> None:
        """The connection is gone. Called once, and behind everything else; behind `close` and `abort` too."""

    def resume_sending(self) -> None:
        """What `is_paused` said is over, or the connection is gone."""


class FrameTransport(Protocol):
    """What carries the frames of one socket. Nothing here checks states: that is the WebSocket's."""

    # The client reads slowly: wait for `FrameSink.resume_sending` before sending more.
    is_paused: bool

    def attach(self, sink: FrameSink) -> None:
        """From now on frames go to `sink`; what had come behind the handshake comes first (websockets H-10)."""

    def write(self, opcode: int, payload: bytes, *, fin: bool = True, compress: bool = True) -> None:
        """Send one frame of data: TEXT or BINARY begin a message, CONTINUATION goes on with it.

        `compress` False: not compressed, whatever was agreed; it counts in the first frame of a message. What is written
        after the connection has gone is dropped.
        """

    def write_control(self, opcode: int, payload: bytes) -> None:
        """Send CLOSE, PING or PONG with at most 125 bytes."""

    def pause_reading(self) -> None:
        """The endpoint is slower than the client."""

    def resume_reading(self) -> None:
        """There is room again."""

    def close(self) -> None:
        """End the connection when all that was written has left; `FrameSink.lose` follows."""

    def abort(self) -> None:
        """Drop the connection; `FrameSink.lose` follows. Safe to call again."""

    def wait_drained(self) -> Awaitable[None] | None:
        """None, or what to wait for until the connection is gone and nothing is under way any more."""
