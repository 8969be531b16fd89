"""How the head of a response becomes bytes, and how long its body is said to be (RFC 9112 section 4 and 6)."""

from __future__ import annotations

from typing import Final

from penstock.errors import ContractError
from penstock.http.grammar import DIGITS, FIELD_VALUE, TOKEN
from penstock.http.status import STATUS_LINES, status_line

# Names found good once; a name is checked again only when it was never seen, or the bound was met.
_KNOWN_NAMES: Final[set[bytes]] = set()
_REMEMBERED: Final = 1024

# What a host decides alone: an application's word on it is dropped (RFC 9112 section 7.6.1, PEP 3333 "hop-by-hop").
_HOP_BY_HOP: Final = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_NOTED: Final = _HOP_BY_HOP | {b"content-length", b"date", b"server"}

_VALUE_AND_LINE: Final = FIELD_VALUE + b"\r\n"


class WrittenHead:
    """A response head as bytes, without the empty line, and what was noted on the way.

    `content_length` is -1 when the headers do not say. `has_date`, `has_server`: the application sent its own. `closes`: it
    asked for `Connection: close`.
    """

    __slots__ = ("closes", "content_length", "has_date", "has_server", "text")

    def __init__(self) -> None:
        self.text = b""
        self.content_length = -1
        self.has_date = False
        self.has_server = False
        self.closes = False


def write_head(status: int, headers: list[tuple[bytes, bytes]]) -> WrittenHead:
    """Write status line and fields.

    Raises ContractError, and nothing is written, for a status outside 200 to 599, a name that is no token, a value with CR,
    LF, NUL or another control character, and two different Content-Lengths: the application is to blame (row 42).
    """
    written = WrittenHead()
    line = STATUS_LINES.get(status)
    if line is None:
        if not 200 <= status <= 999:
            raise ContractError(f"{status!r} is not the status of a final response")
        line = status_line(status)
    parts = [line]
    lines = 1
    for name, value in headers:
        if name not in _KNOWN_NAMES:
            _learn_name(name)
        if name in _NOTED and not _note(written, name, value):
            continue
        parts += (name, b": ", value, b"\r\n")
        lines += 1
    text = b"".join(parts)
    # One linear scan judges all values: whatever is neither a field value nor one of our own line ends came from outside.
    if text.translate(None, _VALUE_AND_LINE) or text.count(b"\n") != lines or text.count(b"\r") != lines:
        raise ContractError(f"a response header value holds a control character: {_find_culprit(headers)!r}")
    written.text = text
    return written


def _learn_name(name: bytes) -> None:
    if not name or name.translate(None, TOKEN):
        raise ContractError(f"{name!r} is not a response header name: only token characters (RFC 9110 section 5.6.2)")
    if len(_KNOWN_NAMES) >= _REMEMBERED:
        _KNOWN_NAMES.clear()
    _KNOWN_NAMES.add(name)


def _note(written: WrittenHead, name: bytes, value: bytes) -> bool:
    """Note a field that the host takes part in; whether it is written out."""
    if name == b"content-length":
        if not value or value.translate(None, DIGITS) or len(value) > 18:
            raise ContractError(f"the response header content-length is not a number of bytes: {value!r}")
        if written.content_length >= 0:
            if written.content_length != int(value):
                raise ContractError("the response has two different content-length headers")
            return False
        written.content_length = int(value)
    elif name == b"date":
        written.has_date = True
    elif name == b"server":
        written.has_server = True
    else:
        if name == b"connection" and b"close" in value.lower():
            written.closes = True
        return False
    return True


def _find_culprit(headers: list[tuple[bytes, bytes]]) -> tuple[bytes, bytes]:
    return next((pair for pair in headers if pair[1].translate(None, FIELD_VALUE)), (b"", b""))
