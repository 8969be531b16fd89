"""SocketBase: what a WebSocket holds, and what its receiving and its sending half tell one another."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any

from penstock.errors import (
    ConnectionLost,
    SocketDisposedError,
    WebSocketBusyError,
    WebSocketClosedError,
    WebSocketDisconnect,
    WebSocketError,
)
from penstock.intake.frame_transport import FrameTransport
from penstock.request_sockets.messages import PartialMessage
from penstock.request_sockets.states import ABORTED, CLOSE_RECEIVED, NO_TRANSPORT, OPEN, WebSocketState

logger = logging.getLogger("penstock")


class SocketBase:
    """Its parts in order: ReceivingHalf, SendingHalf, ClosingHandshake, WebSocket; one object, so that no call is wasted."""

    __slots__ = (
        "_answers_close",
        "_arriving",
        "_close_code",
        "_close_reason",
        "_close_timeout",
        "_closers",
        "_discarded",
        "_drained",
        "_draining",
        "_ending",
        "_first",
        "_has_ended",
        "_is_clear",
        "_is_discarding",
        "_is_disposed",
        "_is_reading_paused",
        "_is_strict",
        "_line",
        "_loop",
        "_loss",
        "_open_opcode",
        "_others",
        "_part_waiter",
        "_pong",
        "_reading",
        "_state",
        "_subprotocol",
        "_tasks",
        "_timer",
        "_timer_at",
        "_transport",
        "_unread",
        "_untold",
        "_waiter",
        "_wants_pieces",
        "bytes_in",
        "bytes_out",
        "context",
        "on_abort",
    )

    def __init__(
        self,
        transport: FrameTransport | None,
        *,
        subprotocol: str | None = None,
        close_timeout: float = 10.0,
        is_strict: bool = False,
        answers_close: bool = False,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport: FrameTransport = NO_TRANSPORT if transport is None else transport
        self._state: WebSocketState = ABORTED if transport is None else OPEN
        self._subprotocol = subprotocol
        self._close_timeout = close_timeout
        self._is_strict = is_strict
        self._answers_close = answers_close
        self._is_disposed = False
        self._loss = "the connection was lost" if transport is None else ""
        self.context: Any = None
        # Called when the socket is aborted, from inside or outside, or lost.
        self.on_abort: Callable[[], object] | None = None
        self.bytes_in = self.bytes_out = 0
        # Receiving: the next message, those behind it, and the one that is still arriving; who waits for them.
        self._first: str | bytes | None = None
        self._others: deque[str | bytes] | None = None
        self._unread = 0
        self._arriving: PartialMessage | None = None
        self._reading: PartialMessage | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._wants_pieces = self._is_reading_paused = False
        # Nothing more is coming, and what still comes is not kept; what is to be raised once for it.
        self._has_ended = self._is_discarding = transport is None
        self._untold: WebSocketError | None = None
        self._discarded = 0
        # Sending: nobody is before the next send; those who wait; the opcode of a message that is not at its end.
        self._is_clear = transport is not None
        self._line: deque[asyncio.Future[None]] | None = None
        self._closers: list[asyncio.Future[None]] | None = None
        self._part_waiter: asyncio.Future[None] | None = None
        self._open_opcode = 0
        self._pong: bytes | None = None
        # Closing: when what is under way is given up; who waits for the end.
        self._close_code: int | None = None
        self._close_reason: str | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._ending: list[asyncio.Future[None]] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._draining: asyncio.Future[None] | None = None
        self._tasks: set[asyncio.Future[Any]] | None = None

    # -- preconditions, in the order of SW-70: disposed, aborted, busy, closed ------------------------------------------------

    def _check_alive(self) -> None:
        if self._is_disposed:
            raise SocketDisposedError("the WebSocket was used after its endpoint had ended")
        if self._state is ABORTED:
            raise ConnectionLost(self._loss)

    def _check_receive(self) -> None:
        untold = self._untold
        if untold is None or self._is_disposed:
            self._check_alive()
        if self._waiter is not None:
            raise WebSocketBusyError("receive() was called while another one is waiting: one task receives")
        if untold is None and self._has_ended and self._first is None:
            raise WebSocketClosedError("receive() was called again after the WebSocket was closed")

    def _check_send(self) -> None:
        """Raises for what does not come to an end by waiting."""
        self._check_alive()
        if self._is_strict and (self._line or self._open_opcode):
            raise WebSocketBusyError("send() was called while another one is waiting, on a socket with is_strict")
        if self._closers:
            raise WebSocketClosedError("nothing can be sent: the WebSocket is closing")
        self._check_sendable()

    def _check_sendable(self) -> None:
        if self._state is not OPEN and self._state is not CLOSE_RECEIVED:
            raise WebSocketClosedError("nothing can be sent: the WebSocket is closed")

    # -- what one half tells the other ----------------------------------------------------------------------------------------

    def _end_receiving(self, end: WebSocketError | None) -> None:
        """Nothing more will be received; `end` is for who receives next, behind the messages that came before."""
        self._is_discarding = True
        self._arriving = None
        if not self._has_ended:
            self._has_ended = True
            self._untold = end
        wake(self._waiter)

    def _end_sending(self) -> None:
        """Nothing more can be sent: all who wait find that out."""
        self._is_clear = False
        self._pong = None
        wake(self._part_waiter)
        wake_all(self._line)
        wake_all(self._closers)

    def _abort(self, loss: str) -> None:
        """Drop the connection, unless it is at its end (SW-95). `loss` is what later calls are told."""
        state = self._state
        if state is ABORTED or state is WebSocketState.CLOSED:
            return
        self._loss = loss
        # What was received and not taken is nobody's any more; an end that nobody was told of yet is.
        self._first = self._others = self._reading = None
        self._become_aborted(WebSocketDisconnect(1006) if self._waiter is not None else None)
        self._transport.abort()

    def _become_aborted(self, end: WebSocketError | None) -> None:
        """The one way into ABORTED: all who wait are told, receivers `end`."""
        self._state = ABORTED
        self._end_receiving(end)
        self._end_sending()
        wake_all(self._ending)
        on_abort, self.on_abort = self.on_abort, None
        if on_abort is not None:
            try:
                on_abort()
            except Exception:
                logger.exception("what was to be told that a WebSocket is aborted failed")

    def _settle(self) -> None:
        """An operation has ended: is abort_async done?"""
        drained = self._drained
        if drained is None or drained.done() or self._draining is not None or self._waiter is not None:
            return
        if self._part_waiter is None and not self._line and not self._closers and not self._ending:
            drained.set_result(None)


def wake(waiter: asyncio.Future[None] | None) -> None:
    """Let go on who waits, if anybody still does."""
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def wake_all(waiters: deque[asyncio.Future[None]] | list[asyncio.Future[None]] | None) -> None:
    """Let go on all who wait."""
    if waiters is not None:
        for waiter in waiters:
            wake(waiter)
