"""The pieces of a streamed answer on their way from a thread to the client, with the client's pace as the bound."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable
from threading import Event
from typing import TYPE_CHECKING, Final

from penstock.errors import ClientGone

if TYPE_CHECKING:
    from penstock.pipeline_gateways.wsgi_exchange import WsgiExchange
    from penstock.pipeline_gateways.wsgi_threads import ThreadPool

# So many bytes may be on their way before the thread waits.
HIGH_WATER: Final = 64 * 1024


class WsgiStream:
    """Every piece is sent as it comes and as it is: neither delayed nor joined with others (PEP 3333, "Buffering").

    `count` is the number of bytes that the application has handed over.
    """

    __slots__ = ("_error", "_exchange", "_is_paused", "_pieces", "_sent", "_was_flushed", "count")

    def __init__(self, exchange: WsgiExchange) -> None:
        self.count = 0
        self._exchange = exchange
        self._pieces: deque[bytes] = deque()
        self._sent = 0
        self._was_flushed = Event()
        self._is_paused = False
        self._error: Exception | None = None

    def put(self, piece: bytes, pool: ThreadPool) -> None:
        """In the thread: send `piece`; waits while too much is on its way. Raises ClientGone when nobody reads."""
        self._raise_error()
        self._pieces.append(piece)
        self.count += len(piece)
        pool.post(self._exchange)
        while self.count - self._sent > HIGH_WATER:
            self._was_flushed.clear()
            self._raise_error()
            if self.count - self._sent > HIGH_WATER:
                self._was_flushed.wait()

    def _raise_error(self) -> None:
        # On its own, so that each call looks again: to the compiler, what one function has found None stays None in it.
        if self._error is not None:
            raise self._error

    def flush(self) -> bool:
        """On the loop: send what has come, as far as the client reads it. Whether nothing is left."""
        if self._is_paused:
            return False
        pending: Awaitable[None] | None = None
        while self._pieces and pending is None and self._error is None:
            try:
                pending = self._send_next()
            except Exception as error:
                self._give_up(error)
                return False
        if pending is not None:
            self._is_paused = True
            runtime = self._exchange.context.runtime
            runtime.run_behind(runtime.loop.create_task(self._go_on_after(pending)))
        self._was_flushed.set()
        return pending is None

    def stop(self, error: Exception) -> None:
        """On the loop: nothing more is sent; the thread is told `error`."""
        self._error = error if isinstance(error, ClientGone) else ClientGone(f"this answer was given up: {error}")
        self._pieces.clear()
        self._was_flushed.set()

    def _give_up(self, error: Exception) -> None:
        self.stop(error)
        self._exchange.fail(error)

    def _send_next(self) -> Awaitable[None] | None:
        context = self._exchange.context
        if context.is_over:
            raise ClientGone("this request was given up")
        piece = self._pieces.popleft()
        if context.response.is_started:
            pending = context.response.send_piece(piece)
        else:
            pending = self._exchange.send_first(context, piece)
        self._sent += len(piece)
        return pending

    async def _go_on_after(self, pending: Awaitable[None]) -> None:
        try:
            await pending
        except asyncio.CancelledError:
            self._give_up(ClientGone("the server is stopping"))
            raise
        except Exception as error:
            self._give_up(error)
            return
        self._is_paused = False
        self._exchange.settle()
