"""Range requests: which bytes a `Range` field asks for, and how several of them are answered (RFC 9110 section 14)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

MOST_RANGES: Final = 16
"""A Range field with more members is ignored (RFC 9110 section 14.2 allows it, row "10^4 ranges" demands it)."""

# More digits than any size has: such a position lies behind the end of everything, and int() never sees it.
_MOST_DIGITS: Final = 18
_BEYOND: Final = 10**_MOST_DIGITS

_UNIT: Final = re.compile(rb"[\t ]*bytes=", re.IGNORECASE)
_SPEC: Final = re.compile(rb"(\d*)-(\d*)")


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes `first` to `last`, both included, both below the size of what they were resolved against."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """How many bytes these are."""
        return self.last - self.first + 1


def resolve_ranges(field: bytes, size: int, *, most: int = MOST_RANGES) -> tuple[ByteRange, ...] | None:
    """Find the ranges that a Range field asks for in `size` bytes.

    None: there is nothing to obey, answer with everything (another unit, not a range, or more than `most` of them).
    An empty tuple: none can be satisfied, answer 416. Else those to send: in the order asked for, with none that
    overlap or touch. pipeline F-03, RFC 9110 sections 14.1.2 and 14.2.
    """
    unit = _UNIT.match(field)
    if unit is None or field.count(b",") >= most:
        return None
    resolved: list[ByteRange] = []
    is_empty = True
    for member in field[unit.end() :].split(b","):
        spec = member.strip(b" \t")
        if not spec:
            continue
        is_empty = False
        match = _SPEC.fullmatch(spec)
        if match is None or not _is_valid(match[1], match[2]):
            return None
        _add_resolved(resolved, match[1], last_digits=match[2], size=size)
    return None if is_empty else _coalesce(resolved)


def content_range(part: ByteRange, size: int) -> bytes:
    """Give the Content-Range of a part of `size` bytes (RFC 9110 section 14.4)."""
    return b"bytes %d-%d/%d" % (part.first, part.last, size)


def unsatisfied_range(size: int) -> bytes:
    """Give the Content-Range of a 416 for something of `size` bytes (RFC 9110 section 15.5.17)."""
    return b"bytes */%d" % size


def part_heads(parts: Sequence[ByteRange], size: int, *, content_type: bytes, boundary: bytes) -> list[bytes]:
    """Give what precedes the bytes of each part in a multipart/byteranges answer (RFC 9110 section 14.6).

    `boundary` must not occur in what is sent: take a random one.
    """
    return [
        b"%s--%s\r\ncontent-type: %s\r\ncontent-range: %s\r\n\r\n"
        % (b"\r\n" if index else b"", boundary, content_type, content_range(part, size))
        for index, part in enumerate(parts)
    ]


def multipart_end(boundary: bytes) -> bytes:
    """Give what follows the last part of a multipart/byteranges answer."""
    return b"\r\n--%s--\r\n" % boundary


def _is_valid(first: bytes, last: bytes) -> bool:
    if not first:
        return last != b""
    # RFC 9110 section 14.1.1: an int-range whose last-pos is less than its first-pos is invalid.
    return last == b"" or _position(first) <= _position(last)


def _position(digits: bytes) -> int:
    significant = digits.lstrip(b"0")
    return int(significant or b"0") if len(significant) <= _MOST_DIGITS else _BEYOND


def _add_resolved(resolved: list[ByteRange], first_digits: bytes, *, last_digits: bytes, size: int) -> None:
    if first_digits:
        first = _position(first_digits)
        last = min(_position(last_digits), size - 1) if last_digits else size - 1
    else:
        # RFC 9110 section 14.1.2: a suffix longer than everything is everything; one of nothing cannot be satisfied.
        suffix = _position(last_digits)
        first, last = max(size - suffix, 0), size - 1
    if first <= last:
        resolved.append(ByteRange(first, last))


def _coalesce(ranges: list[ByteRange]) -> tuple[ByteRange, ...]:
    # RFC 9110 section 15.3.7.2: overlapping ones may be joined; the rest stay in the order in which they were asked for.
    ascending = sorted(range(len(ranges)), key=lambda index: ranges[index].first)
    joined: list[tuple[int, ByteRange]] = []
    for index in ascending:
        part = ranges[index]
        if joined and part.first <= joined[-1][1].last + 1:
            earlier, before = joined[-1]
            joined[-1] = (min(earlier, index), ByteRange(before.first, max(before.last, part.last)))
        else:
            joined.append((index, part))
    joined.sort(key=lambda pair: pair[0])
    return tuple([part for _, part in joined])
