"""What a case of the conformance list is: what a client sends, and what RFC 6455 wants to come back."""

from collections.abc import Sequence
from typing import NamedTuple

from tests.wire.websocket.frames_client import CONTINUATION, TEXT, frame

# How a case ends. CLEAN: the client closes with 1000 when all has come, and gets its Close back.
CLEAN = 0
Message = tuple[int, bytes]


class Case(NamedTuple):
    """One line of a table.

    `sent` are the pieces, each written on its own; `expected` what comes back, messages joined and pongs, in order.
    `end` is CLEAN, or the code of the Close with which the server ends the connection by itself.
    `choices` are further outcomes the RFC allows, and `why` says where it leaves that choice.
    """

    id: str
    title: str
    sent: Sequence[bytes]
    expected: Sequence[Message] = ()
    end: int = CLEAN
    choices: Sequence[tuple[Sequence[Message], int]] = ()
    why: str = ""
    target: str = "/echo"

    @property
    def group(self) -> int:
        return int(self.id.partition(".")[0])


# Section 7.1.7: an endpoint that fails the connection must process nothing that follows. Whether it still answers what came
# before, it does not say.
FAILING = (
    "section 7.1.7 says nothing of messages that came whole before the fault: an endpoint may still answer them, or not"
)


def text(payload: str | bytes) -> bytes:
    """A text message in one frame, not checked."""
    return frame(TEXT, payload.encode() if isinstance(payload, str) else payload)


def chopped(stream: bytes, size: int = 1) -> list[bytes]:
    """The same bytes in writes of `size`."""
    return [stream[start : start + size] for start in range(0, len(stream), size)]


def fragments(opcode: int, payload: bytes, size: int) -> list[bytes]:
    """A message in frames of `size` bytes; its last may be shorter."""
    starts = range(0, max(1, len(payload)), size)
    return [
        frame(CONTINUATION if start else opcode, payload[start : start + size], fin=start == starts[-1])
        for start in starts
    ]


def echoed(payload: str | bytes) -> Message:
    return TEXT, payload.encode() if isinstance(payload, str) else payload
