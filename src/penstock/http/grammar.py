"""The character sets of HTTP (RFC 9110 section 5, RFC 3986), as tables for linear checks in C."""

from __future__ import annotations

from typing import Final

DIGITS: Final = b"0123456789"
HEX_DIGITS: Final = b"0123456789abcdefABCDEF"
LETTERS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

# RFC 9110 section 5.6.2
TOKEN: Final = b"!#$%&'*+-.^_`|~" + DIGITS + LETTERS

# RFC 9110 section 5.5: field-vchar, SP and HTAB; obs-text is let through, as every server must.
FIELD_VALUE: Final = b"\t" + bytes(range(0x20, 0x7F)) + bytes(range(0x80, 0x100))

# RFC 3986 section 3.2.2 and 3.2.3: what may stand in a Host header
_REG_NAME: Final = b"-._~!$&'()*+,;=%" + DIGITS + LETTERS
_IPV6: Final = HEX_DIGITS + b":."

# RFC 3986 section 3.3 and 3.4, without the delimiters "?" and "#"
PATH: Final = b"-._~!$&'()*+,;=:@/%" + DIGITS + LETTERS

# Bytes that browsers and clients send raw in a target although RFC 3986 wants them escaped.
TARGET: Final = PATH + b'?"<>[]\\^`{|}'


def is_token(name: bytes) -> bool:
    """Whether `name` is a non-empty token (RFC 9110 section 5.6.2)."""
    return bool(name) and not name.translate(None, TOKEN)


def is_field_value(value: bytes) -> bool:
    """Whether `value` may stand behind a field name: no CR, LF, NUL or other control character (RFC 9110 section 5.5)."""
    return not value.translate(None, FIELD_VALUE)


def is_host(host: bytes) -> bool:
    """Whether `host` is `uri-host [":" port]` and not empty (RFC 9110 section 7.2)."""
    if host[:1] == b"[":
        literal, bracket, rest = host[1:].partition(b"]")
        name_is_good = bool(bracket) and b":" in literal and not literal.translate(None, _IPV6)
    else:
        name, colon, port = host.partition(b":")
        rest = colon + port
        name_is_good = (
            bool(name) and not name.translate(None, _REG_NAME) and b"," not in name and _are_escapes_whole(name)
        )
    return name_is_good and (not rest or _is_port(rest))


def _are_escapes_whole(name: bytes) -> bool:
    # RFC 3986 section 2.1: a % is followed by two hexadecimal digits.
    return all(len(piece) >= 2 and not piece[:2].translate(None, HEX_DIGITS) for piece in name.split(b"%")[1:])


def _is_port(text: bytes) -> bool:
    if text[:1] != b":":
        return False
    port = text[1:]
    return not port.translate(None, DIGITS) and len(port) <= 5 and int(port or b"0") <= 65535
