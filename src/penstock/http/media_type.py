"""A media type with its parameters, as Content-Type has it (RFC 9110 section 8.3.1)."""

from __future__ import annotations

import re
from typing import Final

from penstock.errors import RequestRejected

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_TYPE: Final = re.compile(rf"({_WORD}/{_WORD})[ \t]*")
# Each alternative begins with a character of its own, so that nothing is tried twice (bad-input row 76).
_PARAMETER: Final = re.compile(rf';[ \t]*(?:({_WORD})=(?:({_WORD})|"((?:[^"\\]|\\.)*)")[ \t]*)?')
_ESCAPED: Final = re.compile(r"\\(.)")


class MediaType:
    """`name` is type and subtype, lower-case; `parameters` have lower-case names and values as they came, unquoted."""

    __slots__ = ("name", "parameters")

    def __init__(self, name: str, parameters: dict[str, str]) -> None:
        self.name = name
        self.parameters = parameters


def read_media_type(text: str) -> MediaType:
    """What a Content-Type says. Raises RequestRejected (400) for what is none, and for a parameter that comes twice."""
    found = _TYPE.match(text)
    if found is None:
        raise _malformed()
    parameters: dict[str, str] = {}
    at = found.end()
    while at < len(text):
        pair = _PARAMETER.match(text, at)
        if pair is None:
            raise _malformed()
        at = pair.end()
        if pair[1] is None:
            continue  # RFC 9110 section 5.6.6: an empty parameter
        name = pair[1].lower()
        if name in parameters:
            raise RequestRejected(400, f"Content-Type says {name} twice", rule="RFC 9110 section 8.3.1")
        parameters[name] = pair[2] if pair[3] is None else _ESCAPED.sub(r"\1", pair[3])
    return MediaType(found[1].lower(), parameters)


def _malformed() -> RequestRejected:
    return RequestRejected(
        400, "Content-Type is no media type: write one such as text/plain; charset=utf-8", rule="RFC 9110 section 8.3.1"
    )
