"""One connection of the own listener: bytes in, requests to the runtime, bytes out; keep-alive, pipelining, time limits.

Rule for editors: this is the hottest file of all. Whoever touches it runs `make bench` before and after.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, cast

from penstock.errors import ClientGone, RequestRejected
from penstock.hosts.http1_request import Http1Request
from penstock.hosts.listener import peer_address
from penstock.hosts.request_body import RequestBody
from penstock.http.head import HeadReader, judge_size
from penstock.http.messages import PLAIN, Framing
from penstock.http.response_head import write_head
from penstock.http.status import REASONS

if TYPE_CHECKING:
    from penstock.hosts.clock import Clock
    from penstock.hosts.http1_service import Http1Service
    from penstock.intake.worker_request import Address

logger = logging.getLogger("penstock")

# Bytes of further requests that wait behind the one inside before the client is no longer read from: pipelining's bound.
_PIPELINE: Final = 64 * 1024
# Requests served in one turn of the loop; the next ones wait for the others' turn.
_TURN: Final = 32
# How long a refused client may go on sending before it is cut off, so that it can still read the refusal.
_LINGER: Final = 2.0
# A client that shuts its sending side may still read. After so long, applications are told that it left (pipeline T-04).
_HALF_CLOSED: Final = 0.5


class Connection(asyncio.Protocol):
    """A client's connection. It serves one request at a time; whatever comes behind it waits in the buffer."""

    __slots__ = (
        "_drain",
        "_file_ready",
        "_fed",
        "_head_reader",
        "_is_body_paused",
        "_is_paused",
        "_lingers_until",
        "_read_paused",
        "_since",
        "_written_since",
        "_written_total",
        "_own_address",
        "address",
        "buffer",
        "clock",
        "is_closing",
        "is_half_closed",
        "is_lost",
        "keeps_alive",
        "loop",
        "request",
        "scheme",
        "served",
        "service",
        "transport",
    )

    def __init__(self, service: Http1Service, scheme: str) -> None:
        self.service = service
        self.loop = service.loop
        self.clock: Clock = service.clock
        self.scheme = scheme
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.request: Http1Request | None = None
        self.buffer = b""
        self.served = False
        self.keeps_alive = True
        self.is_closing = False
        self.is_lost = False
        self.is_half_closed = False
        self._head_reader: HeadReader | None = None
        self._since = service.clock.now
        self._read_paused = False
        self._is_paused = False
        self._drain: asyncio.Future[None] | None = None
        self._written_since = 0.0
        self._written_total = 0
        self._lingers_until = 0.0
        self._file_ready: asyncio.Future[None] | None = None
        self._fed = 0
        self.address: Address | None = None
        self._own_address: Address | None = None

    @property
    def client(self) -> Address | None:
        """Address and port of the other end; None on a Unix socket."""
        if self.address is None:
            peer = self.transport.get_extra_info("peername")
            if isinstance(peer, tuple) and len(peer) >= 2:
                self.address = peer_address((str(peer[0]), int(peer[1])))
        return self.address

    @property
    def server(self) -> Address | None:
        """Host and port of our end; path and None of a Unix socket."""
        if self._own_address is None:
            own = self.transport.get_extra_info("sockname")
            if isinstance(own, tuple) and len(own) >= 2:
                self._own_address = (str(own[0]), int(own[1]))
            elif isinstance(own, str) and own:
                self._own_address = (own, None)
        return self._own_address

    # -- asyncio.Protocol ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client is connected."""
        self.transport = cast(asyncio.Transport, transport)
        self.service.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self.request is None and not self.buffer and not self.is_closing:
            end = data.find(b"\r\n\r\n") + 4
            if end == len(data) and end > 4:
                self._begin(data)  # one head and nothing else: what nearly every read is
                return
        self._receive(data)

    def eof_received(self) -> bool:
        """The client sends no more. True keeps our side open: it may still read the answer (half-closed clients)."""
        self.is_half_closed = True
        request = self.request
        if request is None or self.scheme == "https":
            return False
        if request.body is not None and not request.body.is_complete:
            request.body.fail(RequestRejected(400, "the body broke off", rule="RFC 9112 section 8"))
        self.keeps_alive = False
        self.loop.call_later(_HALF_CLOSED, request.tell_disconnect)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone; nothing can be sent any more."""
        self.is_lost = True
        self.is_closing = True
        self.keeps_alive = False
        self.buffer = b""
        self.service.connections.discard(self)
        self.resume_writing()
        if self._file_ready is not None and not self._file_ready.done():
            self._file_ready.set_exception(ClientGone("the client left"))
        request = self.request
        if request is not None:
            self.request = None
            request.lose()

    def pause_writing(self) -> None:
        """The client reads slowly: `send` waits from now on."""
        self._is_paused = True
        self._written_since = self.clock.now
        self._written_total = self.transport.get_write_buffer_size()

    def resume_writing(self) -> None:
        """The client has caught up, or is gone."""
        self._is_paused = False
        drain, self._drain = self._drain, None
        if drain is None or drain.done():
            return
        if self.is_lost:
            drain.set_exception(ClientGone("the client left"))
            drain.exception()  # it may be that nobody waits any more: not an error
        else:
            drain.set_result(None)

    # -- requests in -----------------------------------------------------------------------------------------------------

    def _begin(self, raw: bytes) -> None:
        """A whole head has come: judge it, and lead the request into the runtime."""
        service = self.service
        reader = self._head_reader
        try:
            if reader is None:
                head = service.reader.read(raw, self.scheme)
            else:
                self._head_reader = None
                head = reader.take(raw, self.scheme)
        except RequestRejected as error:
            self._refuse(error)
            return
        request = self.request = Http1Request(self, head, self.scheme)
        if head.framing is not PLAIN and not self._prepare(request, head.framing):
            return
        if service.is_timed:
            request.started = self.loop.time()
        service.runtime.process(request)

    def _prepare(self, request: Http1Request, framing: Framing) -> bool:
        """A body follows, this is the last request, or a proxy says something; False when that was refused."""
        if not framing.keep_alive:
            self.keeps_alive = False
        if framing.content_length:
            limit = self.service.body_limit
            request.body = RequestBody(self, framing.content_length, limit, expects_continue=framing.expects_continue)
        if framing.is_forwarded:
            try:
                self.service.apply_forwarded(request)
            except RequestRejected as error:
                self._refuse(error)
                return False
        return True

    def _receive(self, data: bytes) -> None:
        if self.is_closing:
            return  # what a refused client still sends is read and dropped
        request = self.request
        if request is not None and request.body is not None and not request.body.is_complete:
            data = self._feed_body(request.body, data)
            if not data:
                return
        self.buffer = self.buffer + data if self.buffer else data
        if self.request is None:
            self._serve_buffer()
        elif len(self.buffer) > _PIPELINE:
            self._pause_reading()

    def _serve_buffer(self) -> None:
        """Serve what the buffer holds: requests one after another, as long as each is answered at once."""
        turns = _TURN
        while self.buffer and self.request is None and not self.is_closing:
            if not turns:
                self.loop.call_soon(self._continue)
                return
            turns -= 1
            buffer = self.buffer
            if buffer[:2] == b"\r\n":
                # RFC 9112 section 2.2: an empty line in front of a request line is ignored, once.
                buffer = self.buffer = buffer[2:]
                if buffer[:2] == b"\r\n":
                    self._refuse(RequestRejected(400, "empty lines instead of a request", rule="RFC 9112 section 2.2"))
                    return
            end = buffer.find(b"\r\n\r\n") + 4
            if end < 4:
                self._judge_beginning(buffer)
                return
            self._finish_partial(buffer, end)
            self.buffer = buffer[end:]
            self._begin(buffer[:end])
            self._feed_rest()

    def _finish_partial(self, buffer: bytes, end: int) -> None:
        reader = self._head_reader
        if reader is not None:
            try:
                reader.feed(buffer[self._fed : end])
            except RequestRejected:
                self._head_reader = None  # read again as a whole, it is refused again, and by the same words
        self._fed = 0

    def _judge_beginning(self, buffer: bytes) -> None:
        """A head is arriving in pieces: refuse it as soon as it can no longer become one (bad-input row 32)."""
        reader = self._head_reader
        if reader is None:
            if buffer in (b"\r", b"\n"):
                if buffer == b"\n":
                    self._refuse(RequestRejected(400, "a line ends with CRLF", rule="RFC 9112 section 2.2"))
                return
            reader = self._head_reader = HeadReader(self.service.limits)
            self._since = self.clock.now
            self._fed = 0  # how much of the head llhttp has seen
        try:
            judge_size(buffer, self.service.limits)
            reader.feed(buffer[self._fed :])
        except RequestRejected as error:
            self._refuse(error)
            return
        self._fed = len(buffer)

    def _feed_rest(self) -> None:
        """Behind a head may stand the beginning of its body."""
        request = self.request
        if request is not None and request.body is not None and self.buffer and not request.body.is_complete:
            data, self.buffer = self.buffer, b""
            self.buffer = self._feed_body(request.body, data)

    def _feed_body(self, body: RequestBody, data: bytes) -> bytes:
        rest = body.feed(data)
        if body.is_broken:
            self.keeps_alive = False
            self.buffer = b""
            if body.is_discarded:
                self._close_politely()
            return b""
        if body.is_complete and body.is_discarded:
            self._next()
        return rest

    # -- requests out ----------------------------------------------------------------------------------------------------

    def finish(self, request: Http1Request) -> None:
        """The answer to `request` was handed over: keep the connection for the next, or close it."""
        if self.request is not request:
            return
        self.served = True
        self._since = self.clock.now
        if self.keeps_alive and (request.body is None or request.body.is_complete):
            self.request = None
            if self.buffer or self._read_paused:
                self.loop.call_soon(self._continue)
            return
        body = request.body
        if body is not None and not body.is_complete and self.keeps_alive and body.can_be_discarded:
            body.take_rest()
            self._resume_reading()
            return
        self.request = None
        if (body is not None and not body.is_complete) or self.buffer:
            self._close_politely()
        else:
            self.is_closing = True
            self.keeps_alive = False
            self.transport.close()

    def _next(self) -> None:
        self.request = None
        self._since = self.clock.now
        self.loop.call_soon(self._continue)

    def _continue(self) -> None:
        if self.request is None and not self.is_closing:
            self._resume_reading()
            self._serve_buffer()

    def abort(self, request: Http1Request) -> None:
        """Cut the connection in the middle of an answer, so that the client can tell it is not whole (pipeline X-07)."""
        if self.request is request:
            self.request = None
            self.is_closing = True
            self.keeps_alive = False
            self.transport.abort()

    def close_when_idle(self) -> None:
        """The server stops: close now if nothing is inside, else behind the answer."""
        self.keeps_alive = False
        if self.request is None:
            self.is_closing = True
            self.keeps_alive = False
            self.transport.close()

    def _refuse(self, error: RequestRejected) -> None:
        """Answer a request that never got inside, and close (pipeline E-04)."""
        body = b"%d %b: %b\n" % (error.status, REASONS[error.status].encode("ascii"), error.detail.encode("utf-8"))
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(body)),
            *error.headers,
        ]
        text = write_head(error.status, headers)[0]
        self.write(b"%b%bconnection: close\r\n\r\n%b" % (text, self.clock.date, body))
        reason = f"{error.detail} ({error.rule})" if error.rule else error.detail
        self.service.runtime.reject(None, error.status, ascii(reason)[1:-1])
        self.request = None
        self._close_politely()

    def _close_politely(self) -> None:
        """Close, but let the client read what was sent: a plain close would reset it while it sends (RFC 9112 9.6)."""
        self.is_closing = True
        self.keeps_alive = False
        self.buffer = b""
        self._head_reader = None
        if self.is_half_closed or self.scheme == "https" or not self.transport.can_write_eof():
            self.transport.close()
            return
        self._lingers_until = self.clock.now + _LINGER
        self._resume_reading()
        self.transport.write_eof()

    # -- bytes out -------------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Write; what a client who has left would have got is dropped."""
        if not self.is_lost:
            self.transport.write(data)

    def wait_writable(self) -> Awaitable[None] | None:
        """None, or what to wait for before writing more. Raises ClientGone when nobody reads any more."""
        if self.is_lost:
            raise ClientGone("the client left")
        if not self._is_paused:
            return None
        if self._drain is None:
            self._drain = self.loop.create_future()
        return asyncio.shield(self._drain)

    async def send_file(self, text: bytes, descriptor: int, offset: int, count: int) -> None:
        """Send `text`, then `count` bytes of a file; by `sendfile` where the transport is a plain socket."""
        await self.service.file_sender.send(self, text, descriptor, offset, count)

    def watch_file(self, ready: asyncio.Future[None] | None) -> None:
        """A file is being sent past the transport, and waits for the client until `ready` is set."""
        self._file_ready = ready
        self._written_since = self.clock.now

    # -- reading paused ----------------------------------------------------------------------------------------------------

    def pause_body(self) -> None:
        """The application is slower than the client."""
        self._pause_reading()

    def resume_body(self) -> None:
        """The application has caught up."""
        self._resume_reading()

    def _pause_reading(self) -> None:
        if not self._read_paused and not self.is_closing:
            self._read_paused = True
            self.transport.pause_reading()

    def _resume_reading(self) -> None:
        if self._read_paused:
            self._read_paused = False
            if not self.is_lost:
                self.transport.resume_reading()

    # -- time limits -------------------------------------------------------------------------------------------------------

    def sweep(self, now: float) -> None:
        """Judge the time limits of this connection; once a second."""
        if self._lingers_until:
            if now >= self._lingers_until:
                self.transport.abort()
            return
        if self._is_paused:
            self._judge_reading_client(now)
        elif self._file_ready is not None and now - self._written_since > self._file_patience:
            self.transport.abort()
        request = self.request
        if request is None:
            self._judge_idle(now)
        elif request.body is not None and (request.body.is_awaited or request.body.is_discarded):
            self._judge_sending_client(request.body, now)

    @property
    def _file_patience(self) -> float:
        # Whenever the socket takes bytes again the wait is over, so a wait this long means no byte at all for so long.
        limits = self.service.limits
        return max(limits.data_rate_grace, 10.0) if limits.data_rate else float("inf")

    def _judge_idle(self, now: float) -> None:
        limits = self.service.limits
        if self.buffer:
            if now - self._since > limits.header_timeout:
                self._refuse(RequestRejected(408, "the head of the request took too long", rule="RFC 9110 15.5.9"))
        elif now - self._since > (limits.keep_alive if self.served else max(limits.header_timeout, limits.keep_alive)):
            self.is_closing = True
            self.keeps_alive = False
            self.transport.close()

    def _judge_sending_client(self, body: RequestBody, now: float) -> None:
        limits = self.service.limits
        seconds = now - body.waits_since
        if not limits.data_rate or seconds <= limits.data_rate_grace:
            return
        if body.received_while_awaited < limits.data_rate * seconds:
            if body.is_discarded:
                self.transport.abort()
                return
            self.keeps_alive = False
            body.fail(RequestRejected(408, "the body comes too slowly", rule="RFC 9110 section 15.5.9"))

    def _judge_reading_client(self, now: float) -> None:
        limits = self.service.limits
        seconds = now - self._written_since
        if not limits.data_rate or seconds <= limits.data_rate_grace:
            return
        left = self.transport.get_write_buffer_size()
        if self._written_total - left < limits.data_rate * seconds:
            logger.info("a client reads its answer more slowly than %d bytes/s: cut off", limits.data_rate)
            self.transport.abort()
            return
        self._written_since, self._written_total = now, left
