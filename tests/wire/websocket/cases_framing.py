"""Groups 1, 3 and 4: frames of every size (RFC 6455 section 5.2), reserved bits, reserved opcodes."""

from typing import Any

from tests.wire.websocket.cases import FAILING, Case, chopped, echoed
from tests.wire.websocket.frames_client import BINARY, CLOSE, PING, TEXT, frame

_SIZES = (0, 125, 126, 127, 128, 65535, 65536)


def _sized(part: int, opcode: int, name: str) -> list[Case]:
    fill = b"*" if opcode == TEXT else b"\xfe"
    cases = [
        Case(f"1.{part}.{number}", f"{name} of {size} bytes", [frame(opcode, fill * size)], [(opcode, fill * size)])
        for number, size in enumerate(_SIZES, 1)
    ]
    big = fill * 65536
    in_pieces = [
        Case(f"1.{part}.8", f"{name} of 65536 bytes in pieces", chopped(frame(opcode, big), 997), [(opcode, big)]),
        Case(
            f"1.{part}.9",
            f"{name} of 126 bytes, byte by byte",
            chopped(frame(opcode, fill * 126)),
            [(opcode, fill * 126)],
        ),
    ]
    return cases + in_pieces


_HELLO = frame(TEXT, b"Hello, world!")
_PING = frame(PING, b"not answered")
_BEFORE: tuple[Any, ...] = ([echoed("Hello, world!")], 1002, [([], 1002)], FAILING)

# Section 5.2: a reserved bit that no extension defines fails the connection.
RESERVED_BITS = [
    Case("3.1", "RSV 1 in a text", [frame(TEXT, b"Hello", rsv=1)], [], 1002),
    Case("3.2", "RSV 2 in the second text", [_HELLO, frame(TEXT, b"Hello", rsv=2), _PING], *_BEFORE),
    Case("3.3", "RSV 3, frame by frame", [_HELLO + frame(TEXT, b"Hello", rsv=3) + _PING], *_BEFORE),
    Case("3.4", "RSV 4, byte by byte", chopped(_HELLO + frame(TEXT, b"Hello", rsv=4) + _PING), *_BEFORE),
    Case("3.5", "RSV 5 in a binary", [frame(BINARY, b"\x00\xff", rsv=5)], [], 1002),
    Case("3.6", "RSV 6 in a ping", [frame(PING, b"Hello", rsv=6)], [], 1002),
    Case("3.7", "RSV 7 in a Close", [frame(CLOSE, rsv=7)], [], 1002),
]


def _reserved_opcodes(part: int, opcodes: tuple[int, ...]) -> list[Case]:
    one, two, three, four, five = opcodes
    return [
        Case(f"4.{part}.1", f"opcode {one}", [frame(one)], [], 1002),
        Case(f"4.{part}.2", f"opcode {two} with a payload", [frame(two, b"reserved")], [], 1002),
        Case(f"4.{part}.3", f"opcode {three} behind a text", [_HELLO, frame(three), _PING], *_BEFORE),
        Case(f"4.{part}.4", f"opcode {four} in one write", [_HELLO + frame(four, b"reserved") + _PING], *_BEFORE),
        Case(f"4.{part}.5", f"opcode {five}, byte by byte", chopped(_HELLO + frame(five, b"x") + _PING), *_BEFORE),
    ]


CASES = [
    *_sized(1, TEXT, "text"),
    *_sized(2, BINARY, "binary"),
    *RESERVED_BITS,
    *_reserved_opcodes(1, (3, 4, 5, 6, 7)),
    *_reserved_opcodes(2, (11, 12, 13, 14, 15)),
]
