"""What all connections of one listener share: runtime, limits, clock, parser, and whom to trust."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from penstock.hosts.clock import Clock
from penstock.hosts.connection import Connection
from penstock.hosts.file_sender import FileSender
from penstock.hosts.http1_request import Http1Request
from penstock.http.head import HeadReader
from penstock.intake.runtime import Runtime


class ConnectionLimits(Protocol):
    """The limits of a connection; sizes in bytes, times in seconds, rate in bytes a second."""

    @property
    def request_line(self) -> int: ...
    @property
    def header_section(self) -> int: ...
    @property
    def headers(self) -> int: ...
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
    ) -> None:
        """`is_timed`: somebody wants to know how long requests take. `forwarded` applies what a trusted proxy says."""
        self.runtime = runtime
        self.limits = limits
        self.clock = clock
        self.loop: asyncio.AbstractEventLoop = runtime.loop
        self.reader = HeadReader(limits)
        self.body_limit = limits.body
        self.is_timed = is_timed
        self.connections: set[Connection] = set()
        self.file_sender = FileSender(self.loop)
        self._forwarded = forwarded
        clock.add(self)

    def sweep(self, now: float) -> None:
        """Sweep all connections."""
        for connection in tuple(self.connections):
            connection.sweep(now)

    def apply_forwarded(self, request: Http1Request) -> None:
        """Believe what a trusted proxy says of a request, before its site is chosen."""
        if self._forwarded is not None:
            self._forwarded(request)

    def close_idle(self) -> None:
        """The server stops: idle connections close now, the others behind their answer."""
        for connection in tuple(self.connections):
            connection.close_when_idle()

    def abort_all(self) -> None:
        """Cut what is left."""
        for connection in tuple(self.connections):
            connection.transport.abort()
