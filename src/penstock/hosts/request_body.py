"""The body of a request that is arriving: pieces, the one who waits for them, and when to stop reading."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from penstock.errors import ClientGone, RequestRejected
from penstock.http.framing import ChunkedBody, LengthBody
from penstock.http.messages import CHUNKED

if TYPE_CHECKING:
    from penstock.hosts.connection import Connection
    from penstock.hosts.time_limits import DataRate

# So much waits for the application before the client is no longer read from.
HIGH_WATER: Final = 128 * 1024
# So much of a body that nobody wants is read to keep the connection; beyond it, closing is cheaper.
DISCARDED: Final = 64 * 1024

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class RequestBody:
    """What has come of a body, and what is still to come."""

    __slots__ = (
        "_buffered",
        "_connection",
        "_error",
        "_expects_continue",
        "_framing",
        "_kept",
        "_limit",
        "_pieces",
        "_waiter",
        "_waiting",
        "is_discarded",
        "rate",
        "received",
    )

    def __init__(self, connection: Connection, length: int, limit: int, *, expects_continue: bool) -> None:
        self._connection = connection
        self._framing: LengthBody | ChunkedBody = ChunkedBody() if length == CHUNKED else LengthBody(length)
        self._limit = limit
        self._expects_continue = expects_continue
        self._pieces: list[bytes] = []
        self._buffered = 0
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._waiting = 0
        self._kept = 0  # bytes that had come when nobody wanted more
        self.received = 0
        self.is_discarded = False
        self.rate: DataRate | None = None

    @property
    def is_complete(self) -> bool:
        """Whether the last byte has come."""
        return self._framing.is_complete

    @property
    def is_broken(self) -> bool:
        """Whether the rest will never come, or cannot be told from the next request."""
        return self._error is not None

    @property
    def is_awaited(self) -> bool:
        """Whether somebody waits for the client."""
        return self._waiting > 0

    @property
    def can_be_discarded(self) -> bool:
        """Whether reading the rest is cheaper than a new connection."""
        rest = self._framing.remaining if isinstance(self._framing, LengthBody) else 0
        return not self._expects_continue and self._error is None and rest <= DISCARDED

    @property
    def ends_connection(self) -> bool:
        """Whether an answer given now is the connection's last, and must say so: the rest of the body is not worth reading."""
        return not self._framing.is_complete and not self.can_be_discarded

    def discard(self) -> None:
        """The answer is complete. What has come is dropped, and what still comes will be; whoever reads sees a client gone."""
        self.is_discarded = True
        self._kept = self.received
        self._pieces.clear()
        self._buffered = 0
        self._wake()

    def limit(self, limit: int) -> None:
        """Accept at most `limit` bytes. Raises RequestRejected (413) when more were announced or have come."""
        self._limit = limit
        announced = self._framing.remaining if isinstance(self._framing, LengthBody) else 0
        if self.received + announced > limit:
            raise too_large(limit)

    def feed(self, received: bytes) -> bytes:
        """Take bytes from the client; returns those beyond the body."""
        pieces: list[bytes] = []
        try:
            rest = self._framing.feed(received, pieces)
        except RequestRejected as error:
            self.fail(error)  # pieces in front of the bad byte are dropped with it: nobody sees a body that is none
            return b""
        for piece in pieces:
            self._keep(piece)
        if self._waiter is not None and (self._pieces or self._framing.is_complete or self._error is not None):
            self._wake()
        return rest

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
        return b"" if self._framing.is_complete else None

    async def wait(self) -> None:
        """Wait until `take` has something to say; tells the client to go on if it waits for that (RFC 9110 10.1.1)."""
        if self._pieces or self._framing.is_complete or self._error is not None or self.is_discarded:
            return
        if self._expects_continue:
            self._expects_continue = False
            self._connection.write(_CONTINUE)
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
        if self._error is None and not (self._framing.is_complete and isinstance(error, ClientGone)):
            self._error = error
            self._pieces.clear()
        self._wake()

    def _keep(self, piece: bytes) -> None:
        self.received += len(piece)
        if self.is_discarded:
            if self.received - self._kept > DISCARDED:
                self._error = too_large(self._limit)
            return
        if self.received > self._limit:
            self._error = too_large(self._limit)
            self._pieces.clear()
            return
        self._pieces.append(piece)
        self._buffered += len(piece)
        if self._buffered > HIGH_WATER:
            self._connection.pause_reading()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


def too_large(limit: int) -> RequestRejected:
    """What a body of more than `limit` bytes is refused with."""
    return RequestRejected(413, f"the body is larger than {limit} bytes", rule="RFC 9110 section 15.5.14")
