"""WebSocket: one upgraded connection, as its endpoint and the pipeline see it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import Any, Final, final

from penstock.errors import (
    ConnectionLost,
    SocketDisposedError,
    WebSocketClosedError,
    WebSocketDisconnect,
)
from penstock.request_sockets.close_codes import encode_close
from penstock.request_sockets.closing import ClosingHandshake
from penstock.request_sockets.states import ABORTED, CLOSE_RECEIVED, CLOSED, WebSocketState

__all__ = ["WebSocket", "WebSocketState"]

logger = logging.getLogger("penstock")

# How a task ends when its client has: nothing of it is an error.
_ORDINARY: Final = (WebSocketDisconnect, WebSocketClosedError, ConnectionLost)
_ABORTED: Final = "the socket was aborted"


@final
class WebSocket(ClosingHandshake):
    """Made by the pipeline behind an accepted handshake; an endpoint receives, sends and closes.

    `transport` None: it is ABORTED from the beginning. `close_timeout` in seconds bounds every waiting for the client's Close.
    `is_strict`: a second send while one waits raises WebSocketBusyError. `answers_close`: a Close is answered the moment it
    comes. Of one event loop; only `abort` may be called from other threads (PY-7).
    """

    __slots__ = ()

    @property
    def state(self) -> WebSocketState:
        """Where it is in its life. Raises SocketDisposedError when its endpoint has ended (SW-77), as those below."""
        self._check_use()
        return self._state

    @property
    def subprotocol(self) -> str | None:
        """The sub-protocol that was agreed on."""
        self._check_use()
        return self._subprotocol

    @property
    def close_code(self) -> int | None:
        """The code of the client's Close (1005: it gave none); None until one came (SW-78)."""
        self._check_use()
        return self._close_code

    @property
    def close_reason(self) -> str | None:
        """The reason of the client's Close; None until one came."""
        self._check_use()
        return self._close_reason

    @property
    def state_name(self) -> str:
        """The state, for people; never raises."""
        return str(self._state.value)

    def __repr__(self) -> str:
        return f"<WebSocket {self.state_name}>"

    def start(self, awaitable: Awaitable[Any]) -> asyncio.Future[Any]:
        """A task that belongs to the socket: cancelled when its endpoint ends; its error is logged when it fails (PY-22)."""
        if self._is_disposed:
            if asyncio.iscoroutine(awaitable):
                awaitable.close()
            self._check_use()
        task = asyncio.ensure_future(awaitable, loop=self._loop)
        if self._tasks is None:
            self._tasks = set()
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Future[Any]) -> None:
        assert self._tasks is not None
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, _ORDINARY):
            logger.error("a task of a WebSocket failed", exc_info=error)

    def abort(self) -> None:
        """Drop the connection; what waits is told. May be called from every thread, and again (SW-95)."""
        self._check_use()
        try:
            is_here = asyncio.get_running_loop() is self._loop
        except RuntimeError:
            is_here = False
        if is_here:
            self._abort(_ABORTED)
            return
        try:
            self._loop.call_soon_threadsafe(self._abort, _ABORTED)
        except RuntimeError:
            pass  # the loop is closed, and everything on it

    def _check_use(self) -> None:
        if self._is_disposed:
            raise SocketDisposedError("the WebSocket was used after its endpoint had ended")

    # -- for the pipeline ------------------------------------------------------------------------------------------------------

    def abort_async(self) -> asyncio.Future[None]:
        """Drop the connection; the future, always the same, is done when nothing is pending any more (SW-96, PY-8)."""
        if self._drained is None:
            self._drained = self._loop.create_future()
            self._abort(_ABORTED)
            waiting = self._transport.wait_drained()
            if waiting is not None:
                self._draining = asyncio.ensure_future(waiting)
                self._draining.add_done_callback(self._drain)
            self._settle()
        return self._drained

    def _drain(self, waited: asyncio.Future[None]) -> None:
        if not waited.cancelled():
            waited.exception()  # the connection is gone, however that went
        self._draining = None
        self._settle()

    def go_away(self, code: int, reason: str) -> None:
        """Close politely from outside: the Close leaves now, and receivers are told `code` at once."""
        if self._is_disposed or self._state is CLOSED or self._state is ABORTED:
            return
        payload = encode_close(code, reason)
        self._end_receiving(WebSocketDisconnect(code, reason))
        if self._is_reading_paused:
            self._resume_reading()
        self._bound(self._close_timeout)
        self._send_close(payload)

    async def finish(self, code: int, reason: str, timeout: float) -> None:  # noqa: ASYNC109 - it is the client's
        """The endpoint has ended: close with `code`, or answer the Close that came; at most `timeout` seconds (DV-6).

        Whatever the client does, the connection is closed or dropped then. Tasks of the socket are cancelled.
        """
        tasks = tuple(self._tasks or ())
        for task in tasks:
            task.cancel()
        if self._state is not CLOSED and self._state is not ABORTED:
            self._bound(timeout)
            self._discard_unread()
            if self._state is CLOSE_RECEIVED:
                self._echo()
            else:
                self._send_close(encode_close(code, reason))
        try:
            if tasks:
                await asyncio.wait(tasks, timeout=timeout)
            await self._wait_end()
        except asyncio.CancelledError:
            self._abort(_ABORTED)
            raise

    def dispose(self) -> None:
        """The endpoint has ended: from now on the socket fails whoever still has it (SW-45)."""
        self._is_disposed = True
        self._abort(_ABORTED)
        self._discard_unread()
        if self._waiter is None:
            self._untold = None
