"""AsgiReceiving: the half of a request by `scope`, `receive` and `send` that takes in: who asks, the body, and who left."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from penstock.errors import ClientGone, RequestRejected
from penstock.http.messages import RequestHead
from penstock.intake.asgi_frames import AsgiFrames
from penstock.intake.worker_request import Address

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]

# So much of a body is received before somebody reads it, for the sake of noticing that the client leaves; as on own sockets.
HIGH_WATER: Final = 128 * 1024


class AsgiReceiving:
    """See `AsgiRequest`, which is the whole."""

    __slots__ = (
        "_buffered",
        "_callbacks",
        "_has_ended",
        "_is_deaf",
        "_is_released",
        "_is_watched",
        "_is_whole",
        "_limit",
        "_loop",
        "_outgoing",
        "_pieces",
        "_reading",
        "_receive",
        "_taken",
        "_waiter",
        "_waiting",
        "client",
        "frames",
        "has_sent_all",
        "head",
        "is_disconnected",
        "scheme",
        "server",
        "started",
    )

    def __init__(self, scope: MutableMapping[str, Any], receive: Receive, head: RequestHead) -> None:
        scheme: str = scope.get("scheme", "http")
        self.head = head
        self.scheme: str = {"ws": "http", "wss": "https"}.get(scheme, scheme)
        self.client: Address | None = _address(scope.get("client"))
        self.server: Address | None = _address(scope.get("server"))
        self.started = 0.0
        self.is_disconnected = False
        self.has_sent_all = False
        self.frames: AsgiFrames | None = None
        self._receive = receive
        self._loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._taken = 0
        self._is_whole = head.content_length == 0
        self._has_ended = False  # the last message of the body was received
        self._is_deaf = False  # what is received says nothing of the client
        self._limit = 1 << 62
        self._waiter: asyncio.Future[None] | None = None
        self._waiting = 0
        self._reading: asyncio.Task[None] | None = None
        self._callbacks: list[Callable[[], None]] = []
        self._is_watched = False  # an answer streams: that its client leaves is to be noticed, whoever asked
        self._outgoing: deque[Message] = deque()
        self._is_released = False

    def come_from(self, client: Address | None) -> None:
        """A trusted proxy says who the client is."""
        self.client = client

    def limit_body(self, limit: int) -> None:
        """As `WorkerRequest.limit_body`."""
        self._limit = limit
        if self.head.content_length > limit or self._taken > limit:
            raise _too_large(limit)

    def take(self) -> bytes | None:
        """As `WorkerRequest.take`."""
        if self._taken > self._limit:
            raise _too_large(self._limit)
        if self._pieces:
            piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            self._buffered = 0
            self.begin_reading()
            return piece
        if self._is_whole:
            return b""
        if self.is_disconnected:
            raise ClientGone("the client left")
        if self._is_released or self.has_sent_all:
            raise ClientGone("the request was answered before its body was read")
        return None

    async def wait_body(self) -> None:
        """As `WorkerRequest.wait_body`."""
        if self._pieces or self._is_whole or self.is_disconnected or self._is_released or self._taken > self._limit:
            return
        if self._waiter is None:
            self._waiter = self._loop.create_future()
        self._waiting += 1
        self.begin_reading()
        try:
            # Several may wait at once; a cancelled one must not wake the others.
            await asyncio.shield(self._waiter)
        finally:
            self._waiting -= 1

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """As `WorkerRequest.on_disconnect`."""
        if self.is_disconnected:
            self._loop.call_soon(callback)
            return
        self._callbacks.append(callback)
        self.begin_reading()

    def begin_reading(self) -> None:
        """Receive, if somebody wants to know what comes. One task does so: `receive` is not called twice at a time."""
        if self._reading is None and self._wants_messages():
            self._reading = self._loop.create_task(self._read(), name="penstock-asgi-receive")

    def _wants_messages(self) -> bool:
        if self._is_released or self.is_disconnected or self._is_deaf:
            return False
        if self.frames is not None:
            return self.frames.wants_messages
        if self._is_whole:
            return bool(self._callbacks) or (self._is_watched and not self.has_sent_all)
        if self._buffered >= HIGH_WATER or self._taken > self._limit:
            return False
        # RFC 9110 section 10.1.1: to ask for the body of who expects 100 is to tell the client to send it.
        return self._waiting > 0 or ((bool(self._callbacks) or self._is_watched) and not self.head.expects_continue)

    async def _read(self) -> None:
        try:
            while self._wants_messages():
                self._take_message(await self._receive())
        except Exception:
            self._lose()  # a server that cannot tell any more has no client either
        finally:
            self._reading = None

    def _take_message(self, message: Message) -> None:
        kind = message["type"]
        if self.frames is not None:
            self.frames.take(message)
        elif kind == "http.request" and self._has_ended:
            # Middleware that offers a body again may do so for ever: whoever goes on asking would never come to an end.
            self._is_deaf = True
        elif kind == "http.request":
            piece = bytes(message.get("body") or b"")
            self._is_whole = self._has_ended = not message.get("more_body")
            if piece:
                self._taken += len(piece)
                self._buffered += len(piece)
                self._pieces.append(piece)
            if piece or self._is_whole:
                self._wake_readers()
        elif kind != "websocket.connect":
            self._lose()

    def _wake_readers(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _lose(self) -> None:
        """The client has left, or the server: whoever reads, and who asked, is told."""
        callbacks, self._callbacks = self._callbacks, []
        if self.has_sent_all and self.frames is None:
            return  # an answer that is complete has no use for its client
        self.is_disconnected = True
        self._outgoing.clear()
        self._wake_readers()
        if self.frames is not None:
            self.frames.lose()
        for callback in callbacks:
            callback()


def _address(pair: Any) -> Address | None:
    # Some servers say ("", 0), or twice None, of a Unix socket.
    return None if not pair or not pair[0] else (str(pair[0]), None if pair[1] is None else int(pair[1]))


def _too_large(limit: int) -> RequestRejected:
    return RequestRejected(413, f"the body is larger than {limit} bytes", rule="RFC 9110 section 15.5.14")
