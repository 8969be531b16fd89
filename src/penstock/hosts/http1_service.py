"""What all connections of one listener share: runtime, limits, clock, parser, and whom to trust."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, Protocol

from penstock.hosts.clock import Clock
from penstock.hosts.connection import Connection
from penstock.hosts.endings import STOP_GRACE, announce_end, close_idle, close_silent, may_bring_more
from penstock.hosts.file_sender import FileSender
from penstock.hosts.http1_request import Http1Request
from penstock.hosts.time_limits import judge_time
from penstock.http.head import HeadLimits, HeadReader
from penstock.intake.runtime import Runtime

if TYPE_CHECKING:
    from penstock.hosts.frame_connection import FrameConnection

# At a stop: turns of the loop in which what lies in the sockets already is read, and seconds between two looks, at first and
# when only those are left that may be silent for longer.
_LAST_LOOKS: Final = 3
_LOOK: Final = 0.01
_LATER_LOOK: Final = 0.05
_REST: Final = 10  # times as long as a look took


class ConnectionLimits(HeadLimits, Protocol):
    """The limits of a connection; sizes in bytes, times in seconds, rate in bytes a second."""

    @property
    def body(self) -> int: ...
    @property
    def header_timeout(self) -> float: ...
    @property
    def keep_alive(self) -> float: ...
    @property
    def data_rate(self) -> int: ...
    @property
    def data_rate_grace(self) -> float: ...


class Http1Service:
    """Makes the connections of one process and knows them all."""

    def __init__(
        self,
        runtime: Runtime,
        limits: ConnectionLimits,
        clock: Clock,
        *,
        is_timed: bool = False,
        forwarded: Callable[[Http1Request], None] | None = None,
        is_private: bool = False,
    ) -> None:
        """`is_timed`: somebody wants to know how long requests take. `forwarded` applies what a trusted proxy says.

        `is_private`: only our own processes connect, by a Unix socket.
        """
        self.runtime = runtime
        self.limits = limits
        self.clock = clock
        self.loop: asyncio.AbstractEventLoop = runtime.loop
        self.reader = HeadReader(limits)
        self.body_limit = limits.body
        self.is_timed = is_timed
        self.is_private = is_private
        self.connections: set[Connection] = set()
        self.sockets: set[FrameConnection] = set()
        self.is_stopping = False
        self.file_sender = FileSender(self.loop)
        self._forwarded = forwarded
        clock.add(self)

    def sweep(self, now: float) -> None:
        """Sweep all connections."""
        for connection in tuple(self.connections):
            judge_time(connection, now)
        for socket in tuple(self.sockets):
            socket.judge_time(now)

    def apply_forwarded(self, request: Http1Request) -> None:
        """Believe what a trusted proxy says of a request, before its site is chosen."""
        if self._forwarded is not None:
            self._forwarded(request)

    def announce_stop(self) -> None:
        """The server stops: from now on every answer that begins says that it is its connection's last."""
        self.is_stopping = True
        for connection in self.connections:
            announce_end(connection)

    async def serve_expected(self, within: float, *, idle: float = 0.0) -> None:
        """The server stops: serve what clients send who cannot know, until nothing more can come, for at most `within` seconds.

        Every answer says that it is its connection's last. Connections that were served and are idle close after `idle`
        seconds of silence, from now or from their last byte; those that were never served, and those on which a part of a
        request has come, get half a second at least. What was not read yet is looked for before.
        """
        since = self.loop.time()
        self.announce_stop()
        for _ in range(_LAST_LOOKS):
            await asyncio.sleep(0)
        while self._close_silent(since, idle) and self.clock.now < since + within:
            look = _LOOK if self.clock.now < since + STOP_GRACE else _LATER_LOOK
            # Ten thousand idle connections take 3 ms: whatever their number, looking is a tenth of the work at most.
            await asyncio.sleep(max(look, _REST * (self.loop.time() - self.clock.now)))
            self.announce_stop()
        for connection in tuple(self.connections):
            close_idle(connection)

    def _close_silent(self, since: float, idle: float) -> bool:
        """Close what has been silent for long enough; whether a further request may come on what is left."""
        self.clock.read()  # it tells since when a connection is idle: to the second, which is too coarse here
        for connection in tuple(self.connections):
            close_silent(connection, self.clock.now, since=since, idle=idle)
        return any(may_bring_more(connection) for connection in self.connections)

    async def wait_sent(self, within: float) -> None:
        """Wait at most `within` seconds until what was answered has left."""
        for _ in range(int(within / _LOOK)):
            if not any(transport.get_write_buffer_size() for transport in self._transports()):
                return
            await asyncio.sleep(_LOOK)

    def abort_all(self) -> None:
        """Cut what is left."""
        for transport in self._transports():
            transport.abort()

    def _transports(self) -> list[asyncio.Transport]:
        """Those of connections and of sockets."""
        found = [connection.transport for connection in self.connections]
        return found + [socket.transport for socket in self.sockets]
