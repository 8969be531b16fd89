"""AsgiRequest: a request that comes by `scope`, `receive` and `send`: of an ASGI server's, or of a middleware in a stage."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable, Generator, MutableMapping, Sequence
from typing import Any, Final

from penstock.errors import ClientGone, ContractError, RequestRejected
from penstock.http.messages import RequestHead, ResponseHead
from penstock.http.response_head import CLOSES, check_trailers, write_fields, write_head
from penstock.http.status import is_bodiless
from penstock.intake.frame_transport import FrameTransport, UpgradeTerms
from penstock.intake.worker_request import Address, Capability

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

# So much of a file is read and sent at a time.
_PIECE: Final = 256 * 1024
# What the host of the connection says itself (RFC 9110 section 7.6.1).
_HOP_BY_HOP: Final = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))


class AsgiRequest:
    """One request on loan from an ASGI server, or from a middleware that wraps what comes behind it.

    What is sent is queued, and leaves when somebody waits for it: whoever got an awaitable from `send`, and in the end
    `finish`. `scheme`, `client` and `server` are those of the scope.
    """

    __slots__ = (
        "_callbacks",
        "_extensions",
        "_failure",
        "_finished",
        "_has_body",
        "_is_draining",
        "_is_whole",
        "_limit",
        "_loop",
        "_outgoing",
        "_pieces",
        "_promised",
        "_reading",
        "_receive",
        "_send",
        "_taken",
        "_trailers",
        "_watching",
        "bytes_sent",
        "client",
        "has_sent_all",
        "has_sent_head",
        "head",
        "is_aborted",
        "is_disconnected",
        "scheme",
        "server",
        "started",
    )

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send, *, head: RequestHead) -> None:
        """`head` is what the scope says, judged: see `http.foreign_head`."""
        self.head = head
        self.scheme: str = {"ws": "http", "wss": "https"}.get(scope.get("scheme", "http"), scope.get("scheme", "http"))
        self.client: Address | None = _address(scope.get("client"))
        self.server: Address | None = _address(scope.get("server"))
        self.bytes_sent = 0
        self.started = 0.0
        self.is_disconnected = False
        self.is_aborted = False
        self.has_sent_head = False
        self.has_sent_all = False
        self._receive = receive
        self._send = send
        self._extensions: dict[str, Any] = scope.get("extensions") or {}
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes] = []
        self._is_whole = head.content_length == 0
        self._limit = 1 << 62
        self._taken = 0
        self._reading: asyncio.Future[None] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._callbacks: list[Callable[[], None]] = []
        self._outgoing: deque[Message] = deque()
        self._is_draining = False
        self._promised = -1
        self._has_body = True
        self._trailers: Sequence[tuple[bytes, bytes]] = ()
        self._failure: Exception | None = None
        self._finished: asyncio.Future[None] = self._loop.create_future()

    @property
    def capabilities(self) -> Capability:
        """As `WorkerRequest.capabilities`: what the scope's extensions allow."""
        found = Capability.SEND_FILE
        if "http.response.early_hint" in self._extensions:
            found |= Capability.INFORM
        if "http.response.trailers" in self._extensions:
            found |= Capability.TRAILERS
        return found

    # -- reading ---------------------------------------------------------------------------------------------------------

    def limit_body(self, limit: int) -> None:
        """As `WorkerRequest.limit_body`."""
        self._limit = limit
        if self.head.content_length > limit:
            raise _too_large(limit)

    def take(self) -> bytes | None:
        """As `WorkerRequest.take`."""
        if self._taken > self._limit:
            raise _too_large(self._limit)
        if self._pieces:
            piece = b"".join(self._pieces)
            self._pieces.clear()
            return piece
        if self._is_whole:
            return b""
        if self.is_disconnected:
            raise ClientGone("the client left")
        return None

    async def wait_body(self) -> None:
        """As `WorkerRequest.wait_body`."""
        if self._pieces or self._is_whole or self.is_disconnected:
            return
        if self._reading is None:
            self._reading = asyncio.ensure_future(self._read())
        await asyncio.shield(self._reading)

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """As `WorkerRequest.on_disconnect`."""
        if self.is_disconnected:
            self._loop.call_soon(callback)
            return
        self._callbacks.append(callback)
        self._watch()

    async def _read(self) -> None:
        try:
            message = await self._receive()
        finally:
            self._reading = None
        if message["type"] in ("http.disconnect", "websocket.disconnect"):
            self._lose()
            return
        piece = bytes(message.get("body") or b"")
        self._taken += len(piece)
        if piece:
            self._pieces.append(piece)
        self._is_whole = not message.get("more_body")
        if self._is_whole and self._callbacks:
            self._watch()

    def _watch(self) -> None:
        """Behind the body, only the client's leaving can be received; who reads the body finds it out while reading."""
        if self._is_whole and self._watching is None and not self.has_sent_all:
            self._watching = self._loop.create_task(self._wait_disconnect())

    async def _wait_disconnect(self) -> None:
        try:
            while not self.is_disconnected:
                message = await self._receive()
                if message["type"] in ("http.disconnect", "websocket.disconnect"):
                    self._lose()
        except Exception:
            self._lose()  # a server that cannot tell any more has no client either

    def _lose(self) -> None:
        if not self.has_sent_all:
            self.is_disconnected = True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    # -- answering -------------------------------------------------------------------------------------------------------

    def send(self, head: ResponseHead | None, body: bytes, more: bool) -> Awaitable[None] | None:
        """As `WorkerRequest.send`."""
        if self.has_sent_all:
            return None
        if head is not None:
            self._queue_head(head, None if more else len(body))
        if not self._has_body:
            body = b""
        self._check_length(len(body), more)
        self.bytes_sent += len(body)
        has_trailers = not more and bool(self._trailers)
        self._outgoing.append({"type": "http.response.body", "body": body, "more_body": more})
        if has_trailers:
            self._outgoing.append(
                {"type": "http.response.trailers", "headers": list(self._trailers), "more_trailers": False}
            )
        if more:
            return _Drain(self)
        self._end()
        return None

    async def send_file(self, head: ResponseHead | None, descriptor: int, offset: int, count: int, more: bool) -> None:
        """As `WorkerRequest.send_file`."""
        if head is not None and not more and not any(name == b"content-length" for name, _ in head.raw_headers):
            head.raw_headers = [*head.raw_headers, (b"content-length", b"%d" % count)]
        while True:
            size = min(count, _PIECE)
            piece = (
                await asyncio.to_thread(os.pread, descriptor, size, offset) if size and self._may_send(head) else b""
            )
            offset += size
            count -= size
            pending = self.send(head, piece, more or count > 0)
            head = None
            if pending is not None:
                await pending
            if not count:
                return

    def inform(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """As `WorkerRequest.inform`: 103 with its links, where the server can (ASGI `http.response.early_hint`)."""
        write_fields(headers)
        links = [value for name, value in headers if name == b"link"]
        if "http.response.early_hint" in self._extensions and status == 103 and links and not self.has_sent_head:
            self._outgoing.append({"type": "http.response.early_hint", "links": links})

    def trailers(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """As `WorkerRequest.trailers`."""
        check_trailers(headers)
        self._trailers = headers if "http.response.trailers" in self._extensions else ()

    def upgrade(self, head: ResponseHead, terms: UpgradeTerms) -> FrameTransport | None:
        """As `WorkerRequest.upgrade`."""
        raise ContractError("this host carries no WebSockets")

    def abort(self) -> None:
        """As `WorkerRequest.abort`: the server is told by an error that leaves the application (see `finish`)."""
        if not self.has_sent_all:
            self.is_aborted = True
            self._outgoing.clear()
            self._end()

    # -- for whoever led it here -------------------------------------------------------------------------------------------

    async def drain(self) -> None:
        """Send what is queued. Raises ClientGone when the client has left."""
        if self._is_draining:
            return
        self._is_draining = True
        try:
            while self._outgoing:
                await self._send(self._outgoing.popleft())
        except OSError as error:
            self._outgoing.clear()
            self._lose()
            raise ClientGone("the client left") from error
        finally:
            self._is_draining = False

    async def finish(self) -> None:
        """Wait until the answer is complete, and send the rest of it. Raises ClientGone when it was cut off."""
        try:
            await asyncio.shield(self._finished)
            await self.drain()
        finally:
            self.release()
        if self.is_aborted:
            raise ClientGone("the answer was cut off")

    def release(self) -> None:
        """Nobody looks at its client any more."""
        if self._watching is not None:
            self._watching.cancel()
            self._watching = None

    def _end(self) -> None:
        self.has_sent_all = True
        if not self._finished.done():
            self._finished.set_result(None)

    def _may_send(self, head: ResponseHead | None) -> bool:
        return self._has_body if head is None else self._sends_body(head.status_code)

    def _sends_body(self, status: int) -> bool:
        return self.head.method != "HEAD" and not is_bodiless(status)

    def _queue_head(self, head: ResponseHead, length: int | None) -> None:
        if self.has_sent_head:
            raise ContractError("the head of this response has been sent already")
        _, promised, notes = write_head(head)
        headers = [pair for pair in head.raw_headers if pair[0] not in _HOP_BY_HOP]
        self._has_body = self._sends_body(head.status_code)
        if promised < 0 and length is not None and not is_bodiless(head.status_code):
            headers.append((b"content-length", b"%d" % length))
        if notes & CLOSES:
            headers.append((b"connection", b"close"))
        self._promised = promised if self._has_body else -1
        self.has_sent_head = True
        start: Message = {"type": "http.response.start", "status": head.status_code, "headers": headers}
        if self._trailers or "http.response.trailers" in self._extensions:
            start["trailers"] = bool(self._trailers)
        self._outgoing.append(start)

    def _check_length(self, count: int, more: bool) -> None:
        if self._promised < 0:
            return
        if count > self._promised:
            raise ContractError("the response body is longer than its content-length")
        if not more and count < self._promised:
            raise ContractError("the response body is shorter than its content-length")
        self._promised -= count


class _Drain:
    """What `send` returns: whoever awaits it sends what is queued; nothing is lost when nobody does."""

    __slots__ = ("_request",)

    def __init__(self, request: AsgiRequest) -> None:
        self._request = request

    def __await__(self) -> Generator[Any, Any, None]:
        return self._request.drain().__await__()


def _address(pair: Any) -> Address | None:
    return None if pair is None else (str(pair[0]), None if pair[1] is None else int(pair[1]))


def _too_large(limit: int) -> RequestRejected:
    return RequestRejected(413, f"the body is larger than {limit} bytes", rule="RFC 9110 section 15.5.14")
