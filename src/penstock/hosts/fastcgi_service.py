"""FastCgiService: what all connections of web servers share, how long each may take, and how they end at a stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from penstock.errors import RequestRejected
from penstock.hosts.endings import STOP_GRACE, has_unread
from penstock.hosts.fastcgi_connection import FastCgiConnection
from penstock.hosts.fastcgi_head import ParameterReader
from penstock.hosts.time_limits import DataRate, ask_socket, count_unsent
from penstock.intake.worker_request import Address, client_name

if TYPE_CHECKING:
    from penstock.hosts.clock import Clock
    from penstock.hosts.fastcgi_body import FastCgiBody
    from penstock.hosts.http1_service import ConnectionLimits, Http1Service
    from penstock.intake.runtime import Runtime

logger = logging.getLogger("penstock")

# Beside the headers, parameters repeat the target up to four times, and say where files are and who speaks.
_TARGETS: Final = 4
_VARIABLES: Final = 16 * 1024
# Strangers who were told of; the next ones are turned away without a word.
_REMEMBERED: Final = 100
# At a stop: turns of the loop in which what lies in the sockets already is read, and seconds between two looks.
_LAST_LOOKS: Final = 3
_LOOK: Final = 0.01
_LATER_LOOK: Final = 0.05


class FastCgiService:
    """Knows the connections of all FastCGI listeners of a process, beside those of HTTP."""

    def __init__(self, http: Http1Service, trusts: Callable[[str | None, bool], bool]) -> None:
        """`trusts(address, is_unix)`: whether this peer may be the web server in front. It is believed whatever it says."""
        self.runtime: Runtime = http.runtime
        self.clock: Clock = http.clock
        self.limits: ConnectionLimits = http.limits
        self.loop: asyncio.AbstractEventLoop = http.loop
        self.is_timed = http.is_timed
        self.reader = ParameterReader(http.limits)
        self.largest_parameters = http.limits.header_section + _TARGETS * http.limits.request_line + _VARIABLES
        self.connections: set[FastCgiConnection] = set()
        self.is_stopping = False
        self._http = http
        self._trusts = trusts
        self._strangers: set[str] = set()
        http.clock.add(self)

    @property
    def body_limit(self) -> int:
        """The largest body of any site, in bytes."""
        return self._http.body_limit

    def trusts(self, host: str | None, is_unix: bool) -> bool:
        """Whether a connection from there may speak for others."""
        return self._trusts(host, is_unix)

    def turn_away(self, peer: Address | None) -> None:
        """Tell of a peer that is not trusted, once."""
        name = client_name(peer)
        if name not in self._strangers and len(self._strangers) < _REMEMBERED:
            self._strangers.add(name)
            logger.warning(
                "a FastCGI connection from %s was closed: who may connect is said by trusted in [server.proxy]",
                "a Unix socket" if peer is None else name,
            )

    def sweep(self, now: float) -> None:
        """Judge the time limits of all connections."""
        for connection in tuple(self.connections):
            _judge_time(connection, now)

    def announce_stop(self) -> None:
        """From now on a connection closes behind its answer."""
        self.is_stopping = True

    async def serve_expected(self, within: float, *, idle: float = 0.0) -> None:
        """The server stops: as `Http1Service.serve_expected`. A web server is told by the end of its connection alone."""
        since = self.loop.time()
        self.announce_stop()
        for _ in range(_LAST_LOOKS):
            await asyncio.sleep(0)
        while self._close_silent(since, idle):
            if self.clock.now >= since + within:
                break
            await asyncio.sleep(_LOOK if self.clock.now < since + STOP_GRACE else _LATER_LOOK)
        for connection in tuple(self.connections):
            if _is_open(connection):
                connection.end()

    async def wait_sent(self, within: float) -> None:
        """Wait at most `within` seconds until what was answered has left."""
        for _ in range(int(within / _LOOK)):
            if not any(connection.transport.get_write_buffer_size() for connection in self.connections):
                return
            await asyncio.sleep(_LOOK)

    def abort_all(self) -> None:
        """Cut what is left."""
        for connection in tuple(self.connections):
            connection.transport.abort()

    def _close_silent(self, since: float, idle: float) -> bool:
        """Close what has been silent for long enough; whether a further request may come on what is left."""
        self.clock.read()
        for connection in tuple(self.connections):
            silence = self.clock.now - max(connection.since, since)
            if _is_open(connection) and silence >= _patience(connection, idle) and not has_unread(connection.transport):
                connection.end()
        return any(_is_open(connection) for connection in self.connections)


def _is_open(connection: FastCgiConnection) -> bool:
    return connection.request is None and not connection.is_closing


def _patience(connection: FastCgiConnection, idle: float) -> float:
    """Who was never served, or has begun to send a request, may not know yet."""
    return idle if connection.is_idle and connection.served else max(idle, STOP_GRACE)


def _judge_time(connection: FastCgiConnection, now: float) -> None:
    if connection.lingers_until:
        if now >= connection.lingers_until:
            connection.transport.abort()
        return
    limits = connection.service.limits
    if _reads_too_slowly(connection, now, limits):
        logger.info("a web server reads its answer more slowly than %d bytes/s: cut off", limits.data_rate)
        connection.transport.abort()
        return
    request = connection.request
    if request is None:
        _judge_idle(connection, now - connection.since, limits)
        return
    if connection.is_read_paused and ask_socket(connection.transport.get_extra_info("socket").fileno()):
        connection.transport.abort()  # a socket that is not read from does not tell by itself
    elif request.body is not None and not request.body.is_complete:
        _judge_sending(request.body, now, limits)


def _judge_idle(connection: FastCgiConnection, seconds: float, limits: ConnectionLimits) -> None:
    if connection.is_closing or connection.is_paused:
        return
    if not connection.is_idle:
        if seconds > limits.header_timeout:
            logger.info("a web server took more than %g s for the head of a request: cut off", limits.header_timeout)
            connection.transport.abort()
    elif seconds > (limits.keep_alive if connection.served else max(limits.header_timeout, limits.keep_alive)):
        connection.end()


def _judge_sending(body: FastCgiBody, now: float, limits: ConnectionLimits) -> None:
    if body.rate is None:
        body.rate = DataRate(now, body.received)
    elif not body.is_awaited:
        body.rate.pause(now, body.received)
    elif body.rate.is_too_low(now, body.received, limits):
        body.fail(RequestRejected(408, "the body comes too slowly", rule="RFC 9110 section 15.5.9"))


def _reads_too_slowly(connection: FastCgiConnection, now: float, limits: ConnectionLimits) -> bool:
    is_waiting = connection.is_paused or connection.request is None
    if not (is_waiting and connection.transport.get_write_buffer_size()):
        connection.write_rate = None
        return False
    left = count_unsent(connection.transport)
    if connection.write_rate is None:
        connection.write_rate = DataRate(now, -left)
        return False
    return connection.write_rate.is_too_low(now, -left, limits)
