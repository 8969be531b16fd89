"""Groups 9 and 10: large messages, many messages, and messages cut for the way (RFC 6455 section 5.4)."""

from typing import NamedTuple

from tests.wire.websocket.cases import Case, chopped, fragments
from tests.wire.websocket.frames_client import BINARY, TEXT, frame

KIB, MIB = 1024, 1024 * 1024
_TIMES = 300


class Load(NamedTuple):
    """One line of group 9: `times` messages of `size` bytes, in frames of `cut` and writes of `piece` bytes (0: whole)."""

    id: str
    opcode: int
    size: int
    cut: int = 0
    piece: int = 0
    times: int = 1

    @property
    def case(self) -> Case:
        """Made when it is wanted: all of them together would take a few hundred megabytes."""
        payload = filled(self.opcode, self.size)
        frames = fragments(self.opcode, payload, self.cut) if self.cut else [frame(self.opcode, payload)]
        stream = b"".join(frames) * self.times
        sent = chopped(stream, self.piece or MIB)
        return Case(self.id, repr(self), sent, [(self.opcode, payload)] * self.times)


def filled(opcode: int, size: int) -> bytes:
    """No text of one byte per character, and no bytes that all are the same."""
    pattern = "BAsd7&jh23é".encode() if opcode == TEXT else bytes(range(256)) + b"\x00\xff\xfe"
    return (pattern * (size // len(pattern))).ljust(size, b"*")


_LARGE = (64 * KIB, 256 * KIB, MIB, 4 * MIB, 8 * MIB, 16 * MIB)
# What costs time is the number of frames: the smaller they are, the less is sent in them.
_CUT = (
    (MIB // 4, 64),
    (MIB, 256),
    (2 * MIB, KIB),
    (4 * MIB, 4 * KIB),
    (4 * MIB, 16 * KIB),
    (4 * MIB, 64 * KIB),
    (4 * MIB, 256 * KIB),
    (4 * MIB, MIB),
    (4 * MIB, 4 * MIB),
    (16 * MIB, MIB),
)
_PIECES = (64, 128, 256, 512, KIB, 2 * KIB)
_MANY = (0, 16, 64, 256, KIB, 4 * KIB)


def _loads(turn: int, opcode: int) -> list[Load]:
    return [
        *(Load(f"9.{1 + turn}.{number}", opcode, size) for number, size in enumerate(_LARGE, 1)),
        *(Load(f"9.{3 + turn}.{number}", opcode, size, cut=cut) for number, (size, cut) in enumerate(_CUT, 1)),
        *(Load(f"9.{5 + turn}.{number}", opcode, 256 * KIB, piece=piece) for number, piece in enumerate(_PIECES, 1)),
        *(Load(f"9.{7 + turn}.{number}", opcode, size, times=_TIMES) for number, size in enumerate(_MANY, 1)),
    ]


LOADS = [*_loads(0, TEXT), *_loads(1, BINARY)]

_BIG_TEXT, _BIG_BINARY = filled(TEXT, 64 * KIB), filled(BINARY, 64 * KIB)

# 10: frame boundaries carry no meaning (section 5.4); what the server cuts itself is whole for the client.
CASES = [
    Case("10.1.1", "text in frames of 1300 bytes", fragments(TEXT, _BIG_TEXT, 1300), [(TEXT, _BIG_TEXT)]),
    Case("10.1.2", "binary in frames of 1300 bytes", fragments(BINARY, _BIG_BINARY, 1300), [(BINARY, _BIG_BINARY)]),
    Case("10.2.1", "text, back in fragments", [frame(TEXT, _BIG_TEXT)], [(TEXT, _BIG_TEXT)], target="/in-fragments"),
    Case("10.2.2", "binary", [frame(BINARY, _BIG_BINARY)], [(BINARY, _BIG_BINARY)], target="/in-fragments"),
    Case("10.2.3", "an empty message", [frame(TEXT)], [(TEXT, b"")], target="/in-fragments"),
]
