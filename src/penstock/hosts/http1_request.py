"""One HTTP/1.1 request of the own listener, as a worker request: the answer's framing is decided here (RFC 9112 section 6)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

from penstock.errors import ClientGone, ContractError
from penstock.hosts.endings import HALF_CLOSED
from penstock.hosts.request_body import RequestBody
from penstock.http.messages import RequestHead, ResponseHead
from penstock.http.response_head import CLOSES, HAS_DATE, HAS_SERVER, check_trailers, write_fields, write_head
from penstock.http.status import is_bodiless, status_line
from penstock.intake.frame_transport import FrameTransport, UpgradeTerms
from penstock.intake.worker_request import Address, Capability

if TYPE_CHECKING:
    from penstock.hosts.connection import Connection

_CAPABILITIES: Final = Capability.SEND_FILE | Capability.INFORM | Capability.TRAILERS | Capability.UPGRADE
# RFC 9110 section 15.2 and RFC 9112 section 7.1: HTTP/1.0 knows neither interim answers nor chunks.
_CAPABILITIES_1_0: Final = Capability.SEND_FILE
# From here on copying a body costs more than handing it over by itself: 50 KB cost 17.4 us in place of 20.0.
_LARGE: Final = 16 * 1024
_CLOSE: Final = b"connection: close\r\n"
_KEEP: Final = b"connection: keep-alive\r\n"
# What is left of the body: a number of bytes, or one of these.
_UNKNOWN: Final = -1
_NO_BODY: Final = -2
_CHUNKED: Final = b"transfer-encoding: chunked\r\n"


class Http1Request:
    """One request on loan from a connection."""

    __slots__ = (
        "_callbacks",
        "_client",
        "_is_chunked",
        "_remaining",
        "_trailers",
        "body",
        "bytes_sent",
        "connection",
        "has_sent_all",
        "has_sent_head",
        "head",
        "is_disconnected",
        "scheme",
        "started",
    )

    def __init__(self, connection: Connection, head: RequestHead, scheme: str) -> None:
        self.connection = connection
        self.head = head
        self.scheme = scheme
        self.bytes_sent = 0
        self.is_disconnected = False
        self.has_sent_all = False
        self.has_sent_head = False
        self.body: RequestBody | None = None
        self._callbacks: list[Callable[[], None]] | None = None
        self._client: Address | None = None
        self.started = 0.0

    # -- reading ---------------------------------------------------------------------------------------------------------

    @property
    def client(self) -> Address | None:
        """As `WorkerRequest.client`; what a trusted proxy says counts."""
        return self._client or self.connection.address or self.connection.client

    @property
    def server(self) -> Address | None:
        """As `WorkerRequest.server`."""
        return self.connection.server

    @property
    def capabilities(self) -> Capability:
        """As `WorkerRequest.capabilities`."""
        return _CAPABILITIES_1_0 if self.head.line.is_1_0 else _CAPABILITIES

    def come_from(self, client: Address | None) -> None:
        """A trusted proxy says who the client is."""
        self._client = client

    def come_to(self, server: Address | None) -> None:
        """A process in front says where the client has connected; it counts until one behind it says otherwise."""
        self.connection.own_address = server

    def limit_body(self, limit: int) -> None:
        """As `WorkerRequest.limit_body`."""
        if self.body is not None:
            self.body.limit(limit)

    def take(self) -> bytes | None:
        """As `WorkerRequest.take`."""
        return b"" if self.body is None else self.body.take()

    async def wait_body(self) -> None:
        """As `WorkerRequest.wait_body`."""
        if self.body is not None:
            await self.body.wait()

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """As `WorkerRequest.on_disconnect`."""
        if self.is_disconnected:
            self.connection.loop.call_soon(callback)
            return
        if self.connection.is_half_closed:
            self.connection.loop.call_later(HALF_CLOSED, callback)
            return
        if self._callbacks is None:
            self._callbacks = []
        self._callbacks.append(callback)

    def tell_disconnect(self) -> None:
        """Call those who asked to be told when the client leaves, once."""
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            callback()

    # -- answering -------------------------------------------------------------------------------------------------------

    def send(self, head: ResponseHead | None, body: bytes, more: bool) -> Awaitable[None] | None:
        """As `WorkerRequest.send`."""
        if head is not None:
            return self._send_first(head, body, more)
        if self.has_sent_all:
            return None
        if more and body and self._is_chunked:
            return self._send_chunk(body)
        if self._remaining == _NO_BODY:
            body = b""
        self._check_length(len(body), more)
        connection = self.connection
        self.bytes_sent += len(body)
        if self._is_chunked:
            if not more:
                connection.write(self._last_chunks(body))
        elif body:
            connection.write(body)
        if more:
            return connection.wait_writable()
        self.has_sent_all = True
        connection.finish(self)
        return None

    def _send_chunk(self, body: bytes) -> Awaitable[None] | None:
        """A piece of a stream, such as a server-sent event: in a chunk of its own, at once."""
        count = len(body)
        self.bytes_sent += count
        connection = self.connection
        transport = connection.transport
        if connection.is_lost or transport.is_closing():
            return connection.wait_writable()
        transport.write(b"%x\r\n%b\r\n" % (count, body))
        return connection.wait_writable() if connection.is_paused else None

    def _send_first(self, head: ResponseHead, body: bytes, more: bool) -> Awaitable[None] | None:
        if self.has_sent_head:
            raise ContractError("the head of this response has been sent already")
        text, length, notes = write_head(head)
        connection = self.connection
        if notes & CLOSES or (self.body is not None and self.body.ends_connection):
            connection.keeps_alive = False
        if more or self.head.line.is_head or (head.status_code != 200 and is_bodiless(head.status_code)):
            return self._send_special(head, text, length, notes, body, more)
        # The commonest answer of all: a whole body. It leaves with its head in one write.
        count = len(body)
        if notes or not connection.keeps_alive or self.head.line.is_1_0:
            fields = self._own_fields(notes)
        else:
            fields = connection.clock.date
        if length >= 0 and length != count:
            raise ContractError(f"the response has {count} bytes of body but content-length {length}")
        self.has_sent_head = True
        self.has_sent_all = True
        self.bytes_sent = count
        if count > _LARGE:
            framing = b"\r\n" if length == count else b"content-length: %d\r\n\r\n" % count
            if not connection.is_lost:
                connection.transport.writelines((b"%b%b%b" % (text, fields, framing), body))
        elif length == count:
            connection.write(b"%b%b\r\n%b" % (text, fields, body))
        else:
            connection.write(b"%b%bcontent-length: %d\r\n\r\n%b" % (text, fields, count, body))
        connection.finish(self)
        return None

    def _send_special(  # noqa: PLR0917 (keywords cost the hot path)
        self, head: ResponseHead, text: bytes, length: int, notes: int, body: bytes, more: bool
    ) -> Awaitable[None] | None:
        if more and length >= 0 and self.connection.service.is_private:
            # Whoever counts the bytes would send the next request while the application is still at this one.
            self.connection.keeps_alive = False
        text = self._frame(head, text, length, notes, -1 if more else len(body))
        if self._remaining == _NO_BODY:
            body = b""
        self._check_length(len(body), more)
        self.has_sent_head = True
        self.bytes_sent = len(body)
        if self._is_chunked and body:
            body = b"%x\r\n%b\r\n" % (len(body), body)
        self.connection.write(text + body)
        if more:
            return self.connection.wait_writable()
        self.has_sent_all = True
        self.connection.finish(self)
        return None

    def _frame(self, head: ResponseHead, text: bytes, length: int, notes: int, count: int) -> bytes:
        """The whole head with its framing, for a body of `count` bytes (-1: not known yet).

        `text`, `length` and `notes` are what `write_head` returned. RFC 9112 section 6.3, RFC 9110 section 8.6.
        """
        self._trailers: Sequence[tuple[bytes, bytes]] = ()
        self._is_chunked = False
        framing = b""
        if self.head.line.is_head or is_bodiless(head.status_code):
            self._remaining = _NO_BODY
            if head.status_code == 204:
                text = _without_length(text)
            elif count >= 0 and length < 0 and not is_bodiless(head.status_code):
                framing = b"content-length: %d\r\n" % count
        elif length >= 0:
            self._remaining = length
        elif not self.head.line.is_1_0:
            self._is_chunked = True
            self._remaining = _UNKNOWN
            framing = _CHUNKED
        else:
            self._remaining = _UNKNOWN
            self.connection.keeps_alive = False  # HTTP/1.0: the end of the connection is the end of the body
        return b"%b%b%b\r\n" % (text, self._own_fields(notes), framing)

    def _own_fields(self, notes: int) -> bytes:
        """`date`, `server` and, where it says something, `connection`."""
        connection = self.connection
        fields = connection.clock.date
        if notes & (HAS_DATE | HAS_SERVER) and fields:
            date, _, server = fields.partition(b"\r\n")
            fields = (b"" if notes & HAS_DATE else date + b"\r\n") + (b"" if notes & HAS_SERVER else server)
        if not connection.keeps_alive:
            return fields + _CLOSE
        return fields if self.head.version == "1.1" else fields + _KEEP

    def _check_length(self, count: int, more: bool) -> None:
        """Hold the application to its own Content-Length: neither more nor fewer bytes (bad-input row 43)."""
        if self._remaining < 0:
            return
        if count > self._remaining:
            raise ContractError("the response body is longer than its content-length")
        if not more and count < self._remaining:
            raise ContractError("the response body is shorter than its content-length")
        self._remaining -= count

    def _last_chunks(self, body: bytes) -> bytes:
        last = b"0\r\n" + b"".join(b"%b: %b\r\n" % pair for pair in self._trailers) + b"\r\n"
        return b"%x\r\n%b\r\n%b" % (len(body), body, last) if body else last

    async def send_file(self, head: ResponseHead | None, descriptor: int, offset: int, count: int, more: bool) -> None:
        """As `WorkerRequest.send_file`."""
        text = b""
        if head is not None:
            text, length, notes = write_head(head)
            if notes & CLOSES:
                self.connection.keeps_alive = False
            if length < 0 and not more:
                length = count
                text += b"content-length: %d\r\n" % count
            text = self._frame(head, text, length, notes, -1)
            if self._remaining == _NO_BODY:
                self._end_without_body(text)
                return
        self._check_length(count, more)
        self.has_sent_head = True
        is_chunk = self._is_chunked and count > 0  # a chunk of no bytes would be the last one
        if is_chunk:
            text += b"%x\r\n" % count
        await self.connection.service.file_sender.send(self.connection, text, descriptor, offset, count)
        self.bytes_sent += count
        if is_chunk:
            self.connection.write(b"\r\n")
        if not more:
            self._remaining = _UNKNOWN
            self.send(None, b"", False)

    def _end_without_body(self, text: bytes) -> None:
        self.connection.write(text)
        self.has_sent_head = True
        self.has_sent_all = True
        self.connection.finish(self)

    def inform(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """As `WorkerRequest.inform`."""
        if self.head.version == "1.1" and not self.has_sent_head:
            # Judged as a final head, by the same rules, and sent with the interim status (bad-input row 47).
            text = write_fields(headers)
            self.connection.write(b"%b%b\r\n" % (status_line(status), text))

    def trailers(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """As `WorkerRequest.trailers`."""
        check_trailers(headers)
        self._trailers = headers

    def upgrade(self, head: ResponseHead, terms: UpgradeTerms) -> FrameTransport | None:
        """As `WorkerRequest.upgrade`."""
        from penstock.hosts.frame_connection import switch_protocols  # imported by the first socket

        return switch_protocols(self, head, terms)

    def abort(self) -> None:
        """As `WorkerRequest.abort`."""
        self.has_sent_all = True
        self.connection.abort(self)

    def lose(self) -> None:
        """The connection is lost: who reads, who writes and who asked is told."""
        self.is_disconnected = True
        if self.body is not None:
            self.body.fail(ClientGone("the client left"))
        self.tell_disconnect()


def _without_length(text: bytes) -> bytes:
    lines = text.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.startswith(b"content-length:"))
