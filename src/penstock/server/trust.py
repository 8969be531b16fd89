"""What a trusted proxy says about client, scheme and host, applied to a request before its site is chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock.hosts.foreign_requests import Believe, Proxied
from penstock.hosts.http1_request import Http1Request
from penstock.intake.worker_request import Address
from penstock.settings import ProxySettings

if TYPE_CHECKING:
    from penstock.http.forwarded import TrustedProxies


class Trust:
    """Whose word is taken, and about what."""

    def __init__(self, settings: ProxySettings) -> None:
        """Raises ConfigurationError for networks that are none."""
        self._settings = settings
        self._proxies: TrustedProxies | None = None
        if settings.trusted != ProxySettings().trusted:
            self._proxies = self._read()  # mistakes are for the start; what stands by default is right, and can wait

    def find_policy(self) -> Callable[[Http1Request], None] | None:
        """The policy to apply, or None when nobody's word is taken."""
        return self.apply if self._believes_somebody else None

    def find_guest_policy(self) -> Believe | None:
        """As `find_policy`, for requests that another server has read."""
        return self.apply_to_guest if self._believes_somebody else None

    @property
    def _believes_somebody(self) -> bool:
        return self._settings.headers != "none" and bool(self._settings.trusted)

    def apply(self, request: Http1Request) -> None:
        """Believe the headers of a trusted peer. Raises RequestRejected (400) for what makes no sense."""
        connection = request.connection
        # Without an address it is not a Unix socket yet: a client that has left by now has none either.
        self._apply(request, connection.client, is_unix=connection.is_unix)

    def apply_to_guest(self, request: Proxied) -> None:
        """As `apply`; the peer is who the server says. Where it says nothing, it listens on a Unix socket."""
        peer = request.client
        self._apply(request, peer, is_unix=peer is None)

    def _apply(self, request: Proxied, client: Address | None, *, is_unix: bool) -> None:
        if self._proxies is None:
            self._proxies = self._read()
        if not self._proxies.trusts(None if client is None else client[0], is_unix=is_unix):
            return
        head = request.head
        effective = self._proxies.apply(
            head.headers,
            None if client is None else (client[0], client[1] or 0),
            request.scheme,
            head.host,
            family=self._settings.headers,
            hops=self._settings.hops,
        )
        request.come_from(effective.client)
        request.scheme = effective.scheme
        if effective.authority:
            head.host = effective.host
            head.authority = effective.authority
            head.headers = [(b"host", effective.authority)] + [pair for pair in head.headers if pair[0] != b"host"]

    def trusts(self, host: str | None, *, is_unix: bool) -> bool:
        """Whether a web server may speak for its clients from there: by FastCGI nobody else may connect."""
        if self._proxies is None:
            self._proxies = self._read()
        return self._proxies.trusts(host, is_unix=is_unix)

    def _read(self) -> TrustedProxies:
        from penstock.http.forwarded import TrustedProxies

        return TrustedProxies(self._settings.trusted, where="[server.proxy]")
