"""FastCgiRequest: a request that a web server passes on by FastCGI, as a worker request: its answer is a CGI header block and a body."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

from penstock.errors import ClientGone, ContractError
from penstock.hosts.fastcgi_body import FastCgiBody
from penstock.hosts.fastcgi_records import STDOUT, write_stream
from penstock.http.messages import ResponseHead
from penstock.http.response_head import write_head
from penstock.http.status import is_bodiless
from penstock.intake.answer_pieces import OneAnswer, announce_file, check_length, send_pieces
from penstock.intake.frame_transport import FrameTransport, UpgradeTerms
from penstock.intake.worker_request import Address, Capability

if TYPE_CHECKING:
    from penstock.hosts.fastcgi_connection import FastCgiConnection
    from penstock.hosts.fastcgi_head import FastCgiHead

# What CGI can carry: one answer, and nothing in front of it or behind it (RFC 3875 section 6).
CAPABILITIES: Final = Capability.SEND_FILE

# From here on copying a body costs more than handing it over by itself.
_LARGE: Final = 16 * 1024
_UNKNOWN: Final = -1
_NO_BODY: Final = -2
_VERSION_SIZE: Final = len(b"HTTP/1.1 ")


class FastCgiRequest(OneAnswer):
    """One request on loan from a connection. What is written behind its end, or behind an abort, is dropped."""

    __slots__ = (
        "_callbacks",
        "_remaining",
        "body",
        "bytes_sent",
        "client",
        "connection",
        "has_sent_all",
        "has_sent_head",
        "head",
        "is_disconnected",
        "number",
        "scheme",
        "server",
        "started",
    )

    def __init__(self, connection: FastCgiConnection, asked: FastCgiHead, number: int) -> None:
        """`number` is the request's among those of the connection."""
        self.connection = connection
        self.head = asked.head
        self.scheme = asked.scheme
        self.client: Address | None = asked.client
        self.server: Address | None = asked.server
        self.number = number
        self.body: FastCgiBody | None = None
        self.bytes_sent = 0
        self.started = 0.0
        self.is_disconnected = False
        self.has_sent_all = False
        self.has_sent_head = False
        self._remaining = _UNKNOWN
        self._callbacks: list[Callable[[], None]] = []

    @property
    def capabilities(self) -> Capability:
        """As `WorkerRequest.capabilities`."""
        return CAPABILITIES

    # -- reading ---------------------------------------------------------------------------------------------------------

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
        else:
            self._callbacks.append(callback)

    # -- answering -------------------------------------------------------------------------------------------------------

    def send(self, head: ResponseHead | None, body: bytes, more: bool) -> Awaitable[None] | None:
        """As `WorkerRequest.send`."""
        parts: list[bytes] = []
        if head is not None:
            if self.has_sent_head:
                raise ContractError("the head of this response has been sent already")
            text = self._write_head(head, -1 if more else len(body))
            if self._remaining == _NO_BODY:
                body = b""
            self._check_length(len(body), more)
            self.has_sent_head = True
            if len(body) > _LARGE:
                parts = write_stream(STDOUT, self.number, text) + write_stream(STDOUT, self.number, body)
            else:
                parts = write_stream(STDOUT, self.number, text + body)
        elif self.has_sent_all:
            return None
        else:
            if self._remaining == _NO_BODY:
                body = b""
            self._check_length(len(body), more)
            parts = write_stream(STDOUT, self.number, body)
        self.bytes_sent += len(body)
        connection = self.connection
        if more:
            return connection.send(self, parts)
        self.has_sent_all = True
        connection.finish(self, parts)
        return None

    def _write_head(self, head: ResponseHead, count: int) -> bytes:
        """The header block for a body of `count` bytes (-1: not known yet), with its empty line (RFC 3875 section 6.3)."""
        is_empty = is_bodiless(head.status_code)
        if head.status_code == 204 or any(name == b"status" for name, _ in head.raw_headers):
            head = _without_own_fields(head)
        text, length, _ = write_head(head)
        framing = b"\r\n"
        if length < 0 and count >= 0 and not is_empty:
            framing = b"content-length: %d\r\n\r\n" % count
        self._remaining = _NO_BODY if is_empty or self.head.line.is_head else length
        return b"Status: %b%b" % (text[_VERSION_SIZE:], framing)

    def _check_length(self, count: int, more: bool) -> None:
        if self._remaining >= 0:
            check_length(self._remaining, count, more)
            self._remaining -= count

    async def send_file(self, head: ResponseHead | None, descriptor: int, offset: int, count: int, more: bool) -> None:
        """As `WorkerRequest.send_file`: in pieces, for every one stands in records."""
        announce_file(head, count, more)
        await send_pieces(self, head, descriptor=descriptor, offset=offset, count=count, more=more, on_loop=True)

    def upgrade(self, head: ResponseHead, terms: UpgradeTerms) -> FrameTransport | None:
        """As `WorkerRequest.upgrade`: never."""
        raise ContractError("FastCGI does not carry WebSockets")

    def abort(self) -> None:
        """As `WorkerRequest.abort`."""
        self.has_sent_all = True
        self.connection.abort(self)

    def lose(self) -> None:
        """The web server, or its client, has left: who reads, who writes and who asked is told."""
        self.is_disconnected = True
        if self.body is not None:
            self.body.fail(ClientGone("the client left"))
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()


def _without_own_fields(head: ResponseHead) -> ResponseHead:
    """RFC 3875 section 6.3.3: a field "status" would be a second one; RFC 9110 section 8.6: 204 has no length."""
    is_empty = head.status_code == 204
    kept = [
        pair for pair in head.raw_headers if pair[0] != b"status" and not (is_empty and pair[0] == b"content-length")
    ]
    copy = ResponseHead(head.status_code, kept)
    copy.reason_phrase = head.reason_phrase
    return copy
