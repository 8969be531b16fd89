"""Sec-WebSocket-Extensions: what the client offers, and what of permessage-deflate is agreed upon (RFC 7692)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from penstock.errors import RequestRejected

# RFC 6455 section 9.1: token [ "=" ( token / quoted-string ) ], and what the quotes hold is a token too.
_CHARACTER: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"
_NAME: Final = re.compile(rb"[ \t]*(" + _CHARACTER + rb"+)[ \t]*")
_VALUE: Final = re.compile(
    rb"=[ \t]*(?:(" + _CHARACTER + rb'+)|"((?:' + _CHARACTER + rb"|\\" + _CHARACTER + rb')+)")[ \t]*'
)
_ESCAPE: Final = re.compile(rb"\\(.)")
# RFC 9110 section 5.6.1: members of a list may be empty.
_EMPTY: Final = re.compile(rb"[ \t]*(?:,|\Z)")


class ExtensionOffer:
    """One member of Sec-WebSocket-Extensions: its name, and its parameters in order, a value None when there is none.

    Names and values are as received; the quotes around a value are gone (websockets D-7).
    """

    __slots__ = ("name", "parameters")

    def __init__(self, name: str, parameters: tuple[tuple[str, str | None], ...] = ()) -> None:
        self.name = name
        self.parameters = parameters

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ExtensionOffer) and (self.name, self.parameters) == (other.name, other.parameters)

    def __repr__(self) -> str:
        return f"ExtensionOffer({self.name!r}, {self.parameters!r})"


def read_extensions(values: Iterable[bytes]) -> tuple[ExtensionOffer, ...]:
    """The offers in the values of Sec-WebSocket-Extensions, in order; lines are joined (RFC 6455 section 9.1).

    Raises RequestRejected (400) when they do not keep to the grammar (websockets H-8).
    """
    offers: list[ExtensionOffer] = []
    for value in values:
        position = 0
        while position < len(value):
            position = _read_offer(value, position, offers)
    return tuple(offers)


def _read_offer(value: bytes, position: int, offers: list[ExtensionOffer]) -> int:
    """Append the member that begins at `position`; returns where the next one does."""
    name = _NAME.match(value, position)
    if name is None:
        empty = _EMPTY.match(value, position)
        if empty is None:
            raise _malformed()
        return empty.end()
    position = name.end()
    parameters: list[tuple[str, str | None]] = []
    while value[position : position + 1] == b";":
        position = _read_parameter(value, position + 1, parameters)
    if position < len(value) and value[position : position + 1] != b",":
        raise _malformed()
    offers.append(ExtensionOffer(name[1].decode("ascii"), tuple(parameters)))
    return position + 1


def _read_parameter(value: bytes, position: int, parameters: list[tuple[str, str | None]]) -> int:
    name = _NAME.match(value, position)
    if name is None:
        raise _malformed()
    key = name[1].decode("ascii")
    found = _VALUE.match(value, name.end())
    if found is None:
        parameters.append((key, None))
        return name.end()
    content = found[1] if found[2] is None else _ESCAPE.sub(rb"\1", found[2])
    parameters.append((key, content.decode("ascii")))
    return found.end()


def _malformed() -> RequestRejected:
    return RequestRejected(400, "Sec-WebSocket-Extensions is malformed", rule="RFC 6455 section 9.1")
