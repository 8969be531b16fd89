"""One request passed on to a backend, and its answer on the way back; streaming both ways, neither faster than its reader.

The quick way takes no task: a request without a body goes to an idle connection, is parked, and its answer, whole in one
read, goes on with the plan from there. Whatever else there is to wait for, `run` and `stream` wait for in the request's task.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Final

from penstock.errors import ClientGone
from penstock.http.response_head import is_trailer
from penstock.http.status import is_bodiless
from penstock.intake.worker_request import Capability
from penstock.pipeline.task import resume
from penstock.request_handlers.proxy_answer import ArrivingAnswer
from penstock.request_handlers.proxy_body import BodySender
from penstock.request_handlers.proxy_failures import BrokenConnection, describe_error, failure_of

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.request_handlers.proxy import Proxy
    from penstock.request_handlers.proxy_answer_head import AnswerHead
    from penstock.request_handlers.proxy_backends import Backend
    from penstock.request_handlers.proxy_connection import BackendConnection

# An answer that says it has no more bytes than this is held back so many seconds: most come in two reads, and leave in one write.
_SMALL: Final = 65536
_HOLD: Final = 0.02
_CONTINUE: Final = 100
_EARLY_HINTS: Final = 103

# RFC 9110 section 9.2.2: asking twice does no more than asking once. A proxy never repeats the others.
_IDEMPOTENT: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"))


class ClientWatch:
    """What the host tells that the client has left: it is kept as long as the request, and the exchange is not.

    So nothing holds itself in a circle, which only the garbage collector could end.
    """

    __slots__ = ("exchange",)

    def __init__(self, exchange: Exchange) -> None:
        self.exchange: Exchange | None = exchange

    def tell(self) -> None:
        """The client has left."""
        if self.exchange is not None:
            self.exchange.lose_client()


class Exchange(ArrivingAnswer):
    """What has come of one answer, and what is still to come. The connection calls `begin_answer` to `notify`."""

    __slots__ = (
        "_chosen",
        "_hold",
        "_is_again",
        "_is_held",
        "_is_inside",
        "_is_parked",
        "_proxy",
        "_retries",
        "_sender",
        "_trailers",
        "_tried",
        "_waiter",
        "_watch",
        "backend",
        "context",
        "error",
        "is_sent",
        "is_whole",
        "response",
        "worker_request",
    )

    def __init__(self, context: Context, proxy: Proxy) -> None:
        self.context = context
        super().__init__(proxy.buffer, is_head=context.worker_request.head.line.is_head)
        # Its own: middleware in a stage puts others into the context for what it wraps.
        self.worker_request = context.worker_request
        self.response = context.response
        self.backend: Backend | None = None
        self.error: Exception | None = None
        self.is_whole = False
        self.is_sent = False  # the request, to its last byte
        self._proxy = proxy
        self._sender: BodySender | None = None
        self._chosen: Backend | None = None
        self._trailers: Sequence[tuple[bytes, bytes]] = ()
        self._is_parked = False
        self._is_held = False
        self._is_inside = False
        self._is_again = False
        self._hold: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._watch = ClientWatch(self)
        self._retries = proxy.retries
        self._tried: list[Backend] = []

    # -- the request goes out ------------------------------------------------------------------------------------------------

    def send_at_once(self, backend: Backend, connection: BackendConnection) -> None:
        """Send a request without a body; whoever calls parks it then."""
        self._is_parked = True
        self._enter(backend, connection)
        self.is_sent = True
        self.context.exchange = self
        connection.begin(self, self._head(backend) + b"\r\n", connection.pool.loop.time())
        self.worker_request.on_disconnect(self._watch.tell)

    async def run(self, chosen: Backend | None = None) -> None:
        """Send the request, to `chosen` at first, again where that is safe, and answer with what comes of it."""
        self._chosen = chosen
        self.worker_request.on_disconnect(self._watch.tell)
        await self._go()

    async def _go(self) -> None:
        try:
            while True:
                await self._connect()
                self._send()
                await self._wait_ready()
                if self.error is None:
                    break
                if not self._may_repeat():
                    raise self._failure(self.error)
                self._forget_answer()
            await self._begin_response()
        finally:
            self.close()

    async def _begin_response(self) -> None:
        pending = self.respond()
        if pending is not None:
            await pending

    def _head(self, backend: Backend) -> bytes:
        return self._proxy.writer.write(self.worker_request, backend.host)

    async def _connect(self) -> None:
        """Get a connection to a backend; to another one when one cannot be reached, for it has seen nothing yet."""
        while True:
            backend = self._chosen or self._proxy.backends.choose(self._tried)
            self._chosen = None
            try:
                connection = await self._open(backend)
            except OSError as error:  # TimeoutError is one
                backend.health.note_no_connection(describe_error(error), asyncio.get_running_loop().time())
                self._tried.append(backend)
                if not self._proxy.retries or not self._proxy.backends.has_untried(self._tried):
                    self.backend = backend
                    raise self._failure(error) from None
                continue
            backend.health.note_connected()
            if self.error is not None:  # the client left meanwhile
                connection.pool.release(connection)
                raise self.error
            self._enter(backend, connection)
            return

    async def _open(self, backend: Backend) -> BackendConnection:
        return await backend.pool.acquire(is_fresh=self._is_again)

    def _send(self) -> None:
        assert self.connection is not None
        assert self.backend is not None
        sender = self._sender = BodySender(self, self.connection)
        try:
            sender.begin(self._head(self.backend))
        except BaseException:
            if self.connection.exchange is not self:
                self.connection.pool.release(self.connection)  # it has seen nothing of this request
            raise

    # -- the answer comes in -------------------------------------------------------------------------------------------------

    def end(self, trailers: Sequence[tuple[bytes, bytes]]) -> None:
        """The answer is whole."""
        self.is_whole = True
        self._trailers = trailers
        self._leave()

    def fail(self, error: Exception, *, has_begun: bool) -> None:
        """The rest of the answer will not come; `has_begun` is whether a byte of it has."""
        if self.error is None and not self.is_whole:
            self.error = error
            self.has_begun = self.has_begun or has_begun
        self._leave()

    def take_interim(self, head: AnswerHead) -> None:
        """An interim answer has come: the body may be sent, or the client is told what it may fetch (RFC 9110 section 15.2)."""
        self.has_begun = True
        if head.status == _CONTINUE and self._sender is not None:
            self._sender.go_on()
        worker_request = self.worker_request
        if head.status == _EARLY_HINTS and Capability.INFORM in worker_request.capabilities:
            fields = [pair for pair in head.fields if pair[0] != b"content-length"]
            if not worker_request.is_disconnected and not self.response.is_started:
                worker_request.inform(_EARLY_HINTS, fields)

    def switch(self, connection: BackendConnection, head: AnswerHead, rest: bytes) -> bool:
        """The backend has switched protocols, and `rest` came behind its head; False: nobody has asked for that."""
        return False

    def notify(self) -> None:
        """Something has come: whoever waits for it goes on."""
        if not self._is_ready():
            return
        if self._is_parked:
            self._is_parked = False
            context = self.context
            if context.exchange is self and not context.is_over:
                resume(context)
            else:
                self.close()
            return
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _is_ready(self) -> bool:
        if self.is_whole or self.error is not None:
            return True
        answer = self.answer
        if answer is None:
            return False
        if not self._is_held and 0 < answer.length <= _SMALL and not self.response.is_started:
            if self._hold is None:
                self._hold = asyncio.get_running_loop().call_later(_HOLD, self._stop_holding)
            return False
        return True

    def _stop_holding(self) -> None:
        self._is_held = True
        self.notify()

    def lose_client(self) -> None:
        """The client has left: nobody wants the answer any more."""
        if self.is_whole and not self.pieces:
            return
        self.fail(ClientGone("the client left"), has_begun=True)
        self._drop_connection()
        self.notify()

    def expire(self) -> None:
        """Called when the deadline of the request has passed while it was parked: it has been answered for."""
        self._is_parked = False
        self.close()

    # -- the answer goes out -------------------------------------------------------------------------------------------------

    def settle(self) -> Awaitable[None] | None:
        """Go on behind the parking: answer, or ask again where that is safe. Raises BackendFailed, ClientGone."""
        if self.error is not None:
            if not self._may_repeat():
                self.close()
                raise self._failure(self.error)
            self._forget_answer()
            return self._go()
        if not self.is_whole:
            return self._stream_apart()
        self._watch.exchange = None
        return self.respond()

    def respond(self) -> Awaitable[None] | None:
        """Make the answer of the backend the response; an awaitable, when there is more of it to come."""
        self._set_head()
        if not self.is_whole:
            return self._stream()
        self.response.content = self.take()
        self._set_trailers()
        return None

    def _set_head(self) -> None:
        answer, response = self.answer, self.response
        assert answer is not None
        response.begin_head(answer.status)
        headers = answer.fields.copy()
        if response.raw_headers:
            # Those of the backend in place of those that modules have set; cookies of both.
            names = {name for name, _ in headers if name != b"set-cookie"}
            headers = [pair for pair in response.raw_headers if pair[0] not in names] + headers
        response.raw_headers = headers
        if self.is_head and answer.length < 0 and not is_bodiless(answer.status):
            # RFC 9110 section 8.6: nobody knows how long the answer to GET would be.
            response.need_extras().has_unknown_length = True
            response.is_special = True

    def _set_trailers(self) -> None:
        trailers = [pair for pair in self._trailers if is_trailer(pair[0])]
        if trailers and Capability.TRAILERS in self.worker_request.capabilities:
            self.response.add_trailers(trailers)

    async def _stream_apart(self) -> None:
        try:
            self._set_head()
            await self._stream()
        finally:
            self.close()

    async def _stream(self) -> None:
        response = self.response
        pending = response.send_piece(self.take())
        while True:
            if pending is not None:
                await pending
            piece = self.take()
            if self.is_whole:
                # The last piece leaves with the end of the body, in END.
                response.content = piece
                self._set_trailers()
                return
            if self.error is not None:
                raise self._failure(self.error)
            if piece:
                pending = response.send_piece(piece)
            else:
                pending = None
                await self._wait()

    async def _wait_ready(self) -> None:
        while not self._is_ready():
            await self._wait()

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        await self._waiter

    # -- its end -------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Nothing more is to be done for this exchange; a connection whose answer is not whole is dropped."""
        self._watch.exchange = None
        self._leave()
        self._drop_connection()

    def _enter(self, backend: Backend, connection: BackendConnection) -> None:
        self.backend = backend
        self.connection = connection
        self._is_inside = True
        backend.inside += 1

    def _leave(self) -> None:
        if self._is_inside and self.backend is not None:
            self._is_inside = False
            self.backend.inside -= 1
        if self._hold is not None:
            self._hold.cancel()
            self._hold = None
        if self._sender is not None:
            self._sender.stop()

    def _drop_connection(self) -> None:
        connection = self.connection
        if connection is not None and connection.exchange is self:
            connection.leave()

    def _may_repeat(self) -> bool:
        """Whether asking again can do no harm (RFC 9110 section 9.2.2, RFC 9112 section 9.3.1)."""
        if not self._retries or self.has_begun or not isinstance(self.error, BrokenConnection):
            return False
        if self._sender is not None and self._sender.has_begun:
            return False
        return self.worker_request.head.method in _IDEMPOTENT and not self.worker_request.is_disconnected

    def _forget_answer(self) -> None:
        self._retries -= 1
        connection, backend = self.connection, self.backend
        if connection is not None and not connection.is_reused and backend is not None:
            self._tried.append(backend)
        self._is_again = True
        self.error = None
        self.is_sent = False
        self.connection = None
        self.pieces.clear()

    def _failure(self, error: Exception) -> Exception:
        return failure_of(error, "a backend" if self.backend is None else self.backend.name)
