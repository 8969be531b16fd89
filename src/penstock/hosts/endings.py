"""How a connection ends: refused, closed at once or politely, or because the server stops."""

from __future__ import annotations

import select
import sys
from asyncio import Transport
from typing import TYPE_CHECKING, Final

from penstock.errors import RequestRejected
from penstock.http.messages import ResponseHead
from penstock.http.response_head import write_head
from penstock.http.status import REASONS

if TYPE_CHECKING:
    from penstock.hosts.connection import Connection

# How many seconds a refused client may go on sending before it is cut off, so that it can still read the refusal.
LINGER: Final = 2.0
# A client that shuts its sending side may still read. After so many seconds, applications are told that it left: whether it
# did cannot be known before something is written (pipeline T-04).
HALF_CLOSED: Final = 0.5
# At a stop: seconds that a client gets to send a request it may have begun before it could know.
STOP_GRACE: Final = 0.5


def refuse(connection: Connection, error: RequestRejected) -> None:
    """Answer a request that never got inside, and close (pipeline E-04)."""
    body = b"%d %b: %b\n" % (error.status, REASONS[error.status].encode("ascii"), error.detail.encode("utf-8"))
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        *error.headers,
    ]
    text = write_head(ResponseHead(error.status, headers))[0]
    connection.write(b"%b%bconnection: close\r\n\r\n%b" % (text, connection.clock.date, body))
    reason = f"{error.detail} ({error.rule})" if error.rule else error.detail
    connection.service.runtime.reject(None, error.status, reason=ascii(reason)[1:-1], client=connection.client)
    request = connection.request
    close_politely(connection, is_sending=request is not None and request.body is not None)


def close_now(connection: Connection) -> None:
    """Close behind what was written."""
    connection.request = None
    connection.is_closing = True
    connection.keeps_alive = False
    connection.transport.close()


def close_politely(connection: Connection, *, is_sending: bool) -> None:
    """Close, but let the client read what was sent: a plain close would reset it while it sends (RFC 9112 section 9.6).

    `is_sending`: the client is known to be sending a body.
    """
    transport = connection.transport
    can_half_close = connection.scheme == "http" and transport.can_write_eof()
    connection.buffer = b""
    if connection.is_half_closed or not (can_half_close or is_sending):
        close_now(connection)
        return
    connection.request = None
    connection.is_closing = True
    connection.keeps_alive = False
    connection.lingers_until = connection.clock.now + LINGER
    connection.resume_reading()
    if can_half_close:
        try:
            transport.write_eof()
        except OSError:
            transport.abort()  # the client has left, and the loop has not told yet


def announce_end(connection: Connection) -> None:
    """The server stops: the next answer that begins is the connection's last, and says so."""
    request = connection.request
    if request is None or not request.has_sent_head:
        connection.keeps_alive = False


def is_expected(connection: Connection) -> bool:
    """Whether a request may be on its way that was sent before the client could know of the stop.

    So it is where none was served yet, and where a part of one has come.
    """
    if connection.request is not None or connection.is_closing:
        return False
    return bool(connection.buffer) or not connection.served


def may_bring_more(connection: Connection) -> bool:
    """The server stops: whether a further request may come: where none is inside, and where the answer did not say "close"."""
    return not connection.is_closing and (connection.request is None or connection.keeps_alive)


def close_silent(connection: Connection, now: float, *, since: float, idle: float) -> None:
    """The server stops, and has told so since `since`: close when nothing has come or left for long enough, after a last look.

    `now` and `since` are on the loop's clock. `idle` is in seconds; who is expected gets `STOP_GRACE` at least.
    """
    if connection.request is not None or connection.is_closing:
        return
    patience = max(idle, STOP_GRACE) if is_expected(connection) else idle
    if now - max(connection.since, since) < patience:
        return
    transport = connection.transport
    if not transport.get_write_buffer_size() and not has_unread(transport):
        close_idle(connection)


def close_idle(connection: Connection) -> None:
    """Close if no request is inside; what crosses the close is read and dropped, which resets nobody who may still read.

    Our own processes want the reset: by it they know that nobody has read what crossed the close, and send it to another worker.
    """
    if connection.request is not None or connection.is_closing:
        return
    if connection.service.is_private:
        close_now(connection)
    else:
        close_politely(connection, is_sending=False)


def has_unread(transport: Transport) -> bool:
    """Whether something has come that the loop has not read yet: bytes, or the client's end."""
    descriptor = transport.get_extra_info("socket").fileno()
    if descriptor < 0:
        return False
    if sys.platform == "win32":
        found = select.select([descriptor], [], [], 0)[0]
    else:
        socket = select.poll()
        socket.register(descriptor, select.POLLIN)
        found = socket.poll(0)
    return bool(found)
