"""Group 6: text is UTF-8 (RFC 6455 section 8.1, RFC 3629), however it is cut; what is not fails at once.

The sequences are those every decoder is tried with: boundaries of each length, stray and missing continuations, overlong
forms, surrogates, noncharacters. RFC 3629 section 3 says which are valid.
"""

from collections.abc import Sequence

from tests.wire.websocket.cases import Case, chopped, echoed, fragments, text
from tests.wire.websocket.frames_client import CONTINUATION, TEXT, frame

_LATIN = "Hello-µ@ßöäüàá-UTF-8!!".encode()
_GREEK = b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5"  # kosme: code points of two and three bytes
_SURROGATE = b"\xed\xa0\x80"
_BAD = _GREEK + _SURROGATE + b"edited"

_BEGUN = frame(TEXT, _GREEK, fin=False)


def _announced(payload: bytes, sent: int) -> bytes:
    """The first `sent` bytes of the payload of a frame whose head announces all of it."""
    whole = text(payload)
    return whole[: len(whole) - len(payload) + sent]


# Section 8.1: a client that sends what is no UTF-8 must be failed. 6.4 wants it as soon as the octet has come: the rest of the
# message is never sent, so only a server that looks at once passes.
CUTS = [
    Case("6.1.1", "empty text", [text("")], [echoed("")]),
    Case("6.1.2", "three empty fragments", [frame(TEXT, fin=False), frame(CONTINUATION, fin=False), frame(CONTINUATION)],
         [echoed("")]),
    Case("6.1.3", "the middle one is not empty",
         [frame(TEXT, fin=False), frame(CONTINUATION, b"middle", fin=False), frame(CONTINUATION)], [echoed("middle")]),
    Case("6.2.1", "valid, in one frame", [text(_LATIN)], [echoed("Hello-µ@ßöäüàá-UTF-8!!")]),
    Case("6.2.2", "cut between code points", fragments(TEXT, _LATIN, 13), [(TEXT, _LATIN)]),
    Case("6.2.3", "cut between all bytes", fragments(TEXT, _LATIN, 1), [(TEXT, _LATIN)]),
    Case("6.2.4", "Greek, cut between all bytes", fragments(TEXT, _GREEK, 1), [(TEXT, _GREEK)]),
    Case("6.2.5", "one frame, byte by byte", chopped(text(_LATIN)), [(TEXT, _LATIN)]),
    Case("6.3.1", "invalid, in one frame", [text(_BAD)], [], 1007),
    Case("6.3.2", "invalid, cut between all bytes", fragments(TEXT, _BAD, 1), [], 1007),
    Case("6.4.1", "the second fragment is invalid, no third comes",
         [_BEGUN, frame(CONTINUATION, b"\xf4\x90\x80\x80", fin=False)], [], 1007),
    Case("6.4.2", "two bytes that nothing makes valid, and no more",
         [_BEGUN, frame(CONTINUATION, b"\xf4", fin=False), frame(CONTINUATION, b"\x90", fin=False)], [], 1007),
    Case("6.4.3", "within a frame, whose rest never comes",
         [_announced(_GREEK + b"\xf4\x90\x80\x80edited", len(_GREEK) + 4)], [], 1007),
    Case("6.4.4", "within a frame, byte by byte until the one that is wrong",
         chopped(_announced(_GREEK + b"\xf4\x90\x80\x80edited", len(_GREEK) + 2)), [], 1007),
    Case("6.4.5", "within a second fragment, whose rest never comes",
         [_BEGUN, frame(CONTINUATION, _BAD)[: 6 + len(_GREEK) + 2]], [], 1007),
]  # fmt: skip


def _sequences(part: int, what: str, valid: bool, sequences: Sequence[bytes]) -> list[Case]:
    """Each sequence twice: in one frame, and in frames of a byte each."""
    cases = []
    for number, sequence in enumerate(sequences, 1):
        expected, end = ([(TEXT, sequence)], 0) if valid else ([], 1007)
        name = f"{what}: {sequence[:12].hex(' ')}"
        cases.append(Case(f"6.{part}.{number}", name, [text(sequence)], expected, end))
        cases.append(Case(f"6.{part}.{number}b", f"{name}, bytewise", fragments(TEXT, sequence, 1), expected, end))
    return cases


