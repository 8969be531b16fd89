"""One connection to a backend: requests out, answers in, one after another (RFC 9112), read as strictly as those of a client.

Rule for editors: every answer passes `data_received`. What is done with it stands in `proxy_exchange.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from penstock.errors import RequestRejected
from penstock.http.framing import ChunkedBody, LengthBody
from penstock.http.messages import CHUNKED
from penstock.request_handlers.proxy_answer_head import UNTIL_CLOSE, AnswerHead, BadAnswer
from penstock.request_handlers.proxy_failures import BrokenConnection, SlowBackend
from penstock.request_handlers.proxy_place import has_close_notify

if TYPE_CHECKING:
    from penstock.request_handlers.proxy_exchange import Exchange
    from penstock.request_handlers.proxy_pool import BackendPool

# Interim answers to one request; whoever sends more wants to keep us busy.
_MOST_INTERIM: Final = 100
_SWITCHING: Final = 101


class BackendConnection(asyncio.Protocol):
    """A connection of a pool. It carries one exchange at a time, or none; what comes when there is none is refused.

    `since` is when the backend last did something, or was last asked to, in seconds of the loop's clock.
    """

    __slots__ = (
        "_beginning",
        "_body",
        "_drain",
        "_has_ended",
        "_head",
        "_interim",
        "exchange",
        "is_lost",
        "is_paused",
        "is_read_paused",
        "is_reused",
        "pool",
        "since",
        "transport",
    )

    def __init__(self, pool: BackendPool) -> None:
        self.pool = pool
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.exchange: Exchange | None = None
        self.is_lost = False
        self.is_paused = False  # the backend reads more slowly than we write
        self.is_read_paused = False
        self.is_reused = False
        self.since = 0.0
        self._beginning = b""
        self._head: AnswerHead | None = None
        self._body: LengthBody | ChunkedBody | None = None
        self._interim = 0
        self._has_ended = False
        self._drain: asyncio.Future[None] | None = None

    # -- requests out ------------------------------------------------------------------------------------------------------

    def begin(self, exchange: Exchange, data: bytes, now: float) -> None:
        """Send the beginning of a request; its answer goes to `exchange`. `now` is in seconds of the loop's clock."""
        self.exchange = exchange
        self.since = now
        self._head = None
        self._body = None
        self._interim = 0
        self.transport.write(data)

    def write(self, data: bytes) -> None:
        """Send more of the request; what a backend that has gone would have got is dropped."""
        if not self.is_lost:
            self.since = self.pool.loop.time()
            self.transport.write(data)

    async def wait_writable(self) -> None:
        """Wait while the backend reads slowly."""
        while self.is_paused and not self.is_lost:
            if self._drain is None:
                self._drain = self.pool.loop.create_future()
            await asyncio.shield(self._drain)

    def leave(self) -> None:
        """The exchange is over, and its answer is not: the connection cannot carry another one."""
        self.exchange = None
        self.abort()

    def abort(self) -> None:
        """Drop the connection."""
        if not self.is_lost:
            self.transport.abort()

    def take_transport(self, protocol: asyncio.Protocol) -> asyncio.Transport:
        """Hand the transport over to `protocol`, behind a 101; the pool forgets this connection."""
        self.is_lost = True
        self.pool.forget(self)
        self.transport.set_protocol(protocol)
        return self.transport

    # -- asyncio.Protocol --------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The backend is connected."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        exchange = self.exchange
        if exchange is None:
            self.abort()  # nobody has asked: it would be taken for the next one's answer (bad-input row 48)
            return
        try:
            while data and self._head is None and self.exchange is exchange:
                data = self._read_head(exchange, data)
            if data and self.exchange is exchange:
                self._read_body(exchange, data)
        except BadAnswer as error:
            self._fail(error)
            return
        except RequestRejected as error:
            self._fail(BadAnswer(f"the body of its answer: {error}"))
            return
        self.since = self.pool.loop.time()
        exchange.notify()

    def eof_received(self) -> bool:
        """The backend sends no more; with TLS, it has said so only by a close_notify, which nobody in between can forge."""
        self._has_ended = self.pool.tls is None or has_close_notify(self.transport)
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self.is_lost = True
        self.resume_writing()
        self.pool.forget(self)
        exchange, self.exchange = self.exchange, None
        if exchange is None:
            return
        # RFC 9112 section 9.8: without a word it is not whole
        if self._head is not None and self._head.length == UNTIL_CLOSE and error is None and self._has_ended:
            exchange.end(())
        else:
            where = "in the middle of its answer" if self._head is not None else "in front of its answer"
            what = f"was reset ({error})" if error is not None else "was closed"
            has_begun = self._head is not None or bool(self._beginning) or self._interim > 0
            exchange.fail(BrokenConnection(f"the connection {what} {where}"), has_begun=has_begun)
        exchange.notify()

    def pause_writing(self) -> None:
        """The backend reads slowly."""
        self.is_paused = True
        self.since = self.pool.loop.time()

    def resume_writing(self) -> None:
        """The backend has caught up, or is gone."""
        self.is_paused = False
        drain, self._drain = self._drain, None
        if drain is not None and not drain.done():
            drain.set_result(None)

    def pause_reading(self) -> None:
        """The client is slower than the backend."""
        if not self.is_read_paused and not self.is_lost:
            self.is_read_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """There is room again."""
        if self.is_read_paused and not self.is_lost:
            self.is_read_paused = False
            self.since = self.pool.loop.time()
            self.transport.resume_reading()

    # -- answers in --------------------------------------------------------------------------------------------------------

    def _read_head(self, exchange: Exchange, data: bytes) -> bytes:
        """Read a head, or keep the beginning of one; returns what lies behind it."""
        if self._beginning:
            data = self._beginning + data
        end = data.find(b"\r\n\r\n") + 4
        if end < 4:
            self.pool.reader.judge_beginning(data)
            self._beginning = data
            return b""
        self._beginning = b""
        head = self.pool.reader.read(data[:end])
        rest = data[end:]
        if head.is_interim:
            self._take_interim(exchange, head, rest)
            return rest
        self._head = head
        exchange.begin_answer(head)
        length = 0 if exchange.is_head else head.length
        if length == 0:
            self._end(exchange, (), rest)
            return b""
        if length > 0:
            if length == len(rest):
                # Head and body in one read: what nearly every answer is.
                exchange.pieces.append(rest)
                self._end(exchange, (), b"")
                return b""
            self._body = LengthBody(length)
        elif length == CHUNKED:
            self._body = ChunkedBody()
        return rest

    def _take_interim(self, exchange: Exchange, head: AnswerHead, rest: bytes) -> None:
        self._interim += 1
        if self._interim > _MOST_INTERIM:
            raise BadAnswer(f"more than {_MOST_INTERIM} interim answers")
        if head.status == _SWITCHING:
            if not exchange.switch(self, head, rest):
                raise BadAnswer("it switched protocols, and nobody had asked for that")
            self.exchange = None
            return
        exchange.take_interim(head)

    def _read_body(self, exchange: Exchange, data: bytes) -> None:
        body = self._body
        if body is None:
            exchange.feed([data])
            return
        pieces: list[bytes] = []
        rest = body.feed(data, pieces)
        exchange.feed(pieces)
        if body.is_complete:
            self._end(exchange, body.trailers if isinstance(body, ChunkedBody) else (), rest)

    def _end(self, exchange: Exchange, trailers: Sequence[tuple[bytes, bytes]], rest: bytes) -> None:
        """The answer is whole: keep the connection for the next request, if both sides are in step."""
        head = self._head
        assert head is not None
        self.exchange = None
        exchange.end(trailers)
        # Behind an answer nothing may stand; and a backend that answers early still waits for the rest of the request.
        is_in_step = not rest and exchange.is_sent and (head.length != UNTIL_CLOSE or exchange.is_head)
        if is_in_step and head.keeps_alive and not self.is_lost:
            if self.is_read_paused:
                self.resume_reading()
            self.pool.release(self)
        else:
            self.abort()

    def _fail(self, error: Exception) -> None:
        exchange, self.exchange = self.exchange, None
        if exchange is not None:
            exchange.fail(error, has_begun=True)
            exchange.notify()
        self.abort()

    def judge_time(self, now: float, read_timeout: float) -> None:
        """Give the backend up when it has done nothing for too long. `now` is in seconds of the loop's clock."""
        exchange = self.exchange
        if exchange is None or now - self.since < read_timeout or self.is_read_paused:
            return
        if not exchange.is_sent and not self.is_paused:
            return  # it is the client who is waited for
        self.exchange = None
        told = f"it has said nothing for {read_timeout:g} s"
        if self.is_paused:
            told = f"it has read nothing for {read_timeout:g} s"
        exchange.fail(SlowBackend(told), has_begun=True)
        exchange.notify()
        self.abort()
