"""The trace context of the W3C: which larger piece of work a request belongs to, read strictly and written."""

from __future__ import annotations

from typing import Final, NamedTuple

# W3C Trace Context section 3.2: version "-" trace-id "-" parent-id "-" trace-flags, in lower-case hexadecimal digits.
_LENGTH: Final = 55
_NO_TRACE: Final = "0" * 32
_NO_PARENT: Final = "0" * 16
_DIGITS: Final = frozenset("0123456789abcdef")
_SAMPLED: Final = 1


class TraceParent(NamedTuple):
    """What a `traceparent` field says: 32 hex digits, 16 hex digits, and the flags as a number from 0 to 255."""

    trace_id: str
    parent_id: str
    flags: int

    @property
    def is_sampled(self) -> bool:
        """Whether the caller may have recorded this trace (section 3.2.2.5.1)."""
        return bool(self.flags & _SAMPLED)


def parse_traceparent(value: bytes) -> TraceParent | None:
    """Read the value of a `traceparent` field; None for one that must be ignored (section 3.2.2).

    A version that came after 00 may say more behind a "-"; what is known of it is read as if it were version 00.
    """
    if len(value) < _LENGTH or value[52:53] != b"-" or value[35:36] != b"-" or value[2:3] != b"-":
        return None
    version, trace_id, parent_id, flags = (_hex_digits(value[a:b]) for a, b in ((0, 2), (3, 35), (36, 52), (53, 55)))
    if not version or not trace_id or not parent_id or not flags or version == "ff":
        return None
    # Section 3.2.2.2 to 3.2.2.4: all zeros is nobody; version 00 ends here, and a later one goes on with "-".
    if trace_id == _NO_TRACE or parent_id == _NO_PARENT or not _ends_rightly(version, value):
        return None
    return TraceParent(trace_id, parent_id, int(flags, 16))


def find_trace_id(headers: list[tuple[bytes, bytes]]) -> str | None:
    """The trace id that the fields of a request head name, 32 hex digits; None without exactly one valid `traceparent`."""
    values = [value for name, value in headers if name == b"traceparent"]
    parent = parse_traceparent(values[0]) if len(values) == 1 else None
    return None if parent is None else parent.trace_id


def trace_id_from(random_bytes: bytes) -> str:
    """A new trace id made of 16 random bytes, as `os.urandom(16)` gives them. Raises ValueError for another number."""
    if len(random_bytes) != 16:
        raise ValueError(f"a trace id is made of 16 random bytes, not {len(random_bytes)}")
    trace_id = random_bytes.hex()
    return trace_id if trace_id != _NO_TRACE else f"{1:032x}"


def format_traceparent(trace_id: str, parent_id: str, *, is_sampled: bool = False) -> bytes:
    """The value of a `traceparent` field, version 00, for a request to somebody else.

    Raises ValueError when `trace_id` is not 32 or `parent_id` not 16 lower-case hex digits, or all of them are zeros.
    """
    value = f"00-{trace_id}-{parent_id}-{_SAMPLED if is_sampled else 0:02x}".encode("ascii", "replace")
    if parse_traceparent(value) is None:
        raise ValueError(f"not 32 and 16 lower-case hex digits other than zeros: {trace_id!r}, {parent_id!r}")
    return value


def _hex_digits(value: bytes) -> str:
    text = value.decode("latin-1")
    return text if _DIGITS.issuperset(text) else ""


def _ends_rightly(version: str, value: bytes) -> bool:
    return len(value) == _LENGTH or (version != "00" and value[_LENGTH : _LENGTH + 1] == b"-")
