"""How long a connection may take: for a head, for a body, to read its answer, to do nothing. Looked at once a second."""

from __future__ import annotations

import logging
import select
import sys
from asyncio import Transport
from typing import TYPE_CHECKING, Final

from penstock.errors import RequestRejected
from penstock.hosts.endings import close_now, refuse

if TYPE_CHECKING:
    from penstock.hosts.connection import Connection
    from penstock.hosts.http1_request import Http1Request
    from penstock.hosts.http1_service import ConnectionLimits
    from penstock.hosts.request_body import RequestBody

logger = logging.getLogger("penstock")

# Seconds of idleness after which a connection gives back what it keeps to read the next head faster.
_FORGETFUL: Final = 5.0
# What may lie in the buffer between two requests: an empty line, or half of one, is no request that takes too long.
_BETWEEN: Final = (b"", b"\r\n", b"\r")

# What a socket says when its other end is not there any more: POLLERR and POLLHUP, which Windows has no names for.
_GONE: Final = 0x008 | 0x010


class DataRate:
    """How fast a client moves while we wait for it; the time in which it waits for us does not count.

    It is judged in windows of the grace period: neither a fast beginning nor a byte now and then buys a client more.
    """

    __slots__ = ("_last", "_moved", "_seconds", "_total")

    def __init__(self, now: float, total: int) -> None:
        """`total` is a number of bytes that grows as the client moves."""
        self._last = now
        self._total = total
        self._seconds = 0.0
        self._moved = 0

    def pause(self, now: float, total: int) -> None:
        """We do not wait for the client now."""
        self._last = now
        self._moved += max(0, total - self._total)
        self._total = total

    def is_too_low(self, now: float, total: int, limits: ConnectionLimits) -> bool:
        """Whether less moved than `limits.data_rate` asks for, in a window of more than `limits.data_rate_grace`."""
        self._seconds += now - self._last
        self.pause(now, total)
        if not limits.data_rate or self._seconds <= limits.data_rate_grace:
            return False
        if self._moved < limits.data_rate * self._seconds:
            return True
        self._seconds = 0.0
        self._moved = 0
        return False


def judge_time(connection: Connection, now: float) -> None:
    """Judge the time limits of a connection. `now` is in seconds, on the loop's clock."""
    if connection.lingers_until:
        if now >= connection.lingers_until:
            connection.transport.abort()
        return
    if _reads_too_slowly(connection, now):
        rate = connection.service.limits.data_rate
        logger.info("a client reads its answer more slowly than %d bytes/s: cut off", rate)
        connection.transport.abort()
        return
    request = connection.request
    if request is None:
        _judge_idle(connection, now)
        return
    if connection.is_read_paused:
        _notice_leaving(connection, request)
    if request.body is not None and not request.body.is_complete:
        _judge_sending(connection, request.body, now)


def _judge_idle(connection: Connection, now: float) -> None:
    if connection.is_closing or connection.is_paused:
        return
    limits = connection.service.limits
    seconds = now - connection.since
    if connection.buffer not in _BETWEEN:
        if seconds > limits.header_timeout:
            refuse(connection, RequestRejected(408, "the head took too long", rule="RFC 9110 section 15.5.9"))
        return
    if seconds > _FORGETFUL:
        connection.last_head = None
    patience = limits.keep_alive if connection.served else max(limits.header_timeout, limits.keep_alive)
    if seconds > patience:
        close_now(connection)


def _notice_leaving(connection: Connection, request: Http1Request) -> None:
    """A socket that is not read from does not tell that its client has left, so it is asked."""
    events = ask_socket(connection.transport.get_extra_info("socket").fileno())
    if events & _GONE:
        connection.transport.abort()
    elif events:
        request.tell_disconnect()  # it sends no more: as with `eof_received`, it may read on


def ask_socket(descriptor: int) -> int:
    """Which of poll's events a socket that is not read from has: POLLRDHUP when its other end sends no more; 0 for none."""
    if sys.platform == "linux" and descriptor >= 0:
        socket = select.poll()
        socket.register(descriptor, select.POLLRDHUP)
        return sum(events for _, events in socket.poll(0))
    return 0


def _judge_sending(connection: Connection, body: RequestBody, now: float) -> None:
    rate = body.rate
    if rate is None:
        body.rate = DataRate(now, body.received)
    elif not (body.is_awaited or body.is_discarded):
        rate.pause(now, body.received)
    elif rate.is_too_low(now, body.received, connection.service.limits):
        if body.is_discarded:
            connection.transport.abort()
            return
        connection.keeps_alive = False
        body.fail(RequestRejected(408, "the body comes too slowly", rule="RFC 9110 section 15.5.9"))


def _reads_too_slowly(connection: Connection, now: float) -> bool:
    """We wait for a reader while writing is paused, while a file is under way, and when all was written but has not left."""
    if connection.file_ready is None and not (
        (connection.is_paused or connection.request is None) and connection.transport.get_write_buffer_size()
    ):
        connection.write_rate = None
        return False
    left = count_unsent(connection.transport)
    rate = connection.write_rate
    if rate is None:
        connection.write_rate = DataRate(now, -left)
        return False
    return rate.is_too_low(now, -left, connection.service.limits)


def count_unsent(transport: Transport) -> int:
    """Bytes that the client has not taken yet, those in the kernel included.

    Without the kernel's, a slow but steady reader would look as if it stood still: the kernel asks for more only when a
    good part of its megabytes is gone.
    """
    left = transport.get_write_buffer_size()
    descriptor = transport.get_extra_info("socket").fileno()
    if sys.platform == "linux" and descriptor >= 0:
        from fcntl import ioctl
        from termios import TIOCOUTQ

        try:
            left += int.from_bytes(ioctl(descriptor, TIOCOUTQ, bytes(4)), sys.byteorder)
        except OSError:
            pass  # gone meanwhile
    return left
