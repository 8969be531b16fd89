"""FastCgiConnection: one connection of a web server's: records in, requests to the runtime, records out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, cast

from penstock.errors import ClientGone, RequestRejected
from penstock.hosts.addresses import find_peer
from penstock.hosts.endings import LINGER
from penstock.hosts.fastcgi_body import FastCgiBody
from penstock.hosts.fastcgi_head import ArrivingParameters, FastCgiHead, client_of
from penstock.hosts.fastcgi_records import (
    ABORT_REQUEST,
    BEGIN_REQUEST,
    CANT_MPX_CONN,
    DATA,
    GET_VALUES,
    KEEP_CONN,
    PARAMS,
    REQUEST_COMPLETE,
    RESPONDER,
    STDIN,
    STDOUT,
    UNKNOWN_ROLE,
    UNKNOWN_TYPE,
    FastCgiError,
    RecordReader,
    write_end,
    write_record,
    write_stream,
    write_values,
)
from penstock.hosts.fastcgi_request import FastCgiRequest
from penstock.hosts.foreign_refusals import reason_of, refusal_of
from penstock.http.messages import ResponseHead
from penstock.http.response_head import write_head
from penstock.intake.worker_request import Address, client_name

if TYPE_CHECKING:
    from penstock.hosts.fastcgi_service import FastCgiService
    from penstock.hosts.time_limits import DataRate

logger = logging.getLogger("penstock")

_BEGIN_SIZE: Final = 8
# Without fastcgi_keep_conn, nginx takes the end of the connection for the end of the answer. What may come at any time, but
# belongs to no answer (section 4.2), is an error to it; to whoever waits for FCGI_END_REQUEST it is nothing.
_UNFINISHED: Final = write_record(UNKNOWN_TYPE, 0, bytes(8))
_STATUS_AT: Final = len(b"HTTP/1.1 ")


class FastCgiConnection(asyncio.Protocol):
    """A connection from a web server. It carries one request at a time, and says so (FCGI_MPXS_CONNS 0)."""

    __slots__ = (
        "_drain",
        "_has_ended_input",
        "_is_reading",
        "_parameters",
        "_records",
        "_wants_end",
        "is_arriving",
        "is_closing",
        "is_lost",
        "is_paused",
        "is_read_paused",
        "is_unix",
        "keeps_alive",
        "lingers_until",
        "loop",
        "number",
        "request",
        "served",
        "service",
        "since",
        "transport",
        "write_rate",
    )

    def __init__(self, service: FastCgiService, *, is_unix: bool) -> None:
        """`is_unix`: it came by a Unix socket."""
        self.service = service
        self.loop = service.loop
        self.is_unix = is_unix
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.request: FastCgiRequest | None = None
        self.number = 0  # of the request that is inside, or was last
        self.is_arriving = False  # its parameters are not whole
        self.keeps_alive = True
        self.served = False
        self.is_closing = False
        self.is_lost = False
        self.is_paused = False  # the web server reads more slowly than we write
        self.is_read_paused = False
        self.since = service.clock.now  # since when it is idle, or a head is arriving
        self.lingers_until = 0.0
        self.write_rate: DataRate | None = None
        self._records = RecordReader()
        self._parameters: ArrivingParameters | None = None
        self._has_ended_input = True
        self._is_reading = False
        self._wants_end = False
        self._drain: asyncio.Future[None] | None = None

    @property
    def peer(self) -> Address | None:
        """The web server's address; None on a Unix socket."""
        return find_peer(self.transport)

    @property
    def is_idle(self) -> bool:
        """Whether no request is inside, and none has begun to come."""
        return self.request is None and not self.is_arriving and self._records.is_empty

    # -- asyncio.Protocol ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A web server is connected, or somebody who is none."""
        self.transport = cast(asyncio.Transport, transport)
        peer = self.peer
        if not self.service.trusts(None if peer is None else peer[0], self.is_unix):
            self.service.turn_away(peer)
            self.is_closing = True
            self.transport.abort()
            return
        self.service.connections.add(self)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        if self.is_closing:
            return  # what a refused one still sends is read and dropped
        self._is_reading = True
        try:
            self._take_all(data)
        except FastCgiError as error:
            self._break_off(error)
        self._is_reading = False
        self._end_if_wanted()

    def eof_received(self) -> bool:
        """The web server has closed: its own client has left, or it wants this connection no more."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone; nothing can be sent any more."""
        self.is_lost = True
        self.is_closing = True
        self.service.connections.discard(self)
        self.resume_writing()
        request, self.request = self.request, None
        if request is not None:
            request.lose()

    def pause_writing(self) -> None:
        """The web server reads slowly: `send` waits from now on."""
        self.is_paused = True

    def resume_writing(self) -> None:
        """It has caught up, or is gone."""
        self.is_paused = False
        self.write_rate = None
        drain, self._drain = self._drain, None
        if drain is None or drain.done():
            return
        if self.is_lost:
            drain.set_exception(ClientGone("the client left"))
            drain.exception()  # it may be that nobody waits any more: not an error
        else:
            drain.set_result(None)

    # -- records in ------------------------------------------------------------------------------------------------------

    def _take_all(self, data: bytes) -> None:
        for kind, number, content in self._records.feed(data):
            if self.is_closing:
                return
            self._take(kind, number, content)

    def _take(self, kind: int, number: int, content: bytes) -> None:
        if number == 0:
            self._manage(kind, content)
        elif kind == BEGIN_REQUEST:
            self._begin(number, content)
        elif kind in (PARAMS, STDIN, ABORT_REQUEST, DATA):
            if number == self.number:  # section 3.3: what belongs to no request inside is ignored
                self._take_part(kind, content)
        else:
            self._answer_unknown(kind)

    def _take_part(self, kind: int, content: bytes) -> None:
        if kind == PARAMS and self.is_arriving:
            self._take_parameters(content)
        elif kind == STDIN:
            self._take_input(content)
        elif kind == ABORT_REQUEST:
            self._drop_request()
        elif kind == PARAMS and self.request is not None:
            raise FastCgiError("FCGI_PARAMS go on behind their end")

    def _manage(self, kind: int, content: bytes) -> None:
        """Section 4: what is about the connection, not about a request."""
        if kind != GET_VALUES:
            self._answer_unknown(kind)
            return
        self._reply(write_values(content, self.service.runtime.admission.limit))

    def _answer_unknown(self, kind: int) -> None:
        self._reply(write_record(UNKNOWN_TYPE, 0, bytes((kind, 0, 0, 0, 0, 0, 0, 0))))

    def _reply(self, record: bytes) -> None:
        if self.is_paused:
            raise FastCgiError("it asks and asks, and does not read the answers")
        self.transport.write(record)

    def _begin(self, number: int, content: bytes) -> None:
        if len(content) != _BEGIN_SIZE:
            raise FastCgiError("FCGI_BEGIN_REQUEST has not the eight bytes of its body")
        if self.request is not None or self.is_arriving:
            if number == self.number:
                raise FastCgiError(f"request {number} begins a second time")
            self._reply(write_end(number, CANT_MPX_CONN))
            return
        if self._wants_end:
            return
        self.keeps_alive = bool(content[2] & KEEP_CONN) and not self.service.is_stopping
        if (content[0] << 8) + content[1] != RESPONDER:
            self._reply(write_end(number, UNKNOWN_ROLE))
            self._wants_end = not self.keeps_alive
            return
        self.number = number
        self.is_arriving = True
        self._parameters = ArrivingParameters(self.service.largest_parameters)
        self.since = self.service.clock.now
        self._has_ended_input = False

    def _take_parameters(self, content: bytes) -> None:
        arriving = self._parameters
        if arriving is None:
            return
        if content:
            arriving.feed(content)
            return
        self.is_arriving = False
        self._parameters = None
        pairs = arriving.end()
        try:
            arriving.judge_size()
            asked = self.service.reader.read(pairs)
        except RequestRejected as error:
            self._refuse(error, client_of(dict(pairs)) or self.peer)
        else:
            self._process(asked)

    def _process(self, asked: FastCgiHead) -> None:
        service = self.service
        request = self.request = FastCgiRequest(self, asked, self.number)
        length = asked.head.framing.content_length
        if length:
            request.body = FastCgiBody(self, length, service.body_limit)
        if service.is_timed:
            request.started = self.loop.time()
        service.runtime.process(request)

    def _take_input(self, content: bytes) -> None:
        if self.is_arriving:
            raise FastCgiError("FCGI_STDIN comes before FCGI_PARAMS have ended")
        if self._has_ended_input:
            return
        body = None if self.request is None else self.request.body
        if not content:
            self._has_ended_input = True
            if body is not None:
                body.end()
        elif body is not None:
            body.feed(content)
        elif self.request is not None:
            raise FastCgiError("FCGI_STDIN brings a body that CONTENT_LENGTH did not announce")

    # -- requests out ----------------------------------------------------------------------------------------------------

    def send(self, request: FastCgiRequest, parts: list[bytes]) -> Awaitable[None] | None:
        """Write a piece of an answer; None, or what to wait for before more. Raises ClientGone when nobody reads any more."""
        if self.is_lost or self.transport.is_closing() or self.request is not request:
            request.is_disconnected = True
            raise ClientGone("the client left")
        if parts:
            self.transport.writelines(parts)
        if not self.is_paused:
            return None
        if self._drain is None:
            self._drain = self.loop.create_future()
        return asyncio.shield(self._drain)

    def finish(self, request: FastCgiRequest, parts: list[bytes]) -> None:
        """Write the last piece and the end: keep the connection for the next request, or close it."""
        if self.request is not request:
            return
        self.request = None
        body = request.body
        if body is not None and not self._has_ended_input:
            if not body.can_be_discarded:
                self.keeps_alive = False
            body.discard()
        self._write_end(parts)

    def _write_end(self, parts: list[bytes]) -> None:
        """The end of an answer: of its stream, and of the request (section 5.5)."""
        self.served = True
        self.since = self.service.clock.now
        if not self.is_lost:
            ends = write_record(STDOUT, self.number, b"") + write_end(self.number, REQUEST_COMPLETE)
            self.transport.writelines([*parts, ends])
        self.resume_reading()
        self._wants_end = not self.keeps_alive or self.service.is_stopping
        self._end_if_wanted()

    def abort(self, request: FastCgiRequest) -> None:
        """Cut the connection in the middle of an answer, so that the web server can tell it is not whole (pipeline X-07)."""
        if self.request is request:
            self.request = None
            self.is_closing = True
            self.transport.write(_UNFINISHED)
            if self.transport.get_write_buffer_size():
                self.transport.close()  # behind what was written: in the middle of a record nginx would not see the end
            else:
                self.transport.abort()
            self.loop.call_soon(request.lose)  # whoever still reads or waits is told

    def _drop_request(self) -> None:
        """FCGI_ABORT_REQUEST: the web server's client has left. Section 5.4: the request is to end soon all the same."""
        request, self.request = self.request, None
        if request is None and not self.is_arriving:
            return
        self.is_arriving = False
        self._parameters = None
        self._has_ended_input = True
        if request is not None:
            drain, self._drain = self._drain, None
            if drain is not None and not drain.done():
                drain.set_exception(ClientGone("the client left"))
                drain.exception()
            request.lose()
        self._write_end([])

    def _refuse(self, error: RequestRejected, client: Address | None) -> None:
        """Answer a request that never got inside (pipeline E-04)."""
        head, body = refusal_of(error)
        text = write_head(ResponseHead(head.status_code, head.raw_headers))[0][_STATUS_AT:]
        self.service.runtime.reject(None, error.status, reason=reason_of(error), client=client)
        self.keeps_alive = False
        self._write_end(write_stream(STDOUT, self.number, b"Status: %b\r\n%b" % (text, body)))

    def _break_off(self, error: FastCgiError) -> None:
        """What came cannot be understood: there is nobody to answer."""
        peer = "a Unix socket" if self.is_unix else client_name(self.peer)
        logger.warning("a FastCGI connection from %s was closed: %s", peer, error)
        self.is_closing = True
        self.transport.abort()

    # -- the end -----------------------------------------------------------------------------------------------------------

    def _end_if_wanted(self) -> None:
        # Behind what has come already: FCGI_STDIN may end in the same bytes.
        if self._wants_end and not self._is_reading and not self.is_closing:
            self.end()

    def end(self) -> None:
        """Close behind what was written. A web server that still sends may read its answer first (RFC 9112 section 9.6)."""
        self.is_closing = True
        transport = self.transport
        if self._has_ended_input or not transport.can_write_eof():
            transport.close()
            return
        self.lingers_until = self.service.clock.now + LINGER
        try:
            transport.write_eof()
        except OSError:
            transport.abort()  # it has left, and the loop has not told yet

    def pause_reading(self) -> None:
        """The application is slower than the client."""
        if not self.is_read_paused and not self.is_closing:
            self.is_read_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """There is room again, or nobody wants to see what comes."""
        if self.is_read_paused:
            self.is_read_paused = False
            if not self.is_lost:
                self.transport.resume_reading()
