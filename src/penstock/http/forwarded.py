"""What a trusted proxy says about client, scheme and host, and who is trusted to say it.

Rule for editors: whatever stands to the left of the walk was written by strangers and is not even looked at; whatever is
taken over is checked first. A value that a trusted proxy hands on and that makes no sense is answered with 400. To ignore
it instead would let a client hide behind the proxy's own address, which is often one that may do more than others.
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network
from typing import Final, Literal, NamedTuple

from penstock.errors import ConfigurationError, Problem, RequestRejected
from penstock.http.forwarded_values import MAX_HOPS, malformed, plain_address, read_elements, read_node
from penstock.http.grammar import is_host

Family = Literal["x-forwarded", "forwarded", "none"]

_REMEMBERED: Final = 4096
_REMEMBERED_LENGTH: Final = 64
_FOR: Final = b"x-forwarded-for"
_PROTO: Final = b"x-forwarded-proto"
_HOST: Final = b"x-forwarded-host"
_PORT: Final = b"x-forwarded-port"
_FORWARDED: Final = b"forwarded"
_X_FORWARDED: Final = frozenset((_FOR, _PROTO, _HOST, _PORT))

# Traefik names the schemes of WebSockets; an upgrade arrives by HTTP all the same.
_SCHEMES: Final = {b"http": "http", b"https": "https", b"ws": "http", b"wss": "https"}
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class Effective(NamedTuple):
    """Who asks, how, and for whom, as the site is to see it.

    `client` is None when a proxy hides it ("unknown", `_name`); its port is 0 when it is not told. `scheme` is "http" or
    "https". `host` is lower-case and without port. `authority` is the Host value behind both, b"" when it is unchanged.
    """

    client: tuple[str, int] | None
    scheme: str
    host: str
    authority: bytes


class TrustedProxies:
    """The proxies whose word is taken: addresses, networks, "unix:" (every Unix socket) and "*" (everybody).

    Raises ConfigurationError for anything else, with all mistakes; `where` says where they were written.
    """

    __slots__ = ("_everybody", "_nodes", "_remembered", "_unix", "_v4", "_v6")

    def __init__(self, networks: Sequence[str], *, where: str = "") -> None:
        self._everybody = "*" in networks
        self._unix = self._everybody or "unix:" in networks
        self._v4: list[IPv4Network] = []
        self._v6: list[IPv6Network] = []
        self._remembered: dict[str, bool] = {}
        self._nodes: dict[bytes, tuple[str, int] | None] = {}
        problems = [Problem(found, where) for text in networks if (found := self._add(text))]
        if problems:
            raise ConfigurationError(problems)

    def trusts(self, client_host: str | None, is_unix: bool) -> bool:
        """Whether the peer may speak for others: a Unix socket, or the address `client_host`."""
        if is_unix:
            return self._unix
        if client_host is None:
            return False
        known = self._remembered.get(client_host)
        if known is None:
            known = self._everybody or self._contains(client_host)
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[client_host] = known
        return known

    def apply(
        self,
        headers: Sequence[tuple[bytes, bytes]],
        client: tuple[str, int] | None,
        scheme: str,
        host: str,
        *,
        family: Family,
        hops: int,
    ) -> Effective:
        """What the headers of `family` say, sent by a peer that `trusts` has approved.

        `headers` have lower-case names. `hops` is how many proxies are believed, counted from the right; beyond the first,
        a proxy is believed only if its address is trusted. Lines of one name are joined (RFC 9110 section 5.3); the
        other family is not looked at. Raises RequestRejected (400) for what makes no sense.
        """
        plain = Effective(client, scheme, host, b"")
        if family == "x-forwarded":
            return self._apply_x_forwarded(headers, plain, hops)
        if family == "forwarded":
            return self._apply_forwarded(headers, plain, hops)
        return plain

    # -- X-Forwarded-For, -Proto, -Host, -Port ---------------------------------------------------------------------

    def _apply_x_forwarded(self, headers: Sequence[tuple[bytes, bytes]], plain: Effective, hops: int) -> Effective:
        lines: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            if name in _X_FORWARDED:
                lines.setdefault(name, []).append(value)
        if not lines:
            return plain
        entries = _entries(lines, _FOR)
        client, index = self._walk(entries, hops) if entries else (plain.client, -1)
        proto, host, port = (_beside(_entries(lines, name), index, entries) for name in (_PROTO, _HOST, _PORT))
        return _effective(plain, client, proto, host, port)

    def _walk(self, entries: list[bytes], hops: int) -> tuple[tuple[str, int] | None, int]:
        index = len(entries) - 1
        client = self._read_node(entries[index])
        while index and hops > 1 and self._is_proxy(entries[index], client):
            index -= 1
            hops -= 1
            client = self._read_node(entries[index])
        return client, index

    def _is_proxy(self, entry: bytes, client: tuple[str, int] | None) -> bool:
        return self._unix if entry == b"unix:" else client is not None and self.trusts(client[0], is_unix=False)

    # -- Forwarded (RFC 7239) --------------------------------------------------------------------------------------

    def _apply_forwarded(self, headers: Sequence[tuple[bytes, bytes]], plain: Effective, hops: int) -> Effective:
        value = b",".join([value for name, value in headers if name == _FORWARDED])
        elements = read_elements(value) if value.strip(b" \t,;") else []
        client, proto, host = plain.client, None, None
        for element in elements[: -hops - 1 : -1]:
            if not element:
                raise malformed(_FORWARDED)
            # The proxy farthest out among the believed saw the client's own request.
            proto = element.get(b"proto", proto)
            host = element.get(b"host", host)
            node = element.get(b"for")
            if node is None:
                break
            client = read_node(node, is_strict=True)
            if client is None or not self.trusts(client[0], is_unix=False):
                break
        return _effective(plain, client, proto, host, None)

    # -- addresses -------------------------------------------------------------------------------------------------

    def _read_node(self, text: bytes) -> tuple[str, int] | None:
        if text in self._nodes:
            return self._nodes[text]
        node = read_node(text)
        if len(self._nodes) >= _REMEMBERED:
            self._nodes.clear()
        if len(text) <= _REMEMBERED_LENGTH:
            self._nodes[text] = node
        return node

    def _add(self, text: str) -> str:
        """Take a network in, or say what is wrong with it."""
        if text in ("*", "unix:"):
            return ""
        try:
            network = ip_network(text)
        except ValueError:
            return _explain_network(text)
        if isinstance(network, IPv4Network):
            self._v4.append(network)
        else:
            self._v6.append(network)
        return ""

    def _contains(self, host: str) -> bool:
        try:
            address = plain_address(ip_address(host))
        except ValueError:
            return False
        if isinstance(address, IPv4Address):
            return any(address in network for network in self._v4)
        return any(address in network for network in self._v6)


def _explain_network(text: str) -> str:
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return f'"{text}" is neither an address nor a network: write "10.0.0.1", "10.0.0.0/8", "unix:" or "*"'
    return f'"{text}" is an address with the size of a network: write "{network}"'


def _entries(lines: dict[bytes, list[bytes]], name: bytes) -> list[bytes]:
    """The members of a list field; [] when it is absent or holds nothing at all."""
    if name not in lines:
        return []
    value = b",".join(lines[name])
    if value.count(b",") >= MAX_HOPS:
        raise malformed(name)
    entries = [entry.strip(b" \t") for entry in value.split(b",")]
    return entries if any(entries) else []


def _beside(values: list[bytes], index: int, entries: list[bytes]) -> bytes | None:
    """The one of `values` that belongs to the entry at `index`: a list of the same length goes by position.

    One value alone is that of the nearest proxy, which replaces instead of adding, as nginx is mostly told to.
    """
    if not values:
        return None
    if len(values) == 1 or not entries:
        return values[-1]
    if len(values) != len(entries):
        raise RequestRejected(
            400, "the proxy's x-forwarded fields differ in how many hops they tell", rule="RFC 7239 section 7.4"
        )
    return values[index]


def _effective(
    plain: Effective, client: tuple[str, int] | None, proto: bytes | None, host: bytes | None, port: bytes | None
) -> Effective:
    scheme = plain.scheme
    if proto is not None:
        known = _SCHEMES.get(proto.lower())
        if known is None:
            raise malformed(_PROTO)
        scheme = known
    name, authority = plain.host, b""
    if host is not None:
        if not is_host(host):
            raise malformed(_HOST)
        name, authority = _without_port(host.decode("ascii").lower()), host
    if port is not None:
        authority = _with_port(authority or name.encode("ascii"), port, scheme) or authority
    return Effective(client, scheme, name, authority)


def _without_port(authority: str) -> str:
    if authority.startswith("["):
        return authority.partition("]")[0] + "]"
    return authority.partition(":")[0]


def _with_port(authority: bytes, text: bytes, scheme: str) -> bytes:
    """`authority` with the port of X-Forwarded-Port, or b"" when that adds nothing."""
    if not (text.isdigit() and len(text) <= 5 and 0 < int(text) <= 65535):
        raise malformed(_PORT)
    has_port = authority.rpartition(b":")[2].isdigit() and not authority.endswith(b"]")
    if not authority or has_port or int(text) == _DEFAULT_PORTS[scheme]:
        return b""
    return authority + b":" + str(int(text)).encode("ascii")