def _encoded(*points: int) -> list[bytes]:
    """UTF-8 of code points by the pattern of RFC 3629, surrogates and numbers beyond its end included."""
    return [_encode(point) for point in points]


def _encode(point: int) -> bytes:
    if point < 0x80:
        return bytes([point])
    size = next(size for size, bits in ((2, 11), (3, 16), (4, 21), (5, 26), (6, 31)) if point < 1 << bits)
    return _overlong(point, size)


def _overlong(point: int, size: int) -> bytes:
    """A code point in `size` bytes, be it in fewer or not."""
    rest = [0x80 | point >> 6 * place & 0x3F for place in reversed(range(size - 1))]
    return bytes([(0xFF00 >> size) & 0xFF | point >> 6 * (size - 1), *rest])


_CUTS = [_GREEK[:end] for end in range(1, len(_GREEK) + 1)]
_BETWEEN = (2, 5, 7, 9, 11)  # where a code point ends
_CONTINUATIONS = [bytes([0x80, 0xBF] * 4)[:size] for size in range(1, 8)]
_LEADS = [range(0xC0, 0xE0), range(0xE0, 0xF0), range(0xF0, 0xF8), range(0xF8, 0xFC), range(0xFC, 0xFE)]
_LAST_MISSING = [_overlong(0, size)[:-1] for size in (2, 3, 4, 5, 6)]
_LAST_MISSING += [_encode(point)[:-1] for point in (0x7FF, 0xFFFF, 0x1FFFFF, 0x3FFFFFF, 0x7FFFFFFF)]
_HALVES = (0xD800, 0xDB7F, 0xDB80, 0xDBFF, 0xDC00, 0xDF80, 0xDFFF)
_PAIRS = [_encode(high) + _encode(low) for high in _HALVES[:4] for low in (0xDC00, 0xDFFF)]
_NONCHARACTERS = [plane << 16 | last for plane in range(17) for last in (0xFFFE, 0xFFFF)]

TABLES = [
    *_sequences(5, "cut within a code point", False, [cut for cut in _CUTS if len(cut) not in _BETWEEN]),
    *_sequences(6, "cut between code points", True, [cut for cut in _CUTS if len(cut) in _BETWEEN]),
    *_sequences(7, "first of its length", True, _encoded(0x00, 0x80, 0x800, 0x10000)),
    *_sequences(8, "first of five and six bytes", False, _encoded(0x200000, 0x4000000)),
    *_sequences(9, "last of its length", True, _encoded(0x7F, 0x7FF, 0xFFFF)),
    *_sequences(10, "beyond the last code point", False, _encoded(0x110000, 0x1FFFFF, 0x3FFFFFF, 0x7FFFFFFF)),
    *_sequences(11, "boundary", True, _encoded(0xD7FF, 0xE000, 0xFFFD, 0x10FFFF, 0x24B62)),
    *_sequences(12, "stray continuations", False, [*_CONTINUATIONS, b"\xbf", bytes(range(0x80, 0xC0))]),
    *_sequences(13, "leads, each before a space", False, [b"".join(b"%c " % lead for lead in leads) for leads in _LEADS]),
    *_sequences(14, "the last byte is missing", False, _LAST_MISSING),
    *_sequences(15, "all of these in a row", False, [b"".join(_LAST_MISSING)]),
    *_sequences(16, "bytes that never occur", False, [b"\xfe", b"\xff", b"\xfe\xfe\xff\xff"]),
    *_sequences(17, "overlong slash", False, [_overlong(0x2F, size) for size in (2, 3, 4, 5, 6)]),
    *_sequences(18, "overlong, the largest", False,
                [_overlong(point, size) for point, size in ((0x7F, 2), (0x7FF, 3), (0xFFFF, 4), (0x1FFFFF, 5), (0x3FFFFFF, 6))]),
    *_sequences(19, "overlong NUL", False, [_overlong(0, size) for size in (2, 3, 4, 5, 6)]),
    *_sequences(20, "half of a surrogate pair", False, _encoded(*_HALVES)),
    *_sequences(21, "both halves of a surrogate pair", False, _PAIRS),
    *_sequences(22, "noncharacter", True, _encoded(*_NONCHARACTERS)),
    *_sequences(23, "byte order mark, replacement and their like", True, _encoded(0xFEFF, 0xFFFD, 0xFFF9, 0xFDD0, 0xFDEF)),
]  # fmt: skip

CASES = [*CUTS, *TABLES]
