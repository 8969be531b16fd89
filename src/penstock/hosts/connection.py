"""One connection of the own listener: bytes in, requests to the runtime, bytes out; keep-alive and pipelining.

Rule for editors: this is the hottest file of all. Whoever touches it runs `make bench` before and after. What happens once
in a connection's life stands in `endings.py`, what happens once a second in `time_limits.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, cast

from penstock.errors import ClientGone, RequestRejected
from penstock.hosts.addresses import find_own, find_peer
from penstock.hosts.arriving_head import ArrivingHead
from penstock.hosts.endings import HALF_CLOSED, close_now, close_politely, refuse
from penstock.hosts.http1_request import Http1Request
from penstock.hosts.request_body import RequestBody
from penstock.http.messages import PLAIN, Framing, RequestHead

if TYPE_CHECKING:
    from penstock.hosts.clock import Clock
    from penstock.hosts.http1_service import Http1Service
    from penstock.hosts.time_limits import DataRate
    from penstock.intake.worker_request import Address

# Bytes of further requests that wait behind the one inside before the client is no longer read from: pipelining's bound.
_PIPELINE: Final = 64 * 1024
# Requests served in one turn of the loop; the next ones wait for the others' turn.
_TURN: Final = 32


class Connection(asyncio.Protocol):
    """A client's connection. It serves one request at a time; whatever comes behind it waits in the buffer."""

    __slots__ = (
        "_arriving",
        "_drain",
        "_has_turn",
        "_is_serving",
        "address",
        "buffer",
        "clock",
        "file_ready",
        "is_closing",
        "is_half_closed",
        "is_lost",
        "is_paused",
        "is_read_paused",
        "is_unix",
        "keeps_alive",
        "last_head",
        "lingers_until",
        "loop",
        "own_address",
        "request",
        "scheme",
        "served",
        "service",
        "since",
        "transport",
        "write_rate",
    )

    def __init__(self, service: Http1Service, scheme: str, *, is_unix: bool = False) -> None:
        """`is_unix`: it came by a Unix socket. A TCP client that has left has no address either, and is not one of those."""
        self.service = service
        self.loop = service.loop
        self.clock: Clock = service.clock
        self.scheme = scheme
        self.is_unix = is_unix
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.request: Http1Request | None = None
        self.buffer = b""
        self.last_head: RequestHead | None = None
        self.served = False
        self.keeps_alive = True
        self.is_closing = False
        self.is_lost = False
        self.is_half_closed = False
        self.is_paused = False  # the client reads more slowly than we write
        self.since = service.clock.now  # since when it is idle, or a head is arriving
        self.lingers_until = 0.0
        self.file_ready: asyncio.Future[None] | None = None
        self.write_rate: DataRate | None = None
        self.address: Address | None = None
        self.own_address: Address | None = None
        self._arriving: ArrivingHead | None = None
        self.is_read_paused = False
        self._drain: asyncio.Future[None] | None = None
        self._is_serving = False
        self._has_turn = False

    @property
    def client(self) -> Address | None:
        """Address and port of the other end; None on a Unix socket, and when a client has left before it was asked for."""
        if self.address is None:
            self.address = find_peer(self.transport)
        return self.address

    @property
    def server(self) -> Address | None:
        """Host and port of our end; path and None of a Unix socket."""
        if self.own_address is None:
            self.own_address = find_own(self.transport)
        return self.own_address

    # -- asyncio.Protocol ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The client is connected."""
        self.transport = cast(asyncio.Transport, transport)
        self.service.connections.add(self)
        if self.service.is_stopping:
            self.keeps_alive = False

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self.request is None and not self.buffer and not self.is_closing:
            end = data.find(b"\r\n\r\n") + 4
            if end == len(data) and end > 4:
                self._begin(data)  # one head and nothing else: what nearly every read is
                return
        self._receive(data)

    def eof_received(self) -> bool:
        """The client sends no more. True keeps our side open: it may still read its answers (half-closed clients)."""
        self.is_half_closed = True
        request = self.request
        if self.is_closing or self.scheme == "https" or (request is None and not self.buffer):
            return False
        if not self.buffer:
            self.keeps_alive = False  # the answer that is being made is the last, and may say so
        if request is None:
            self._serve_buffer()
            return not self.is_closing
        body = request.body
        if body is not None and not body.is_complete:
            if body.is_discarded:
                return False
            body.fail(_broken_off())
        self.loop.call_later(HALF_CLOSED, request.tell_disconnect)
        return True

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone; nothing can be sent any more."""
        self.is_lost = True
        self.is_closing = True
        self.keeps_alive = False
        self.buffer = b""
        self.service.connections.discard(self)
        self.resume_writing()
        if self.file_ready is not None and not self.file_ready.done():
            self.file_ready.set_exception(ClientGone("the client left"))
        request = self.request
        if request is not None:
            self.request = None
            request.lose()

    def pause_writing(self) -> None:
        """The client reads slowly: `send` waits from now on, and no further request is served."""
        self.is_paused = True

    def resume_writing(self) -> None:
        """The client has caught up, or is gone."""
        self.is_paused = False
        self.write_rate = None
        if self.buffer and self.request is None:
            self._ask_turn()
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
        arriving = self._arriving
        try:
            if arriving is None:
                head = service.reader.read(raw, self.scheme, self.last_head)
            else:
                self._arriving = None
                head = arriving.take(raw, self.scheme)
        except RequestRejected as error:
            if raw[:2] == b"\r\n":
                self._begin(raw[2:])  # RFC 9112 section 2.2: an empty line in front of a request line is ignored, once.
            else:
                refuse(self, error)
            return
        self.last_head = head
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
                refuse(self, error)
                return False
        # What has come of the body is there before anybody asks for it: most bodies are never waited for.
        self._feed_rest()
        return True

    def _receive(self, data: bytes) -> None:
        request = self.request
        if self.is_closing:
            return  # what a refused client still sends is read and dropped
        if request is not None and request.body is not None and not request.body.is_complete:
            data = self._feed_body(request.body, data)
            if not data:
                return
        self.buffer = self.buffer + data if self.buffer else data
        if self.request is None and not self._has_turn:
            self._serve_buffer()
        elif len(self.buffer) > _PIPELINE:
            self.pause_reading()

    def _serve_buffer(self) -> None:
        """Serve what the buffer holds: requests one after another, while each is answered at once and the client reads."""
        turns = _TURN
        self._is_serving = True
        while self.buffer and self.request is None and not self.is_paused and not self.is_closing:
            if not turns:
                self._ask_turn()
                break
            turns -= 1
            if not self._serve_next(self.buffer):
                break
        self._is_serving = False
        if len(self.buffer) > _PIPELINE:
            self.pause_reading()
        elif self.request is None:
            self.resume_reading()
            if self.is_half_closed and not self._has_turn and not self.is_paused:
                close_now(self)  # nothing is left, or a head that will never be whole

    def _serve_next(self, buffer: bytes) -> bool:
        """Begin the first request of the buffer; False when its head is not whole, or was refused."""
        start = 0
        if buffer[:2] == b"\r\n":
            # RFC 9112 section 2.2: an empty line in front of a request line is ignored, once.
            start = 2
            if buffer[2:4] == b"\r\n":
                refuse(self, RequestRejected(400, "empty lines instead of a request", rule="RFC 9112 section 2.2"))
                return False
        end = buffer.find(b"\r\n\r\n", start) + 4
        if end < 4:
            self._judge_beginning(buffer[start:])
            return False
        self.buffer = buffer[end:]
        if self.is_half_closed and not self.buffer:
            self.keeps_alive = False
        self._begin(buffer[start:end])
        return True

    def _judge_beginning(self, beginning: bytes) -> None:
        if self._arriving is None:
            self.since = self.clock.now
            if beginning in (b"", b"\r"):
                return  # an empty line, or half of one: the request is still to come
            self._arriving = ArrivingHead(self.service.limits)
        try:
            self._arriving.feed(beginning)
        except RequestRejected as error:
            refuse(self, error)

    def _feed_rest(self) -> None:
        """Behind a head may stand the beginning of its body."""
        request = self.request
        if request is None or request.body is None or request.body.is_complete:
            return
        if self.buffer:
            data, self.buffer = self.buffer, b""
            self.buffer = self._feed_body(request.body, data)
        if self.is_half_closed and not self.buffer:
            self.keeps_alive = False
            if not request.body.is_complete:
                request.body.fail(_broken_off())

    def _feed_body(self, body: RequestBody, data: bytes) -> bytes:
        rest = body.feed(data)
        if body.is_broken:
            self.keeps_alive = False
            self.buffer = b""
            if body.is_discarded:
                close_politely(self, is_sending=True)
            return b""
        if body.is_complete and body.is_discarded:
            self.request = None
            self.since = self.clock.now
            self._ask_turn()
        return rest

    # -- requests out ----------------------------------------------------------------------------------------------------

    def finish(self, request: Http1Request) -> None:
        """The answer to `request` was handed over: keep the connection for the next, or close it."""
        if self.request is not request:
            return
        self.served = True
        self.since = self.clock.now
        if self.keeps_alive and (request.body is None or request.body.is_complete):
            self.request = None
            if (self.buffer or self.is_read_paused) and not self._is_serving:
                self._ask_turn()
            return
        body = request.body
        is_sending = body is not None and not body.is_complete
        if body is not None and is_sending:
            body.discard()
            if self.keeps_alive and body.can_be_discarded:
                self.resume_reading()
                return
        if is_sending or self.buffer:
            close_politely(self, is_sending=is_sending)
        else:
            close_now(self)

    def _ask_turn(self) -> None:
        if not self._has_turn:
            self._has_turn = True
            self.loop.call_soon(self._continue)

    def _continue(self) -> None:
        self._has_turn = False
        if self.request is None and not self.is_closing:
            self._serve_buffer()

    def abort(self, request: Http1Request) -> None:
        """Cut the connection in the middle of an answer, so that the client can tell it is not whole (pipeline X-07)."""
        if self.request is request:
            self.request = None
            self.is_closing = True
            self.keeps_alive = False
            self.transport.abort()
            self.loop.call_soon(request.lose)  # whoever still reads or waits is told

    # -- bytes out -------------------------------------------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Write; what a client who has left would have got is dropped."""
        if not self.is_lost:
            self.transport.write(data)

    def wait_writable(self) -> Awaitable[None] | None:
        """None, or what to wait for before writing more. Raises ClientGone when nobody reads any more."""
        if self.is_lost or self.transport.is_closing():
            # The loop tells of a loss a turn later: who writes on without waiting would never let it.
            if self.request is not None:
                self.request.is_disconnected = True
            raise ClientGone("the client left")
        if not self.is_paused:
            return None
        if self._drain is None:
            self._drain = self.loop.create_future()
        return asyncio.shield(self._drain)

    def watch_file(self, ready: asyncio.Future[None] | None) -> None:
        """A file is being sent past the transport, and waits for the client until `ready` is set."""
        self.file_ready = ready
        self.write_rate = None

    # -- reading paused ----------------------------------------------------------------------------------------------------

    def pause_reading(self) -> None:
        """The application is slower than the client, or too much is pipelined."""
        if not self.is_read_paused and not self.is_closing:
            self.is_read_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """There is room again, or nobody wants to see what comes."""
        if self.is_read_paused:
            self.is_read_paused = False
            if not self.is_lost:
                self.transport.resume_reading()


def _broken_off() -> RequestRejected:
    return RequestRejected(400, "the body broke off", rule="RFC 9112 section 8")
