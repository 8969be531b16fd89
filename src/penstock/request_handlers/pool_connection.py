"""The connections to the workers of a pool, over its Unix socket, which is there whether or not there is a worker."""

from __future__ import annotations

import asyncio
import socket
import sys
from typing import TYPE_CHECKING, Final

from penstock.request_handlers.proxy_connection import BackendConnection
from penstock.request_handlers.proxy_pool import BackendPool

if TYPE_CHECKING:
    from penstock.request_handlers.proxy_exchange import Exchange

# A request of so many bytes at most, sent in one write, is read in one: by the kernel's word, whole or not at all.
_SMALL: Final = 16 * 1024
_AF_UNIX: Final = getattr(socket, "AF_UNIX", -1)  # Windows has none, and no supervisor either
# Seconds between two tries where the kernel can hold no more connections until some are accepted.
_PAUSE: Final = 0.02
# Linux resets a Unix socket whose other end was closed with something in it that nobody had read (unix(7), `unix_release_sock`).
_TELLS_UNREAD: Final = sys.platform == "linux"


class PoolConnection(BackendConnection):
    """A connection to a worker of a pool.

    `sent` is all of its last request where that left in one small write, else b"". `was_unread`: the connection is lost, and that
    request was certainly read by nobody.
    """

    __slots__ = ("sent", "was_unread")

    def __init__(self, pool: BackendPool) -> None:
        super().__init__(pool)
        self.sent = b""
        self.was_unread = False

    def begin(self, exchange: Exchange, data: bytes, now: float) -> None:
        """As `BackendConnection.begin`; a small request that is all there is kept, in case that it must be sent again."""
        self.sent = data if exchange.is_sent and len(data) <= _SMALL else b""
        super().begin(exchange, data, now)

    def connection_lost(self, error: Exception | None) -> None:
        """The worker has gone, or has closed this connection."""
        # ECONNRESET: closed with this request unread. EPIPE: closed before it was written. An end without either was read before.
        self.was_unread = _TELLS_UNREAD and isinstance(error, (ConnectionResetError, BrokenPipeError))
        super().connection_lost(error)


class PoolConnections(BackendPool):
    """Those of one process to one pool."""

    __slots__ = ()

    def release(self, connection: BackendConnection) -> None:
        """As `BackendPool.release`; a connection whose last request may not have been read whole is not used again.

        An application may answer in front of the end of a body, and the worker reads and drops what comes behind it.
        """
        if isinstance(connection, PoolConnection) and not connection.sent:
            connection.abort()
        else:
            super().release(connection)

    async def _open(self) -> BackendConnection:
        async with asyncio.timeout(self._limits.connect_timeout):
            end = await self._connect_patiently()
            _, connection = await self.loop.create_unix_connection(lambda: PoolConnection(self), sock=end)
        if self._is_closed:
            connection.abort()
            raise ConnectionAbortedError("the server is stopping")
        return connection

    async def _connect_patiently(self) -> socket.socket:
        end = socket.socket(_AF_UNIX)
        try:
            end.setblocking(False)
            while True:
                try:
                    end.connect(self.path)
                except BlockingIOError:
                    # EAGAIN: more wait to be accepted than the kernel holds. It is told at once, and nothing is in progress,
                    # whatever an event loop would make of it.
                    await asyncio.sleep(_PAUSE)
                else:
                    return end
        except BaseException:
            end.close()
            raise
