"""What may be shown and kept of a request without giving its secrets away: names always, values of secrets never."""

from __future__ import annotations

import re
from typing import Final

REDACTED: Final = "[redacted]"

# A field whose name holds one of these has a value that opens doors; better one too many than one too few.
_SECRET_PARTS: Final = (
    b"auth",
    b"cookie",
    b"credential",
    b"csrf",
    b"jwt",
    b"key",
    b"otp",
    b"passw",
    b"saml",
    b"secret",
    b"session",
    b"signature",
    b"token",
    b"xsrf",
)
# They hold "auth" and say what is asked for, not what opens.
_HARMLESS: Final = frozenset({b"www-authenticate", b"proxy-authenticate", b":authority"})
# RFC 3986 section 3.2.1, 3.4, 3.5: the user, the query and the fragment of a URL.
_USER: Final = re.compile(r"://[^/@\s]*@")
_QUERY: Final = re.compile(r"[?#][^\s>\"']*")
_MOST_NAMES: Final = 100
_LONGEST_NAME: Final = 64
_LONGEST_VALUE: Final = 2000


def is_secret(name: bytes) -> bool:
    """Whether the value of the field `name` (lower-case) is one that nobody else may see."""
    return name not in _HARMLESS and any(part in name for part in _SECRET_PARTS)


def redact_fields(fields: list[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """`fields` (lower-case names) as text, the values of secrets replaced, queries within URLs left out, long values cut."""
    return [(name.decode("latin-1"), _redact_value(name, value)) for name, value in fields]


def query_names(query: bytes) -> list[str]:
    """The names of a query's parameters, in order, without their values; what has no "=" may be a value itself.

    At most 100 names of at most 64 characters; "..." stands for what is left out.
    """
    pieces = query.split(b"&", _MOST_NAMES) if query else []
    names = [_name_of(piece) for piece in pieces[:_MOST_NAMES] if piece]
    return [*names, "..."] if len(pieces) > _MOST_NAMES else names


def shorten(text: str, most: int) -> str:
    """`text`, cut to `most` characters and an ellipsis when it is longer."""
    return text if len(text) <= most else f"{text[:most]}..."


def printable(text: str) -> str:
    """`text` with control characters, and what no encoding holds, escaped: it comes from anybody, and a terminal obeys it."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _name_of(piece: bytes) -> str:
    name, equals, _ = piece.partition(b"=")
    return shorten(name.decode("latin-1"), _LONGEST_NAME) if equals and name else REDACTED


def _redact_value(name: bytes, value: bytes) -> str:
    if is_secret(name):
        return REDACTED
    text = shorten(value.decode("latin-1"), _LONGEST_VALUE)
    if "://" in text or text.startswith(("/", "</")) or name in (b"location", b"referer"):
        return _QUERY.sub(f"?{REDACTED}", _USER.sub(f"://{REDACTED}@", text))
    return text
