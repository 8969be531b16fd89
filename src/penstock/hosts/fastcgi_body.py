"""FastCgiBody: the body of a request that comes in FCGI_STDIN records: what has come, who waits for it, when to stop reading."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from penstock.errors import ClientGone, RequestRejected
from penstock.hosts.request_body import DISCARDED, HIGH_WATER, too_large

if TYPE_CHECKING:
    from penstock.hosts.fastcgi_connection import FastCgiConnection
    from penstock.hosts.time_limits import DataRate

_RULE: Final = "RFC 3875 section 4.2"


class FastCgiBody:
    """What has come of a body, and what is still to come."""

    __slots__ = (
        "_buffered",
        "_connection",
        "_error",
        "_length",
        "_limit",
        "_pieces",
        "_waiter",
        "_waiting",
        "is_complete",
        "is_discarded",
        "rate",
        "received",
    )

    def __init__(self, connection: FastCgiConnection, length: int, limit: int) -> None:
        """`length` is what was announced, -1 when only the end of the stream tells."""
        self._connection = connection
        self._length = length
        self._limit = limit
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._waiting = 0
        self.received = 0
        self.is_complete = False
        self.is_discarded = False
        self.rate: DataRate | None = None

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for the web server."""
        return self._waiting > 0

    @property
    def can_be_discarded(self) -> bool:
        """Whether reading the rest is cheaper than a new connection."""
        return self._error is None and 0 <= self._length - self.received <= DISCARDED

    def discard(self) -> None:
        """The answer is complete: what has come is dropped, and whoever reads sees a client gone."""
        self.is_discarded = True
        self._pieces.clear()
        self._wake()

    def limit(self, limit: int) -> None:
        """As `WorkerRequest.limit_body`."""
        self._limit = limit
        if self._length > limit or self.received > limit:
            raise too_large(limit)

    def feed(self, piece: bytes) -> None:
        """Take what came."""
        self.received += len(piece)
        if self._error is not None or self.is_discarded:
            return
        if 0 <= self._length < self.received:
            self.fail(RequestRejected(400, "the body is longer than its Content-Length", rule=_RULE))
        elif self.received > self._limit:
            self.fail(too_large(self._limit))
        else:
            self._pieces.append(piece)
            self._buffered += len(piece)
            if self._buffered > HIGH_WATER:
                self._connection.pause_reading()
            self._wake()

    def end(self) -> None:
        """Nothing more comes: it is whole, unless more was announced."""
        if self.received < self._length:
            self.fail(RequestRejected(400, "the body broke off", rule=_RULE))
        self.is_complete = True
        self._wake()

    def take(self) -> bytes | None:
        """As `WorkerRequest.take`."""
        if self._error is not None:
            raise self._error
        if self.is_discarded:
            raise ClientGone("the request was answered before its body was read")
        if self._pieces:
            body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            if self._buffered > HIGH_WATER:
                self._connection.resume_reading()
            self._buffered = 0
            return body
        return b"" if self.is_complete or self.received == self._length else None

    async def wait(self) -> None:
        """As `WorkerRequest.wait_body`."""
        if self._pieces or self.is_complete or self._error is not None or self.is_discarded:
            return
        if self.received == self._length:
            return
        if self._waiter is None:
            self._waiter = self._connection.loop.create_future()
        self._waiting += 1
        try:
            # Several may wait at once; a cancelled one must not wake the others.
            await asyncio.shield(self._waiter)
        finally:
            self._waiting -= 1

    def fail(self, error: Exception) -> None:
        """The rest will not come: whoever reads is told why."""
        is_whole = self.is_complete or self.received == self._length
        if self._error is None and not (is_whole and isinstance(error, ClientGone)):
            self._error = error
            self._pieces.clear()
        self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
