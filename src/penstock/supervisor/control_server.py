"""The control socket: a site of the supervisor's own, on a Unix socket that only its user may connect to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from typing import Final, cast

from penstock.errors import ConfigurationError, Problem
from penstock.hosts.binds import Bind
from penstock.hosts.clock import Clock
from penstock.hosts.connection import Connection
from penstock.hosts.http1_service import Http1Service
from penstock.hosts.listener import BoundSocket, open_sockets
from penstock.hosts.unix_socket import AF_UNIX, OwnedFile
from penstock.intake.runtime import Runtime
from penstock.settings import LimitSettings
from penstock.settings.pool_paths import judge_socket_length
from penstock.supervisor.control_api import MOST_BYTES, control_site
from penstock.supervisor.control_model import Controlled

# More than about so many at once are somebody's mistake, and must not use up the descriptors that new workers need.
MOST_CONNECTIONS: Final = 64
_MOST_REQUESTS: Final = 32
_BACKLOG: Final = 32
# Seconds in which a whole head must have come, and that a connection may be idle.
_PATIENCE: Final = 5.0
# What a connection too many is told (RFC 9110 section 15.6.4).
_BUSY: Final = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n"
# Seconds in which answers that were begun may leave, at the end.
_LAST_WORDS: Final = 1.0


class ControlServer:
    """Answers on the Unix socket `path`, whose file has the permissions `mode`. Used on one loop."""

    def __init__(self, controlled: Controlled, path: str, *, mode: int = 0o600) -> None:
        self.path = path
        self._controlled = controlled
        self._mode = mode
        self._bound: BoundSocket | None = None
        self._server: asyncio.AbstractServer | None = None
        self._runtime: Runtime | None = None
        self._service: Http1Service | None = None

    async def open(self, inherited: int = -1) -> None:
        """Begin to listen; on the descriptor `inherited`, when the process this one was before has left one (see `fileno`).

        Raises ConfigurationError when the path cannot be had: a live server listens there, or it is no socket.
        """
        bound = self._bound = self._bind() if inherited < 0 else self._adopt(inherited)
        try:
            await self._serve(bound)
        except BaseException:
            bound.close()
            raise

    def fileno(self) -> int:
        """The descriptor of the listening socket, to be inherited through an exec; -1 when it is closed."""
        return -1 if self._bound is None else self._bound.socket.fileno()

    async def close(self) -> None:
        """Let what was begun be answered, for a second, then close everything and remove the file."""
        if self._bound is None or self._service is None or self._runtime is None or self._server is None:
            return
        self._service.announce_stop()
        self._server.close()
        self._bound.close()
        self._bound = None
        await self._service.serve_expected(_LAST_WORDS / 10)
        await self._runtime.drain(_LAST_WORDS)
        await self._service.wait_sent(_LAST_WORDS)
        self._service.abort_all()
        self._service.clock.stop()
        await self._runtime.stop()

    def _bind(self) -> BoundSocket:
        where = "[server.control] socket"
        if told := judge_socket_length(self.path):
            raise ConfigurationError([Problem(told, where)])
        bind = Bind(text=f"unix:{self.path}", where=where, path=self.path)
        try:
            return open_sockets([bind], backlog=_BACKLOG, unix_mode=self._mode)[0]
        except ConfigurationError as error:
            raise ConfigurationError(
                [Problem(f"control socket {each.message}", where) for each in error.problems]
            ) from None

    def _adopt(self, descriptor: int) -> BoundSocket:
        sock = socket.socket(AF_UNIX, socket.SOCK_STREAM, fileno=descriptor)
        sock.set_inheritable(False)
        if (place := sock.getsockname()) != self.path or not os.path.exists(place):
            # It is to be elsewhere from now on, or somebody has removed its file.
            sock.close()
            with contextlib.suppress(OSError):
                os.unlink(place)
            return self._bind()
        bind = Bind(text=f"unix:{self.path}", path=self.path)
        return BoundSocket(sock, bind, tls=False, file=OwnedFile(self.path))

    async def _serve(self, bound: BoundSocket) -> None:
        site = control_site(self._controlled)
        runtime = self._runtime = Runtime([site], requests_inside=_MOST_REQUESTS, queue=_MOST_REQUESTS)
        await runtime.start()
        limits = LimitSettings(body=MOST_BYTES, header_timeout=_PATIENCE, keep_alive=_PATIENCE)
        service = self._service = Http1Service(runtime, limits, Clock(runtime.loop))
        self._server = await runtime.loop.create_unix_server(
            lambda: _connect(service), sock=bound.socket, backlog=_BACKLOG
        )
        service.clock.start()


def _connect(service: Http1Service) -> asyncio.Protocol:
    if len(service.connections) >= MOST_CONNECTIONS:
        return _Busy()
    return Connection(service, "http", is_unix=True)


class _Busy(asyncio.Protocol):
    """A connection too many: it is told so, and closed."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        writing = cast(asyncio.Transport, transport)
        writing.write(_BUSY)
        writing.close()
