"""AsgiRequest: a request that comes by `scope`, `receive` and `send`: of an ASGI server's, or of a middleware in a stage."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, Final

from penstock.errors import ClientGone, ContractError
from penstock.http.messages import RequestHead, ResponseHead
from penstock.http.response_head import CLOSES, check_trailers, write_fields, write_head
from penstock.http.status import is_bodiless
from penstock.http.websocket_handshake import added_fields
from penstock.intake.answer_pieces import Drain, Turns, announce_file, check_length, send_pieces
from penstock.intake.asgi_frames import AsgiFrames
from penstock.intake.asgi_receiving import AsgiReceiving, Message, Receive
from penstock.intake.frame_transport import UpgradeTerms
from penstock.intake.worker_request import Capability

logger = logging.getLogger("penstock")

Send = Callable[[Message], Awaitable[None]]

# Seconds in which a client may take the Close of a server that stops.
_LAST_WORDS: Final = 1.0
# What the host of the connection says itself (RFC 9110 section 7.6.1).
HOP_BY_HOP: Final = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_EARLY_HINT: Final = "http.response.early_hint"
_TRAILERS: Final = "http.response.trailers"
_DENIAL: Final = "websocket.http.response"


class AsgiRequest(AsgiReceiving):
    """One request on loan from an ASGI server, or from a middleware that wraps what comes behind it.

    What is sent is queued, and leaves when somebody waits for it: whoever got an awaitable from `send` and, where there is
    one, `finish`. `scheme`, `client` and `server` are those of the scope. `failure` is what `send` of the other side raised.
    """

    __slots__ = (
        "_dropped",
        "_extensions",
        "_has_body",
        "_is_finishing",
        "_is_socket",
        "_promised",
        "_send",
        "_start",
        "_trailers",
        "_turns",
        "_wake",
        "bytes_sent",
        "failure",
        "has_sent_head",
        "is_aborted",
    )

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
        *,
        head: RequestHead,
        dropped: frozenset[bytes] = HOP_BY_HOP,
    ) -> None:
        """`head` is what the scope says, judged: see `http.foreign_head`. Of a WebSocket, `websocket.connect` was received.

        `dropped` are the fields of answers that the other side writes itself.
        """
        super().__init__(scope, receive, head)
        self._dropped = dropped
        self.bytes_sent = 0
        self.is_aborted = False
        self.has_sent_head = False
        self.failure: Exception | None = None
        self._send = send
        self._extensions: dict[str, Any] = scope.get("extensions") or {}
        self._is_socket: bool = scope["type"] == "websocket"
        self._is_finishing = False
        self._turns: Turns | None = None
        self._wake: asyncio.Future[None] | None = None
        self._promised = -1
        self._has_body = True
        self._start: Message | None = None
        self._trailers: Sequence[tuple[bytes, bytes]] = ()

    @property
    def capabilities(self) -> Capability:
        """As `WorkerRequest.capabilities`: what the scope's extensions allow."""
        if self._is_socket:
            return Capability.SEND_FILE | Capability.UPGRADE
        found = Capability.SEND_FILE
        if _EARLY_HINT in self._extensions:
            found |= Capability.INFORM
        if _TRAILERS in self._extensions:
            found |= Capability.TRAILERS
        return found

    # -- answering -------------------------------------------------------------------------------------------------------

    def send(self, head: ResponseHead | None, body: bytes, more: bool) -> Awaitable[None] | None:
        """As `WorkerRequest.send`."""
        if head is not None:
            if self.has_sent_head:
                raise ContractError("the head of this response has been sent already")
            if self.has_sent_all:
                return None
            return self._send_first(head, body, more)
        if self.has_sent_all:
            return None
        if not self._has_body:
            body = b""
        check_length(self._promised, len(body), more)
        if more and self._is_finishing and not self._is_watched:
            # A server may drop what is written for a client that has left, and say nothing.
            self._is_watched = True
            self.begin_reading()
        return self._send_body(body, more)

    def _send_first(self, head: ResponseHead, body: bytes, more: bool) -> Awaitable[None] | None:
        _, promised, notes = write_head(head)
        dropped = self._dropped
        headers = [pair for pair in head.raw_headers if pair[0] not in dropped]
        is_empty = is_bodiless(head.status_code)
        has_body = not is_empty and not self.head.line.is_head
        if is_empty:
            # RFC 9110 section 8.6: none with 204, and nobody needs it with 304, where uvicorn waits for such a body.
            headers = [pair for pair in headers if pair[0] != b"content-length"]
        elif promised < 0 and not more:
            headers.append((b"content-length", b"%d" % len(body)))
        if not has_body:
            promised, body = -1, b""
        check_length(promised, len(body), more)
        if notes & CLOSES and self.head.version in ("1.1", "1.0"):
            headers.append((b"connection", b"close"))
        self._promised = promised
        self._has_body = has_body
        self.has_sent_head = True
        self._queue_start(head.status_code, headers, may_have_trailers=more)
        return self._send_body(body, more)

    def _send_body(self, body: bytes, more: bool) -> Awaitable[None] | None:
        count = len(body)
        self.bytes_sent += count
        if self._promised >= 0:
            self._promised -= count
        self._queue_body(body, more)
        if more:
            return Drain(self)
        self._end()
        return None

    def _queue_start(self, status: int, headers: list[tuple[bytes, bytes]], *, may_have_trailers: bool) -> None:
        if self._is_socket:
            if _DENIAL in self._extensions:
                self._put({"type": "websocket.http.response.start", "status": status, "headers": headers})
            return
        start: Message = {"type": "http.response.start", "status": status, "headers": headers}
        if may_have_trailers and _TRAILERS in self._extensions:
            # Who says now that trailers follow has to send them, were they none.
            start["trailers"] = any(name == b"trailer" for name, _ in headers) or self._is_asked_for_trailers()
            self._start = start
        self._put(start)

    def _is_asked_for_trailers(self) -> bool:
        """RFC 9110 section 6.5.1: the client has said that it takes them."""
        return any(name == b"te" and b"trailers" in value for name, value in self.head.headers)

    def _queue_body(self, body: bytes, more: bool) -> None:
        if not self._is_socket:
            self._put({"type": "http.response.body", "body": body, "more_body": more})
            if not more and self._start is not None and self._start["trailers"]:
                self._put({"type": _TRAILERS, "headers": list(self._trailers), "more_trailers": False})
        elif _DENIAL in self._extensions:
            self._put({"type": "websocket.http.response.body", "body": body, "more_body": more})
        elif not more:
            self._put({"type": "websocket.close", "code": 1000, "reason": ""})  # before an accept it is a 403

    async def send_file(self, head: ResponseHead | None, descriptor: int, offset: int, count: int, more: bool) -> None:
        """As `WorkerRequest.send_file`: piece by piece, read in a thread."""
        announce_file(head, count, more)
        await send_pieces(self, head, descriptor=descriptor, offset=offset, count=count, more=more)

    def inform(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """As `WorkerRequest.inform`: 103 with its links, where the server can (ASGI `http.response.early_hint`)."""
        write_fields(headers)
        links = [value for name, value in headers if name == b"link"]
        if _EARLY_HINT in self._extensions and status == 103 and links and not (self.has_sent_head or self._is_socket):
            self._put({"type": _EARLY_HINT, "links": links})
            self._wake_sender()

    def trailers(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """As `WorkerRequest.trailers`; those that come when the head has left without a word of them are dropped."""
        check_trailers(headers)
        start = self._start
        if start is not None:
            start["trailers"] = start["trailers"] or any(each is start for each in self._outgoing)
            self._trailers = headers

    def upgrade(self, head: ResponseHead, terms: UpgradeTerms) -> AsgiFrames | None:
        """As `WorkerRequest.upgrade`."""
        if not self._is_socket:
            raise ContractError("this host carries no WebSockets")
        added = added_fields(head)
        write_fields(added)
        self.has_sent_head = True
        if self.is_disconnected or self.is_aborted:
            self._end()
            return None
        self._put({"type": "websocket.accept", "subprotocol": terms.subprotocol, "headers": added})
        self.frames = AsgiFrames(self, terms)
        self._end()
        return self.frames

    def abort(self) -> None:
        """As `WorkerRequest.abort`: the server is told by an error that leaves the application (see `finish`)."""
        if self.frames is not None:
            self.frames.abort()
        elif not self.has_sent_all:
            self.is_aborted = True
            self._outgoing.clear()
            self._end()

    # -- for the frames of a WebSocket -------------------------------------------------------------------------------------

    def queue(self, message: Message) -> None:
        """As `FrameCarrier.queue`."""
        self._put(message)
        self._wake_sender()

    def drop_queue(self) -> None:
        """As `FrameCarrier.drop_queue`."""
        self._outgoing.clear()

    def end_socket(self) -> None:
        """As `FrameCarrier.end_socket`."""
        self._lose()
        self._wake_sender()

    # -- for whoever led it here -------------------------------------------------------------------------------------------

    async def drain(self) -> None:
        """Send what is queued. Raises ClientGone when the client has left."""
        turns = self._turns = self._turns or Turns()
        while turns.is_taken:
            await turns.wait()
        turns.is_taken = True
        try:
            while self._outgoing:
                await self._send(self._outgoing.popleft())
        except Exception as error:
            raise self._fail(error) from error
        except BaseException:
            # In the middle of a message: nobody knows how much of it has left.
            self.is_aborted = True
            self._outgoing.clear()
            self._end()
            raise
        finally:
            turns.pass_on()
        if self.is_disconnected:
            raise ClientGone("the client left")

    def _fail(self, error: Exception) -> ClientGone:
        """The other side takes nothing more: because the client has left, or because it does not like what it was sent."""
        if not isinstance(error, OSError) and self._is_finishing:
            logger.error("the server did not take what was sent: %s: %s", type(error).__name__, error)
        self.failure = error
        self._outgoing.clear()
        self._lose()
        gone = ClientGone("the client left")
        gone.__cause__ = error
        return gone

    async def finish(self) -> None:
        """Send all that is queued until the answer is complete, or the socket gone. Then nothing more is received or sent.

        Raises ClientGone when the answer was cut off, although the client is there: whoever sees that cuts the connection.
        """
        self._is_finishing = True
        # Compiled by mypyc, a coroutine that waits inside `except` and raises again breaks when it is cancelled.
        failure: BaseException | None = None
        try:
            await self._send_all()
        except BaseException as error:
            failure = error
            self._lose()  # the server has ended us: it takes nothing more
        try:
            if self.frames is not None and isinstance(failure, asyncio.CancelledError):
                await self._go_away()
        finally:
            self.release()
        if failure is not None:
            raise failure
        if self.is_aborted and not self.is_disconnected:
            raise ClientGone("the answer was cut off")

    async def _send_all(self) -> None:
        while True:
            if self._outgoing:
                await self._drain_quietly()
            elif self.has_sent_all and (self.frames is None or self.frames.is_lost):
                break
            else:
                self._wake = self._loop.create_future()
                await self._wake

    async def _go_away(self) -> None:
        """The server stops: the client of a WebSocket is told, if it takes that at once (RFC 6455 section 7.4.1)."""
        try:
            async with asyncio.timeout(_LAST_WORDS):
                await self._send({"type": "websocket.close", "code": 1001, "reason": ""})
        except Exception as error:
            logger.debug("a WebSocket could not be closed when the server stopped: %s", error)

    def release(self) -> None:
        """The server wants its `receive` and `send` back."""
        self._is_released = True
        self._callbacks.clear()
        self._outgoing.clear()
        self._wake_readers()
        if self._reading is not None:
            self._reading.cancel()

    async def _drain_quietly(self) -> None:
        if self.frames is not None and self.frames.is_ending and self._reading is not None:
            # granian 2.8 sends no Close while somebody receives.
            self._reading.cancel()
            await asyncio.wait((self._reading,))
        try:
            await self.drain()
        except ClientGone:
            return
        if self.frames is not None:
            self.frames.relieve()

    def _put(self, message: Message) -> None:
        if not (self.is_disconnected or self._is_released):
            self._outgoing.append(message)

    def _end(self) -> None:
        self.has_sent_all = True
        self._wake_sender()

    def _wake_sender(self) -> None:
        wake, self._wake = self._wake, None
        if wake is not None and not wake.done():
            wake.set_result(None)
