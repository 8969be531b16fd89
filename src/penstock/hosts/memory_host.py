"""The in-memory host: requests handed over in the process, for tests and warm-up; its rules are those of the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Awaitable, Callable, Sequence

from penstock.errors import ClientGone, ContractError
from penstock.hosts.memory_socket import MemorySocket
from penstock.hosts.request_body import too_large
from penstock.hosts.switching_head import handshake_fields
from penstock.http.head import HeadLimits, read_head
from penstock.http.messages import RequestHead, ResponseHead
from penstock.http.response_head import check_trailers, write_fields, write_head
from penstock.http.status import is_bodiless
from penstock.http.websocket_handshake import added_fields
from penstock.intake.answer_pieces import read_at
from penstock.intake.frame_transport import UpgradeTerms
from penstock.intake.worker_request import Address, Capability


class MemoryRequest:
    """A worker request without a wire. What was answered stands in `response_head`, `pieces`, `informed` and `trailer`.

    `socket` is what carries the frames behind a handshake that was accepted, else None.
    """

    __slots__ = (
        "_body",
        "_callbacks",
        "_early",
        "_finished",
        "_is_whole",
        "_limit",
        "_promised",
        "_sent_body",
        "_waiter",
        "bytes_sent",
        "client",
        "feeding",
        "has_sent_all",
        "head",
        "informed",
        "is_aborted",
        "is_disconnected",
        "pieces",
        "response_head",
        "scheme",
        "server",
        "socket",
        "started",
        "trailer",
    )

    def __init__(self, head: RequestHead, body: bytes | None) -> None:
        """`body` None: it comes by `feed` and `end_body`."""
        self.head = head
        self.scheme = "http"
        self.client: Address | None = ("127.0.0.1", 50000)
        self.server: Address | None = ("127.0.0.1", 80)
        self.response_head: ResponseHead | None = None
        self.pieces: list[bytes] = []
        self.informed: list[tuple[int, list[tuple[bytes, bytes]]]] = []
        self.trailer: list[tuple[bytes, bytes]] = []
        self.bytes_sent = 0
        self.socket: MemorySocket | None = None
        self.started = 0.0
        self.is_disconnected = False
        self.is_aborted = False
        self.has_sent_all = False
        self.feeding: asyncio.Task[None] | None = None
        self._body = [body] if body else []
        self._early = b""
        self._is_whole = body is not None
        self._limit = 1 << 62
        self._promised = -1
        self._sent_body = True
        self._waiter: asyncio.Future[None] | None = None
        self._finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._callbacks: list[Callable[[], None]] = []

    @classmethod
    def make(
        cls,
        method: str,
        target: str,
        headers: Sequence[tuple[bytes, bytes]],
        body: bytes | None,
        limits: HeadLimits,
    ) -> MemoryRequest:
        """A request as if it had come by wire: judged by the same rules. Raises RequestRejected as `read_head`.

        `body` None: it comes by `feed`, in chunks.
        """
        fields = list(headers)
        if body and not any(name == b"content-length" for name, _ in fields):
            fields.append((b"content-length", b"%d" % len(body)))
        if body is None:
            fields.append((b"transfer-encoding", b"chunked"))
        lines = b"".join(b"%b: %b\r\n" % pair for pair in fields)
        head = read_head(b"%b %b HTTP/1.1\r\n%b\r\n" % (method.encode(), target.encode(), lines), limits)
        return cls(head, body)

    @property
    def capabilities(self) -> Capability:
        """As `WorkerRequest.capabilities`."""
        return Capability.SEND_FILE | Capability.INFORM | Capability.TRAILERS | Capability.UPGRADE

    # -- the client's side -------------------------------------------------------------------------------------------------

    async def wait_finished(self) -> None:
        """Wait until the answer is complete, or cut off."""
        await asyncio.shield(self._finished)

    def feed(self, piece: bytes) -> None:
        """Send a piece of the body."""
        self._body.append(piece)
        self._wake()

    def end_body(self) -> None:
        """The body is whole."""
        self._is_whole = True
        self._wake()

    async def feed_from(self, pieces: AsyncIterable[bytes]) -> None:
        """Send a body as it comes."""
        async for piece in pieces:
            self.feed(piece)
        self.end_body()

    def send_bytes(self, sent: bytes) -> None:
        """Send bytes behind a handshake, also before it was answered: frames, if it is accepted, and for nobody if not."""
        if self.socket is None:
            self._early += sent
        else:
            self.socket.feed(sent)

    def disconnect(self) -> None:
        """Leave."""
        if self.socket is not None:
            self.socket.leave()
            return
        self._lose()

    def _lose(self) -> None:
        self.is_disconnected = True
        self._wake()
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    # -- the worker request -------------------------------------------------------------------------------------------------

    def limit_body(self, limit: int) -> None:
        """As `WorkerRequest.limit_body`."""
        self._limit = limit
        if self.head.content_length > limit:
            raise too_large(limit)

    def take(self) -> bytes | None:
        """As `WorkerRequest.take`."""
        if self._body:
            piece = b"".join(self._body)
            self._body.clear()
            self._limit -= len(piece)
            if self._limit < 0:
                raise too_large(self._limit + len(piece))
            return piece
        if self.is_disconnected and not self._is_whole:
            raise ClientGone("the client left")
        return b"" if self._is_whole else None

    async def wait_body(self) -> None:
        """As `WorkerRequest.wait_body`."""
        if self._body or self._is_whole or self.is_disconnected:
            return
        if self._waiter is None:
            self._waiter = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._waiter)

    def send(self, head: ResponseHead | None, body: bytes, more: bool) -> Awaitable[None] | None:
        """As `WorkerRequest.send`."""
        if head is not None:
            self._take_head(head)
        if self.has_sent_all:
            return None
        if self.is_disconnected and more:
            raise ClientGone("the client left")
        if self._sent_body:
            self._keep(body, more)
        if not more:
            self._finish()
        return None

    async def send_file(self, head: ResponseHead | None, descriptor: int, offset: int, count: int, more: bool) -> None:
        """As `WorkerRequest.send_file`."""
        self.send(head, read_at(descriptor, count, offset), more)

    def inform(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """As `WorkerRequest.inform`."""
        write_fields(headers)
        self.informed.append((status, list(headers)))

    def trailers(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """As `WorkerRequest.trailers`."""
        check_trailers(headers)
        self.trailer = list(headers)

    def upgrade(self, head: ResponseHead, terms: UpgradeTerms) -> MemorySocket | None:
        """As `WorkerRequest.upgrade`."""
        added = added_fields(head)
        write_fields(added)
        if self.is_disconnected or self.is_aborted:
            self._finish()
            return None
        self.response_head = ResponseHead(101, handshake_fields(terms) + added)
        self.socket = MemorySocket(terms, self._lose)
        self.socket.feed(self._early)
        self._finish()
        return self.socket

    def abort(self) -> None:
        """As `WorkerRequest.abort`."""
        if self.socket is not None:
            self.socket.abort()
            return
        self.is_aborted = True
        self._finish()

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """As `WorkerRequest.on_disconnect`."""
        if self.is_disconnected:
            asyncio.get_running_loop().call_soon(callback)
        else:
            self._callbacks.append(callback)

    def _take_head(self, head: ResponseHead) -> None:
        if self.response_head is not None:
            raise ContractError("the head of this response has been sent already")
        self._promised = write_head(head)[1]
        self._sent_body = self.head.method != "HEAD" and not is_bodiless(head.status_code)
        self.response_head = head

    def _keep(self, body: bytes, more: bool) -> None:
        sent = self.bytes_sent + len(body)
        if self._promised >= 0 and (sent > self._promised or (not more and sent < self._promised)):
            if not self.pieces and not more:
                self.response_head = None
            raise ContractError(f"the response has {sent} bytes of body but content-length {self._promised}")
        self.bytes_sent = sent
        if body:
            self.pieces.append(body)

    def _finish(self) -> None:
        self.has_sent_all = True
        if not self._finished.done():
            self._finished.set_result(None)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
