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

_NAME_OF_DEFLATE: Final = "permessage-deflate"
_FLAGS: Final = frozenset(("server_no_context_takeover", "client_no_context_takeover"))
_SERVER_BITS: Final = "server_max_window_bits"
_CLIENT_BITS: Final = "client_max_window_bits"
# RFC 7692 section 7.1.2: 8 to 15, without a leading zero. zlib cannot write raw streams with 8 (websockets D-14).
_BITS: Final = {str(bits): bits for bits in range(9, 16)}
MOST_BITS: Final = 15


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


class DeflateParameters:
    """What was agreed upon of permessage-deflate: who forgets his messages, and windows of 2 to the power of 9 to 15 bytes.

    `names_client_bits`, `names_server_bits`: the client spoke of that window, and the answer does too (websockets D-5, D-6).
    """

    __slots__ = (
        "client_max_window_bits",
        "client_no_context_takeover",
        "names_client_bits",
        "names_server_bits",
        "server_max_window_bits",
        "server_no_context_takeover",
    )

    def __init__(
        self,
        *,
        server_no_context_takeover: bool = False,
        client_no_context_takeover: bool = False,
        server_max_window_bits: int = MOST_BITS,
        client_max_window_bits: int = MOST_BITS,
        names_client_bits: bool = False,
        names_server_bits: bool = False,
    ) -> None:
        self.server_no_context_takeover = server_no_context_takeover
        self.client_no_context_takeover = client_no_context_takeover
        self.server_max_window_bits = server_max_window_bits
        self.client_max_window_bits = client_max_window_bits
        self.names_client_bits = names_client_bits or client_max_window_bits < MOST_BITS
        self.names_server_bits = names_server_bits or server_max_window_bits < MOST_BITS

    @property
    def header(self) -> bytes:
        """The value of Sec-WebSocket-Extensions that says so."""
        parts = [_NAME_OF_DEFLATE]
        if self.client_no_context_takeover:
            parts.append("client_no_context_takeover")
        if self.names_client_bits:
            parts.append(f"{_CLIENT_BITS}={self.client_max_window_bits}")
        if self.server_no_context_takeover:
            parts.append("server_no_context_takeover")
        if self.names_server_bits:
            parts.append(f"{_SERVER_BITS}={self.server_max_window_bits}")
        return "; ".join(parts).encode("ascii")


def negotiate(
    offers: Iterable[ExtensionOffer],
    *,
    server_no_context_takeover: bool = False,
    client_no_context_takeover: bool = False,
    server_max_window_bits: int = MOST_BITS,
    client_max_window_bits: int = MOST_BITS,
) -> DeflateParameters | None:
    """What is agreed upon by the first of `offers` that can be met; None when none can, which is no error (websockets D-2).

    The keywords are the server's own wishes: a smaller window for the client is asked only of one that offers it
    (websockets D-6). An offer with a parameter that is unknown, comes twice or has a wrong value is passed over.
    """
    for offer in offers:
        offered = _read_parameters(offer) if offer.name == _NAME_OF_DEFLATE else None
        if offered is not None:
            client_bits = client_max_window_bits if _CLIENT_BITS in offered else MOST_BITS
            return DeflateParameters(
                server_no_context_takeover=server_no_context_takeover or "server_no_context_takeover" in offered,
                client_no_context_takeover=client_no_context_takeover or "client_no_context_takeover" in offered,
                server_max_window_bits=min(offered.get(_SERVER_BITS, MOST_BITS), server_max_window_bits),
                client_max_window_bits=min(offered.get(_CLIENT_BITS, MOST_BITS), client_bits),
                names_client_bits=_CLIENT_BITS in offered,
                names_server_bits=_SERVER_BITS in offered,
            )
    return None


def _read_parameters(offer: ExtensionOffer) -> dict[str, int] | None:
    """Parameters and their numbers, `MOST_BITS` where none is given; None when they cannot be met (websockets D-2 to D-6)."""
    found: dict[str, int] = {}
    for name, value in offer.parameters:
        if name in found:
            return None
        if name in _FLAGS or name == _CLIENT_BITS:
            is_good = value is None or (name == _CLIENT_BITS and value in _BITS)
        else:
            is_good = name == _SERVER_BITS and value in _BITS
        if not is_good:
            return None
        found[name] = MOST_BITS if value is None else _BITS[value]
    return found
