"""RsgiBody: the body of a request that comes by RSGI: received whole where it is small, else piece by piece, and on demand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, Final

from penstock.errors import ClientGone
from penstock.hosts.request_body import too_large
from penstock.http.messages import CHUNKED, RequestHead

# A body that is announced with at most so many bytes is received in one call.
_SMALL: Final = 64 * 1024


class RsgiBody:
    """What has come of a body, and what is still to come. Nothing is received before somebody waits for it.

    That is what makes a server send 100 (Continue) (RFC 9110 section 10.1.1), and what holds a client back.
    """

    __slots__ = (
        "_announced",
        "_empty",
        "_error",
        "_is_ended_by_one",
        "_is_whole",
        "_limit",
        "_loop",
        "_lose",
        "_pieces",
        "_protocol",
        "_reading",
        "_stream",
        "_taken",
        "_waiter",
        "_waiting",
    )

    def __init__(
        self, protocol: Any, head: RequestHead, *, loop: asyncio.AbstractEventLoop, lose: Callable[[], None]
    ) -> None:
        """`lose` is called when the rest will not come."""
        self._protocol = protocol
        self._announced = head.framing.content_length
        # granian (2.8.7) has one empty piece in front of the end of a body in chunks, and two if it broke off, or had trailers,
        # which a client announces (RFC 9110 section 6.6.2). Over HTTP/2 two say nothing: the last frame may be empty.
        self._is_ended_by_one = head.line.version == "1.1" and head.find(b"trailer") is None
        self._loop = loop
        self._lose = lose
        self._empty = 0  # how many pieces without a byte came last
        self._limit = 1 << 62
        self._pieces: list[bytes] = []
        self._taken = 0
        self._is_whole = False
        self._error: Exception | None = None
        self._stream: AsyncIterator[bytes] | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._waiting = 0
        self._reading: asyncio.Task[None] | None = None

    def limit(self, limit: int) -> None:
        """As `WorkerRequest.limit_body`."""
        self._limit = limit
        if self._announced > limit or self._taken > limit:
            raise too_large(limit)

    def take(self) -> bytes | None:
        """As `WorkerRequest.take`."""
        if self._taken > self._limit:
            raise too_large(self._limit)
        if self._pieces:
            piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            return piece
        if self._error is not None:
            raise self._error
        return b"" if self._is_whole else None

    async def wait(self) -> None:
        """As `WorkerRequest.wait_body`."""
        if self._pieces or self._is_whole or self._error is not None or self._taken > self._limit:
            return
        if self._waiter is None:
            self._waiter = self._loop.create_future()
        self._waiting += 1
        if self._reading is None:
            self._reading = self._loop.create_task(self._read(), name="penstock-rsgi-body")
        try:
            # Several may wait at once; a cancelled one must not wake the others.
            await asyncio.shield(self._waiter)
        finally:
            self._waiting -= 1

    def fail(self, error: Exception) -> None:
        """The rest will not come: whoever reads is told why."""
        if not self._is_whole and self._error is None:
            self._error = error
        self._wake()

    def release(self) -> None:
        """The request has been answered: nothing more is received."""
        self.fail(ClientGone("the request was answered before its body was read"))
        if self._reading is not None:
            self._reading.cancel()

    async def _read(self) -> None:
        try:
            while self._waiting and not self._pieces and not self._is_whole and self._error is None:
                self._keep(await self._receive())
                self._wake()
        except Exception as error:
            gone = ClientGone("the client left")
            gone.__cause__ = error
            self.fail(gone)
            self._lose()
        finally:
            self._reading = None

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._taken += len(piece)
            self._empty = 0
            self._pieces.append(piece)
        else:
            self._empty += 1

    async def _receive(self) -> bytes:
        if self._stream is None and 0 <= self._announced <= _SMALL:
            piece: bytes = await self._protocol()
            self._end(len(piece))
            return piece
        if self._stream is None:
            self._stream = aiter(self._protocol)
        try:
            piece = await anext(self._stream)
        except StopAsyncIteration:
            self._end(self._taken)
            return b""
        if self._taken + len(piece) == self._announced:
            self._is_whole = True
        return piece

    def _end(self, received: int) -> None:
        """Nothing more comes. A server ends the iteration, too, when its client has left in the middle, or broken the rules."""
        if self._announced != CHUNKED:
            is_broken = received < self._announced
        else:
            is_broken = self._is_ended_by_one and self._empty > 1
        if is_broken:
            raise ClientGone("the client left")
        self._is_whole = True

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
