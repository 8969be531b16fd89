"""The own listener: accepts on bound sockets, hands connections to the service, and closes in three steps."""

from __future__ import annotations

import asyncio
import selectors
import socket
import sys
from asyncio import selector_events
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from penstock.hosts.connection import Connection
from penstock.hosts.endings import STOP_GRACE
from penstock.hosts.http1_service import Http1Service
from penstock.hosts.listener import BoundSocket

if TYPE_CHECKING:
    from penstock.hosts.fastcgi_service import FastCgiService

# Most turns of the loop in which connections that wait in the kernel are accepted before listening ends, which resets them.
_LAST_ACCEPTS: Final = 1024
_LAST_TURNS: Final = 3
_ATTEMPTS: Final = 16
# TCP asks a silent client after so many seconds whether it is there, so often, so many times. Nothing else tells of a machine
# that was switched off, or of one that left while we did not read; a request that waits for something would wait for ever.
_PROBES: Final = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4))


class SocketHost:
    """Serves HTTP/1.1 on sockets, and FastCGI on those that are for it."""

    def __init__(
        self,
        service: Http1Service,
        sockets: Sequence[BoundSocket],
        *,
        backlog: int = 2048,
        tls: object = None,
        handshake_timeout: float | None = None,
        fastcgi: FastCgiService | None = None,
    ) -> None:
        """`backlog`: connections the kernel holds. `tls` is the ssl.SSLContext for the sockets that speak TLS.

        `handshake_timeout` is in seconds; None is `tls.HANDSHAKE_TIMEOUT`. `fastcgi` is for the sockets of web servers.
        """
        self._fastcgi = fastcgi
        self._service = service
        self._sockets = tuple(sockets)
        self._tls = tls
        self._backlog = backlog
        self._handshake_timeout = handshake_timeout
        self._servers: list[asyncio.AbstractServer] = []

    @property
    def connections(self) -> int:
        """How many connections are open, WebSockets and those of web servers among them."""
        count = len(self._service.connections) + len(self._service.sockets)
        return count if self._fastcgi is None else count + len(self._fastcgi.connections)

    async def open(self) -> list[str]:
        """Begin to accept; returns the addresses for people, as "http://127.0.0.1:8000"."""
        for bound in self._sockets:
            self._servers.append(await self._listen(bound))
        self._service.clock.start()
        return [bound.url for bound in self._sockets]

    def announce_stop(self) -> None:
        """From now on every answer that begins says that it is its connection's last."""
        self._service.announce_stop()
        if self._fastcgi is not None:
            self._fastcgi.announce_stop()

    async def stop_accepting(self, *, leave_waiting: bool = False) -> None:
        """Accept those who wait to be, then close the listening sockets.

        `leave_waiting`: leave them in the kernel. Somebody else has the same sockets, duplicated or inherited, and accepts them.
        """
        self.announce_stop()
        if not leave_waiting:
            await self._accept_waiting()
        if isinstance(self._service.loop, selector_events.BaseSelectorEventLoop):
            # It needs turns between accepting a connection and serving it, and forgets those for which the server is closed.
            for bound in self._sockets:
                self._service.loop.remove_reader(bound.socket)
            for _ in range(_LAST_TURNS):
                await asyncio.sleep(0)
        self._close_sockets()

    async def serve_expected(self, within: float = STOP_GRACE, *, idle: float = 0.0) -> None:
        """Serve what is sent by clients who cannot know of the stop, until nothing more can come, for at most `within` seconds.

        What was served and is silent for `idle` seconds closes.
        """
        if self._fastcgi is None:
            await self._service.serve_expected(within, idle=idle)
        else:
            await asyncio.gather(
                self._service.serve_expected(within, idle=idle), self._fastcgi.serve_expected(within, idle=idle)
            )

    async def wait_sent(self, within: float) -> None:
        """Wait at most `within` seconds until what was answered has left."""
        await self._service.wait_sent(within)
        if self._fastcgi is not None:
            await self._fastcgi.wait_sent(within)

    async def close(self) -> None:
        """Cut what is left, and stop the clock."""
        self._close_sockets()
        self._service.abort_all()
        if self._fastcgi is not None:
            self._fastcgi.abort_all()
        self._service.clock.stop()
        await asyncio.sleep(0)  # let the cut connections say goodbye

    async def _accept_waiting(self) -> None:
        with selectors.DefaultSelector() as waiting:
            for bound in self._sockets:
                waiting.register(bound.socket, selectors.EVENT_READ)
            for _ in range(_LAST_ACCEPTS):
                await asyncio.sleep(0)
                if not waiting.select(0):
                    break

    def _close_sockets(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        for bound in self._sockets:
            bound.close()

    async def _listen(self, bound: BoundSocket) -> asyncio.AbstractServer:
        loop: Any = self._service.loop
        is_secure = bound.tls and not bound.is_unix
        options: dict[str, Any] = {}
        if is_secure:
            from penstock.hosts.tls import HANDSHAKE_TIMEOUT

            options = {"ssl": self._tls, "ssl_handshake_timeout": self._handshake_timeout or HANDSHAKE_TIMEOUT}
        backlog = self._backlog
        is_selector = isinstance(loop, selector_events.BaseSelectorEventLoop)
        if is_selector:
            # It takes the backlog for the number of attempts to accept in a row, and logs each when descriptors run out.
            backlog = _ATTEMPTS
        make = self._maker("https" if is_secure else "http", bound)
        if not bound.is_unix:
            _probe_silent_clients(bound.socket)
        if bound.is_unix:
            if sys.version_info >= (3, 13):
                options["cleanup_socket"] = False  # the file is its maker's, which another process may be
            server: asyncio.AbstractServer = await loop.create_unix_server(
                make, sock=bound.socket, backlog=backlog, **options
            )
        else:
            server = await loop.create_server(make, sock=bound.socket, backlog=backlog, **options)
        if is_selector:
            bound.socket.listen(self._backlog)
        return server

    def _maker(self, scheme: str, bound: BoundSocket) -> Callable[[], asyncio.Protocol]:
        is_unix = bound.is_unix
        if bound.bind.is_fastcgi and self._fastcgi is not None:
            from penstock.hosts.fastcgi_connection import FastCgiConnection

            fastcgi = self._fastcgi
            return lambda: FastCgiConnection(fastcgi, is_unix=is_unix)
        service = self._service
        return lambda: Connection(service, scheme, is_unix=is_unix)


def _probe_silent_clients(listening: socket.socket) -> None:
    # Accepted sockets inherit it, on Linux and macOS.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _PROBES:
        option = getattr(socket, name, None)
        if option is not None:
            listening.setsockopt(socket.IPPROTO_TCP, option, value)
