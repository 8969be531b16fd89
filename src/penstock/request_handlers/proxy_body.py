"""The body of a request on its way to a backend: at once where it is all there, else piece by piece, as fast as it is read."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from penstock.errors import ContractError
from penstock.http.messages import CHUNKED
from penstock.pipeline.body_stream import read_piece

if TYPE_CHECKING:
    from penstock.request_handlers.proxy_connection import BackendConnection
    from penstock.request_handlers.proxy_exchange import Exchange

# RFC 9110 section 10.1.1: whoever gets no 100 sends the body all the same, after a while.
_PATIENCE: Final = 1.0
# RFC 9110 section 8.6: a body is expected of these, so its absence is said.
WITH_BODY: Final = frozenset(("POST", "PUT", "PATCH"))


class BodySender:
    """Sends one request to one connection. `has_begun` is whether anything of its body was taken, and is gone."""

    __slots__ = ("_connection", "_exchange", "_go", "_task", "has_begun")

    def __init__(self, exchange: Exchange, connection: BackendConnection) -> None:
        self._exchange = exchange
        self._connection = connection
        self._task: asyncio.Task[None] | None = None
        self._go: asyncio.Event | None = None
        self.has_begun = False

    def begin(self, head: bytes) -> None:
        """Send `head` and what is there of the body; the rest follows by itself.

        Raises RequestRejected when the body cannot be accepted, ClientGone when the rest will not come.
        """
        exchange, connection = self._exchange, self._connection
        body, is_whole = self._take_first()
        self.has_begun = body != b""
        length = exchange.worker_request.head.framing.content_length
        exchange.is_sent = is_whole
        now = connection.pool.loop.time()
        if is_whole:
            says_length = body or exchange.worker_request.head.method in WITH_BODY
            framing = b"content-length: %d\r\n\r\n" % len(body) if says_length else b"\r\n"
            connection.begin(exchange, head + framing + body, now)
            return
        is_chunked = length == CHUNKED
        framing = b"transfer-encoding: chunked\r\n" if is_chunked else b"content-length: %d\r\n" % length
        if not body and exchange.worker_request.head.expects_continue:
            framing += b"expect: 100-continue\r\n"
            self._go = asyncio.Event()
        connection.begin(exchange, head + framing + b"\r\n" + (_chunk(body) if is_chunked else body), now)
        self._task = asyncio.create_task(
            self._send_rest(length - len(body), is_chunked=is_chunked), name="penstock-proxy-body"
        )

    def go_on(self) -> None:
        """The backend wants the body."""
        if self._go is not None:
            self._go.set()

    def stop(self) -> None:
        """Nobody wants the rest."""
        task, self._task = self._task, None
        if task is not None and not task.done():
            task.cancel()

    def _take_first(self) -> tuple[bytes, bool]:
        """What is there of the body now, and whether that is all of it."""
        context, worker_request = self._exchange.context, self._exchange.worker_request
        length = worker_request.head.framing.content_length
        if length == 0:
            return b"", True
        known = context.known
        if known is not None and known.request is not None:
            try:
                return known.request.read(), True  # a module has read it, and kept it
            except ContractError:
                pass
        pieces: list[bytes] = []
        while piece := worker_request.take():
            pieces.append(piece)
        body = b"".join(pieces)
        if piece is None:
            return body, False
        if length > 0 and len(body) != length:
            raise _was_read()
        return body, True

    async def _send_rest(self, left: int, *, is_chunked: bool) -> None:
        exchange, connection = self._exchange, self._connection
        try:
            if self._go is not None:
                await self._wait_continue(self._go)
            while piece := await read_piece(exchange.worker_request):
                self.has_begun = True
                left -= len(piece)
                connection.write(_chunk(piece) if is_chunked else piece)
                if connection.is_paused:
                    await connection.wait_writable()
            if is_chunked:
                connection.write(b"0\r\n\r\n")
            elif left:
                raise _was_read()
            exchange.is_sent = True
            connection.since = connection.pool.loop.time()
        except Exception as error:
            # The client's fault, or ours: what the backend has got of the request must not pass for a whole one.
            self._task = None
            exchange.fail(error, has_begun=True)
            if connection.exchange is exchange:
                connection.leave()
            exchange.notify()

    async def _wait_continue(self, go: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await go.wait()
        except TimeoutError:
            pass


def _chunk(piece: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(piece), piece) if piece else b""


def _was_read() -> ContractError:
    return ContractError(
        "a module has read a part of the body, so it cannot be passed on whole: await request.body(), which keeps it"
    )
