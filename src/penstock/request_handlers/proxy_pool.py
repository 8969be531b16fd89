"""The connections to one backend: kept while they are idle, bounded in number, and waited for in order when all are busy."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from penstock.errors import BackendFailed
from penstock.request_handlers.proxy_connection import BackendConnection

if TYPE_CHECKING:
    import ssl

    from penstock.request_handlers.proxy_answer_head import AnswerReader

_RETRY_SOON: Final = ((b"retry-after", b"1"),)
# Seconds between two looks at the time limits; less where a limit is so short that this would stretch it.
_LONGEST_LOOK: Final = 1.0
_SHORTEST_LOOK: Final = 0.01
_LOOKS: Final = 8


class PoolLimits:
    """Most connections and most who wait for one; times in seconds."""

    __slots__ = ("connect_timeout", "connections", "keep_alive", "queue", "read_timeout")

    def __init__(
        self, *, connections: int, queue: int, keep_alive: float, connect_timeout: float, read_timeout: float
    ) -> None:
        self.connections = connections
        self.queue = queue
        self.keep_alive = keep_alive
        self.connect_timeout = connect_timeout
        self.read_timeout = read_timeout


class BackendPool:
    """The connections to one place: `host` and `port`, or the `path` of a Unix socket. Of one event loop."""

    __slots__ = (
        "_aside",
        "_connections",
        "_idle",
        "_is_closed",
        "_limits",
        "_look",
        "_opening",
        "_sweeping",
        "_waiting",
        "host",
        "loop",
        "name",
        "path",
        "port",
        "reader",
        "tls",
    )

    def __init__(
        self,
        name: str,
        host: str,
        port: int,
        *,
        path: str,
        reader: AnswerReader,
        limits: PoolLimits,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`name` is what the log calls the backend; `tls` judges its certificate, None is for plain HTTP. Made on the loop."""
        self.name = name
        self.host = host
        self.port = port
        self.path = path
        self.reader = reader
        self.tls = tls
        self.loop = asyncio.get_running_loop()
        self._limits = limits
        self._connections: set[BackendConnection] = set()
        self._aside: set[BackendConnection] = set()
        self._idle: list[BackendConnection] = []
        self._opening = 0
        self._waiting: deque[asyncio.Future[BackendConnection | None]] = deque()
        self._sweeping: asyncio.TimerHandle | None = None
        shortest = min(limits.read_timeout, limits.keep_alive or limits.read_timeout)
        self._look = min(_LONGEST_LOOK, max(_SHORTEST_LOOK, shortest / _LOOKS))
        self._is_closed = False

    @property
    def open(self) -> int:
        """How many connections there are, busy or idle."""
        return len(self._connections)

    def find_idle(self) -> BackendConnection | None:
        """A connection that waits for a request, the one that was used last; None when there is none."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if not connection.is_lost and not connection.transport.is_closing():
                connection.is_reused = True
                return connection
        return None

    async def acquire(self, *, is_fresh: bool = False) -> BackendConnection:
        """A connection: an idle one, unless `is_fresh`, a new one, or the next that is given back.

        Raises OSError when the backend cannot be reached, TimeoutError when it takes too long, BackendFailed (503) when too
        many wait already, or for too long.
        """
        limits = self._limits
        while True:
            found = None if is_fresh else self.find_idle()
            if found is not None:
                return found
            if self.open + self._opening < limits.connections or (is_fresh and self._close_idle()):
                return await self._connect()
            waited = await self._wait()
            if waited is not None and not waited.is_lost and not waited.transport.is_closing():
                waited.is_reused = True
                return waited

    def release(self, connection: BackendConnection) -> None:
        """The connection has carried its exchange to the end: it goes to who waits longest, or is kept for the next."""
        if connection in self._aside:
            connection.abort()
            return
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(connection)
                return
        if self._is_closed or not self._limits.keep_alive:
            connection.abort()
            return
        self._idle.append(connection)

    def forget(self, connection: BackendConnection) -> None:
        """The connection is gone; who waits longest may open another one."""
        self._connections.discard(connection)
        self._aside.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        self._wake_next()

    def close(self) -> None:
        """Drop all connections; who waits for one is told."""
        self._is_closed = True
        for connection in (*self._connections, *self._aside):
            connection.abort()
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.cancel()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None

    async def _connect(self) -> BackendConnection:
        self._opening += 1
        try:
            connection = await self._open()
        except BaseException:
            self._wake_next()
            raise
        finally:
            self._opening -= 1
        self._connections.add(connection)
        self._begin_sweeping()
        return connection

    async def connect_aside(self) -> BackendConnection:
        """A new connection that takes nobody's place, for a single exchange. Raises OSError, TimeoutError."""
        connection = await self._open()
        self._aside.add(connection)
        self._begin_sweeping()
        return connection

    async def _open(self) -> BackendConnection:
        async with asyncio.timeout(self._limits.connect_timeout):
            if self.path:
                _, connection = await self.loop.create_unix_connection(lambda: BackendConnection(self), self.path)
            else:
                _, connection = await self.loop.create_connection(
                    lambda: BackendConnection(self), self.host, self.port, ssl=self.tls
                )
        if self._is_closed:
            connection.abort()
            raise ConnectionAbortedError("the server is stopping")
        return connection

    async def _wait(self) -> BackendConnection | None:
        limits = self._limits
        if len(self._waiting) >= limits.queue:
            raise self._refusal(f"{len(self._waiting)} requests wait for a connection already")
        waiting: asyncio.Future[BackendConnection | None] = self.loop.create_future()
        self._waiting.append(waiting)
        try:
            async with asyncio.timeout(limits.connect_timeout):
                return await waiting
        except BaseException as error:
            self._give_back(waiting)
            if isinstance(error, TimeoutError):
                raise self._refusal(f"no connection became free within {limits.connect_timeout:g} s") from None
            raise

    def _give_back(self, waiting: asyncio.Future[BackendConnection | None]) -> None:
        """Whoever waited goes without what has been given meanwhile."""
        if waiting in self._waiting:
            self._waiting.remove(waiting)
        if waiting.done() and not waiting.cancelled():
            connection = waiting.result()
            if connection is None:
                self._wake_next()
            else:
                self.release(connection)

    def _refusal(self, reason: str) -> BackendFailed:
        reason = f"{self.name}: {reason}"
        return BackendFailed(503, "the server behind this one is busy", reason=reason, headers=_RETRY_SOON)

    def _wake_next(self) -> None:
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(None)
                return

    def _close_idle(self) -> bool:
        """Make room for a new connection; False when there is no idle one."""
        if not self._idle:
            return False
        connection = self._idle.pop(0)
        self._connections.discard(connection)
        connection.abort()
        return True

    def _begin_sweeping(self) -> None:
        if self._sweeping is None:
            self._sweeping = self.loop.call_later(self._look, self._sweep)

    def _sweep(self) -> None:
        now = self.loop.time()
        for connection in (*self._connections, *self._aside):
            connection.judge_time(now, self._limits.read_timeout)
        while self._idle and now - self._idle[0].since >= self._limits.keep_alive:
            self._idle.pop(0).abort()
        self._sweeping = None
        if self._connections or self._aside:
            self._begin_sweeping()
