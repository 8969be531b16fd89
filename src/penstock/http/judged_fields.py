"""The fields on which framing, routing or trust depend, and what they say together (RFC 9112 section 6)."""

from __future__ import annotations

from typing import Final

from penstock.errors import RequestRejected
from penstock.http.messages import CHUNKED, LAST, PLAIN, Framing

_FORWARDED: Final = frozenset(
    (b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host", b"x-forwarded-port")
)
_LISTS: Final = _FORWARDED | {b"connection", b"upgrade", b"expect"}
_SINGLE: Final = frozenset((b"host", b"content-length", b"transfer-encoding", b"content-type", b"authorization"))
# What decides something, and of which two would be read differently by two readers (bad-input row 31).
JUDGED: Final = _LISTS | _SINGLE

# A Content-Length of more digits is no length but an attack on whoever does arithmetic with it (bad-input row 5).
_LENGTH_DIGITS: Final = 18


def collect(judged: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The judged fields by name; lists that came in several lines are joined (RFC 9110 section 5.3).

    Raises RequestRejected (400) when a field that may come once came twice.
    """
    fields: dict[bytes, bytes] = {}
    for name, value in judged:
        if name not in fields:
            fields[name] = value
        elif name in _SINGLE:
            raise RequestRejected(400, f"more than one {name.decode('ascii')} field", rule="RFC 9110 section 5.3")
        else:
            fields[name] += b"," + value
    return fields


def judge_framing(fields: dict[bytes, bytes], is_1_0: bool) -> Framing:
    """What `fields` say about body and connection in HTTP/1.1, or in HTTP/1.0 when `is_1_0`.

    Raises RequestRejected: 400 for a body whose end two readers could see differently, 417 for an expectation that cannot
    be met, 501 for a transfer coding other than chunked.
    """
    if not is_1_0 and b"host" not in fields:
        raise RequestRejected(400, "an HTTP/1.1 request names its Host", rule="RFC 9112 section 3.2")
    length = _body_length(fields, is_1_0)
    keep_alive = _is_persistent(fields.get(b"connection", b""), is_1_0)
    is_forwarded = not _FORWARDED.isdisjoint(fields)
    if length == 0 and not is_forwarded and b"upgrade" not in fields and b"expect" not in fields:
        return PLAIN if keep_alive else LAST
    return Framing(
        content_length=length,
        keep_alive=keep_alive,
        expects_continue=_expects_continue(fields.get(b"expect")) and length != 0 and not is_1_0,
        is_upgrade=b"upgrade" in fields,
        is_forwarded=is_forwarded,
    )


def _body_length(fields: dict[bytes, bytes], is_1_0: bool) -> int:
    length = fields.get(b"content-length")
    coding = fields.get(b"transfer-encoding")
    if coding is not None:
        if length is not None:
            raise RequestRejected(400, "Content-Length beside Transfer-Encoding", rule="RFC 9112 section 6.3")
        if is_1_0:
            raise RequestRejected(400, "Transfer-Encoding in HTTP/1.0", rule="RFC 9112 section 6.1")
        if coding.lower() != b"chunked":
            raise RequestRejected(501, "the only transfer coding here is chunked, once", rule="RFC 9112 section 6.1")
        return CHUNKED
    if length is None:
        return 0
    # A leading zero means eight times less to whoever reads it as octal (bad-input row 4).
    if not length.isdigit() or len(length) > _LENGTH_DIGITS or (length[:1] == b"0" and length != b"0"):
        raise RequestRejected(400, "Content-Length is not a number of bytes", rule="RFC 9110 section 8.6")
    return int(length)


def _is_persistent(connection: bytes, is_1_0: bool) -> bool:
    # RFC 9112 section 9.3
    if not connection:
        return not is_1_0
    options = [option.strip(b" \t") for option in connection.lower().split(b",")]
    return b"close" not in options and (not is_1_0 or b"keep-alive" in options)


def _expects_continue(expectation: bytes | None) -> bool:
    if expectation is None:
        return False
    if expectation.lower() != b"100-continue":
        raise RequestRejected(417, "the only expectation met here is 100-continue", rule="RFC 9110 section 10.1.1")
    return True
