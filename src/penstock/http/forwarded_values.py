"""How the fields of proxies are read: the elements of Forwarded, and the addresses in it and in X-Forwarded-For."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from penstock.errors import RequestRejected

# Nobody has so many proxies; a longer list is an attack on whoever walks it (bad-input row 80).
MAX_HOPS: Final = 100

# RFC 7239 section 4: token "=" ( token / quoted-string )
_PAIR: Final = re.compile(
    rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+)="
    rb"(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)|\"((?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*)\")"
)
_SEPARATOR: Final = re.compile(rb"[ \t]*(?:([;,])[ \t]*|\Z)")
_ESCAPE: Final = re.compile(rb"\\(.)", re.DOTALL)
# RFC 7239 section 6: nodename [ ":" node-port ]
_NODE: Final = re.compile(
    rb"(\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*(?:%[0-9A-Za-z._-]+)?\]|[0-9.]+)(?::([0-9]{1,5}|_[A-Za-z0-9._-]+))?"
)
_BARE_IPV6: Final = re.compile(rb"([0-9A-Fa-f:.]+)(?:%[0-9A-Za-z._-]+)?")
_NAMELESS: Final = re.compile(rb"(?:unknown|_[A-Za-z0-9._-]+)(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?", re.IGNORECASE)


def malformed(name: bytes) -> RequestRejected:
    """What is answered when a trusted proxy hands on nonsense in the field `name`."""
    return RequestRejected(400, f"the proxy's {name.decode('ascii')} field makes no sense", rule="RFC 7239 section 4")


def read_elements(value: bytes) -> list[dict[bytes, bytes]]:
    """The elements of Forwarded, names lower-case, values unquoted (RFC 7239 section 4). White space may stand at ";"."""
    value = value.strip(b" \t")
    elements: list[dict[bytes, bytes]] = [{}]
    position = 0
    while True:
        pair = _PAIR.match(value, position)
        if pair is not None:
            _add_pair(elements[-1], pair)
            position = pair.end()
        separator = _SEPARATOR.match(value, position)
        if separator is None or len(elements) > MAX_HOPS:
            raise malformed(b"forwarded")
        position = separator.end()
        if separator[1] is None:
            return elements
        if separator[1] == b",":
            elements.append({})


def _add_pair(element: dict[bytes, bytes], pair: re.Match[bytes]) -> None:
    name = pair[1].lower()
    if name in element:  # RFC 7239 section 4: each parameter at most once
        raise malformed(b"forwarded")
    element[name] = _ESCAPE.sub(rb"\1", pair[3]) if pair[2] is None else pair[2]


def read_node(text: bytes, *, is_strict: bool = False) -> tuple[str, int] | None:
    """Address and port (0 when not told); None for a client that is not to be known.

    `is_strict` holds IPv6 to its brackets (RFC 7239 section 6). A zone means nothing on another machine and is dropped.
    Raises RequestRejected (400) for anything else.
    """
    if text == b"unix:" or _NAMELESS.fullmatch(text):
        return None
    node = _NODE.fullmatch(text)
    if node is not None:
        port = int(node[2]) if node[2] and node[2].isdigit() else 0
        return _read_address(node[1].strip(b"[]").partition(b"%")[0]), _checked_port(port)
    bare = None if is_strict else _BARE_IPV6.fullmatch(text)
    if bare is None:
        raise malformed(b"x-forwarded-for" if not is_strict else b"forwarded")
    return _read_address(bare[1]), 0


def _read_address(text: bytes) -> str:
    try:
        return str(plain_address(ip_address(text.decode("ascii"))))
    except ValueError:
        raise malformed(b"x-forwarded-for") from None


def _checked_port(port: int) -> int:
    if port > 65535:
        raise malformed(b"x-forwarded-for")
    return port


def plain_address(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The same address; IPv4 as IPv4 also where a dual-stack socket has seen it (RFC 4291 section 2.5.5.2)."""
    if isinstance(address, IPv6Address):
        return address.ipv4_mapped or address
    return address
