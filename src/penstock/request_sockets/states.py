"""WebSocketState: where a socket is in its life (websockets section 1.13), and the transport of one that has none."""

from __future__ import annotations

import enum
from collections.abc import Awaitable
from typing import Final

from penstock.intake.frame_transport import FrameSink


class WebSocketState(enum.Enum):
    """CLOSE_SENT and CLOSE_RECEIVED: one side has said its Close. CLOSED: both. ABORTED: it ended without."""

    OPEN = "open"
    CLOSE_SENT = "close_sent"
    CLOSE_RECEIVED = "close_received"
    CLOSED = "closed"
    ABORTED = "aborted"


# A member of an enum is looked up in its class each time; a name of the module is not.
OPEN: Final = WebSocketState.OPEN
CLOSE_SENT: Final = WebSocketState.CLOSE_SENT
CLOSE_RECEIVED: Final = WebSocketState.CLOSE_RECEIVED
CLOSED: Final = WebSocketState.CLOSED
ABORTED: Final = WebSocketState.ABORTED


class NoTransport:
    """What carries the frames of a socket whose connection is gone: nowhere."""

    __slots__ = ("is_paused",)

    def __init__(self) -> None:
        self.is_paused = False

    def attach(self, sink: FrameSink) -> None:
        pass

    def write(self, opcode: int, payload: bytes, *, fin: bool = True, compress: bool = True) -> None:
        pass

    def write_control(self, opcode: int, payload: bytes) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def close(self) -> None:
        pass

    def abort(self) -> None:
        pass

    def wait_drained(self) -> Awaitable[None] | None:
        return None


NO_TRANSPORT: Final = NoTransport()
