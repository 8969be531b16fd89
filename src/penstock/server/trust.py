"""What a trusted proxy says about client, scheme and host, applied to a request before its site is chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock.hosts.http1_request import Http1Request
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
        return None if self._settings.headers == "none" or not self._settings.trusted else self.apply

    def apply(self, request: Http1Request) -> None:
        """Believe the headers of a trusted peer. Raises RequestRejected (400) for what makes no sense."""
        if self._proxies is None:
            self._proxies = self._read()
        connection = request.connection
        client = connection.client
        # Without an address it is not a Unix socket yet: a client that has left by now has none either.
        if not self._proxies.trusts(None if client is None else client[0], is_unix=connection.is_unix):
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
