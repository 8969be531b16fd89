"""The own listener: accepts on bound sockets, hands connections to the service, and closes in three steps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from penstock.hosts.connection import Connection
from penstock.hosts.http1_service import Http1Service
from penstock.hosts.listener import BoundSocket


class SocketHost:
    """Serves HTTP/1.1 on sockets."""

    def __init__(
        self, service: Http1Service, sockets: Sequence[BoundSocket], *, backlog: int = 2048, tls: object = None
    ) -> None:
        """`backlog`: connections the kernel holds. `tls` is the ssl.SSLContext for the sockets that speak TLS."""
        self._service = service
        self._sockets = tuple(sockets)
        self._tls = tls
        self._backlog = backlog
        self._servers: list[asyncio.AbstractServer] = []

    async def open(self) -> list[str]:
        """Begin to accept; returns the addresses for people, as "http://127.0.0.1:8000"."""
        for bound in self._sockets:
            self._servers.append(await self._listen(bound))
        self._service.clock.start()
        return [bound.url for bound in self._sockets]

    def stop_accepting(self) -> None:
        """Nothing more in: close the listening sockets and the idle connections."""
        for server in self._servers:
            server.close()
        for bound in self._sockets:
            bound.close()
        self._service.close_idle()

    async def close(self) -> None:
        """Cut what is left, and stop the clock."""
        self._service.abort_all()
        self._service.clock.stop()
        await asyncio.sleep(0)  # let the cut connections say goodbye

    async def _listen(self, bound: BoundSocket) -> asyncio.AbstractServer:
        loop: Any = self._service.loop
        is_secure = bound.tls and not bound.is_unix
        options: dict[str, Any] = {}
        if is_secure:
            from penstock.hosts.tls import HANDSHAKE_TIMEOUT

            options = {"ssl": self._tls, "ssl_handshake_timeout": HANDSHAKE_TIMEOUT}
        make = self._maker("https" if is_secure else "http")
        if bound.is_unix:
            server = await loop.create_unix_server(make, sock=bound.socket, backlog=self._backlog, **options)
        else:
            server = await loop.create_server(make, sock=bound.socket, backlog=self._backlog, **options)
        return server  # type: ignore[no-any-return]

    def _maker(self, scheme: str) -> Callable[[], Connection]:
        service = self._service
        return lambda: Connection(service, scheme)


