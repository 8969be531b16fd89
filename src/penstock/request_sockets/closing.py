"""ClosingHandshake: one Close from each side, in any order, within a time; and every other way in which a socket ends."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from penstock.errors import WebSocketBusyError, WebSocketDisconnect, WebSocketProtocolError
from penstock.intake.frame_transport import CLOSE
from penstock.request_sockets.close_codes import INTERNAL_ERROR, LOST, encode_close, encode_echo
from penstock.request_sockets.sending import SendingHalf
from penstock.request_sockets.socket_base import wake_all
from penstock.request_sockets.states import ABORTED, CLOSE_RECEIVED, CLOSE_SENT, CLOSED, NO_TRANSPORT, OPEN


class ClosingHandshake(SendingHalf):
    """At most one timer: when what is under way is answered, or given up (websockets C-9, PY-10, PY-19)."""

    __slots__ = ()

    def close_output(self, code: int = 1000, reason: str = "") -> Coroutine[Any, Any, None]:
        """Send a Close behind what others are sending; what the client still sends can be received (SW-91).

        Does nothing when a Close was sent before (DV-10). Raised by the call itself: ValueError for a code that a server may
        not send or a reason of more than 123 bytes, ConnectionLost when the connection is. The client has the close timeout
        of its location to answer.
        """
        payload = encode_close(code, reason)
        self._check_close()
        return self._close_output(payload)

    def close(self, code: int = 1000, reason: str = "", *, timeout: float | None = None) -> Coroutine[Any, Any, None]:
        """Close, and wait for the Close of the client: at most `timeout` seconds (None: as its location says).

        What was received and not taken, and what the client still sends, is thrown away (DV-8). A receive that waits is told
        of the client's Close (DV-9). A client that does not answer is dropped: `state` is ABORTED then, and nothing is
        raised. Raised by the call itself: as by `close_output`.
        """
        payload = encode_close(code, reason)
        if timeout is not None and timeout < 0:
            raise ValueError(f"a timeout is 0 seconds or more, not {timeout}")
        self._check_close()
        return self._close(payload, self._close_timeout if timeout is None else timeout)

    async def _close_output(self, payload: bytes) -> None:
        if self._line and not self._open_opcode:
            await self._wait_behind_line()
            self._check_alive()
        self._send_close(payload)

    async def _close(self, payload: bytes, seconds: float) -> None:
        if self._state is CLOSED or self._state is ABORTED:
            return
        self._bound(seconds)
        self._discard_unread()
        if self._line and not self._open_opcode:
            await self._wait_behind_line()
        self._send_close(payload)
        await self._wait_end()

    async def _wait_behind_line(self) -> None:
        """Wait until those who were sending before have done so; nobody may begin meanwhile (DV-11)."""
        ticket = self._loop.create_future()
        if self._closers is None:
            self._closers = []
        self._closers.append(ticket)
        self._is_clear = False
        try:
            await ticket
        finally:
            self._closers.remove(ticket)
            if not self._closers:
                self._closers = None
            self._let_next()
            self._settle()

    async def _wait_end(self) -> None:
        """Wait until the socket is CLOSED or ABORTED; the timer sees to it that this comes."""
        if self._state is CLOSED or self._state is ABORTED:
            return
        ticket = self._loop.create_future()
        if self._ending is None:
            self._ending = []
        self._ending.append(ticket)
        try:
            await ticket
        finally:
            self._ending.remove(ticket)
            if not self._ending:
                self._ending = None
            self._settle()

    def _check_close(self) -> None:
        self._check_alive()
        if self._is_strict and self._line:
            raise WebSocketBusyError("the socket was closed while a send is waiting, on a socket with is_strict")

    # -- the Close of this side ------------------------------------------------------------------------------------------------

    def _send_close(self, payload: bytes) -> None:
        """Send the one Close of this side, if it has not been sent (PY-20)."""
        state = self._state
        if state is not OPEN and state is not CLOSE_RECEIVED:
            return
        self._transport.write_control(CLOSE, payload)
        if self._state is not state:
            return  # the connection was lost by writing to it
        self._state = CLOSE_SENT if state is OPEN else CLOSED
        self._end_sending()
        if state is CLOSE_RECEIVED:
            self._stop_timer()  # it was for the answer; what follows is the time to read it
            self._end_connection()
        if self._timer is None:
            self._bound(self._close_timeout)

    def _echo(self) -> None:
        assert self._close_code is not None
        self._send_close(encode_echo(self._close_code))

    def _end_connection(self) -> None:
        """Both have said their Close: the server ends the connection at once (RFC 6455 section 7.1.1)."""
        wake_all(self._ending)
        self._transport.close()

    # -- time ------------------------------------------------------------------------------------------------------------------

    def _bound(self, seconds: float) -> None:
        """What is under way ends within `seconds`, or when it was to end anyway."""
        when = self._loop.time() + seconds
        if self._timer is not None:
            if self._timer_at <= when:
                return
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._loop.call_later(seconds, self._expire)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _expire(self) -> None:
        self._timer = None
        if self._state is CLOSE_RECEIVED and not self._closers:
            self._echo()
        elif self._state is CLOSED or self._state is ABORTED:
            self._transport.abort()  # it does not even read what it was sent
        else:
            self._abort("the client did not answer the Close in time")

    def _discard_unread(self) -> None:
        self._is_discarding = True
        self._first = self._others = self._arriving = self._reading = None
        if self._is_reading_paused:
            self._resume_reading()

    # -- what comes in (FrameSink) ---------------------------------------------------------------------------------------------

    def take_close(self, code: int, reason: str) -> None:
        """The client's Close; the endpoint has the close timeout to answer it (PY-19)."""
        state = self._state
        if state is not OPEN and state is not CLOSE_SENT:
            return
        self._close_code = code
        self._close_reason = reason
        self._state = CLOSE_RECEIVED if state is OPEN else CLOSED
        self._pong = None
        self._end_receiving(WebSocketDisconnect(code, reason))
        if state is CLOSE_SENT:
            self._end_connection()
        elif self._answers_close:
            self._echo()
        else:
            self._bound(self._close_timeout)

    def fail(self, code: int, reason: str) -> None:
        """The client broke the protocol: it is told so, and the connection ends (RFC 6455 section 7.1.7)."""
        state = self._state
        if state is CLOSED or state is ABORTED:
            return
        if state is not CLOSE_SENT:
            self._transport.write_control(CLOSE, encode_close(code, reason))
        self._loss = f"the socket was closed by the server with {code}: {reason}"
        # A client that answers no pings has broken nothing: it is gone (websockets AS-25).
        is_gone = code == INTERNAL_ERROR
        self._become_aborted(WebSocketDisconnect(LOST, reason) if is_gone else WebSocketProtocolError(code, reason))
        self._bound(self._close_timeout)
        self._transport.close()

    def lose(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._stop_timer()
        self._transport = NO_TRANSPORT
        if self._state is not CLOSED and self._state is not ABORTED:
            self._loss = f"the connection was lost: {error}" if error is not None else "the connection was lost"
            self._become_aborted(WebSocketDisconnect(LOST))
