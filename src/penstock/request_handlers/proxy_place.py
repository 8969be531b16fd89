"""Where a backend is, by what the site file calls it; how its certificate is judged, and which links lead to it."""

from __future__ import annotations

import asyncio
import re
import ssl
from typing import Final

from penstock.errors import ConfigurationError, Problem

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# Browsers read "\" as "/", and no tabs at all: with either in front, a path of ours could name another server.
_ABSOLUTE: Final = re.compile(rb"(https?)://([^/?#\\\s]*)([^\\\s]*)", re.IGNORECASE)


class BackendPlace:
    """The parts of `name`: "http://host:port", "https://host:port" or "unix:/path".

    `authority` is what stands in its Host field. `host` and `port` are where it listens, or `path`, on a Unix socket.
    """

    __slots__ = ("authority", "host", "name", "path", "port", "scheme")

    def __init__(self, name: str) -> None:
        self.name = name
        self.scheme = "https" if name.startswith("https://") else "http"
        self.host, self.port, self.path = "", 0, ""
        if name.startswith("unix:"):
            self.path = name.removeprefix("unix:").removeprefix("//")
            self.authority = b"localhost"
            return
        authority = name.partition("://")[2].rstrip("/")
        self.authority = authority.encode("ascii")
        self.host, self.port = _split(authority, _DEFAULT_PORTS[self.scheme])


class OwnLinks:
    """Turns links to a backend's own origin into links to this server (RFC 9110 section 10.2.2).

    `prefix` is what was taken off the paths that it is asked for, "" for nothing.
    """

    __slots__ = ("_place", "_prefix")

    def __init__(self, place: BackendPlace, prefix: str) -> None:
        self._place = place
        self._prefix = prefix.rstrip("/").encode()

    def rewrite(self, link: bytes) -> bytes:
        """The path below this server's own origin, whatever that is for who asks; other links stay as they are."""
        found = _ABSOLUTE.fullmatch(link)
        if found is None or not self._is_own(found[1].lower(), found[2].lower()):
            return link
        rest = found[3]
        path = self._prefix + (rest if rest.startswith(b"/") else b"/" + rest)
        # RFC 3986 section 4.2: what begins with "//" names another server
        return b"/." + path if path.startswith(b"//") else path

    def _is_own(self, scheme: bytes, authority: bytes) -> bool:
        place = self._place
        if scheme != place.scheme.encode():
            return False
        if authority == place.authority.lower():
            return True
        try:
            where = _split(authority.decode("ascii"), _DEFAULT_PORTS[place.scheme])
        except ValueError:
            return False
        return where == _split(place.authority.decode("ascii").lower(), _DEFAULT_PORTS[place.scheme])


def make_tls(ca: str) -> ssl.SSLContext:
    """How certificates of backends are judged: by those in the file `ca`, by the system's for "". Raises ConfigurationError."""
    try:
        context = ssl.create_default_context(cafile=ca or None)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            [Problem(f"the certificates in {ca or 'the system'} cannot be read: {error}")]
        ) from None
    context.set_alpn_protocols(["http/1.1"])
    return context


def has_close_notify(transport: asyncio.Transport) -> bool:
    """Whether the end of this TLS connection was said by the other side itself (RFC 8446 section 6.1); all else has been read."""
    tls = transport.get_extra_info("ssl_object")
    try:
        return tls is not None and not tls.read(1)
    except ssl.SSLError:
        return False  # more would have to come first


def _split(authority: str, default_port: int) -> tuple[str, int]:
    """Host, without brackets, and port. Raises ValueError when the port is no number."""
    host, colon, port = authority.rpartition(":")
    if not colon or authority.endswith("]"):
        host, port = authority, ""
    return host.strip("[]"), int(port) if port else default_port
