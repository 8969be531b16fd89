"""SendingHalf: messages leave one after another, as fast as the client reads them."""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine
from typing import Any, Final

from penstock.errors import WebSocketBusyError
from penstock.intake.frame_transport import CONTINUATION, PONG
from penstock.request_sockets.messages import MessageType
from penstock.request_sockets.receiving import ReceivingHalf
from penstock.request_sockets.socket_base import wake, wake_all
from penstock.request_sockets.states import CLOSE_RECEIVED, OPEN

_TEXT: Final = 1
_BINARY: Final = 2
_OF_DATA: Final = (_TEXT, _BINARY)


class SendingHalf(ReceivingHalf):
    """Who sends waits before a frame is written, never behind it: a send that is cancelled has written nothing."""

    __slots__ = ()

    def send(self, data: str | bytes | bytearray | memoryview, *, compress: bool = True) -> Coroutine[Any, Any, None]:
        """Send a message, text for str and binary for bytes; wait while the client reads slowly and others are before it.

        `compress` False: not compressed, whatever was agreed. Raised by the call itself: TypeError for other things,
        ValueError for text that is not Unicode, WebSocketClosedError behind a Close, ConnectionLost when the connection is.
        When it is cancelled nothing was sent, and the socket goes on.
        """
        if isinstance(data, str):
            opcode = _TEXT
            try:
                payload = data.encode()
            except UnicodeEncodeError as error:
                raise ValueError(_describe(error)) from None
        else:
            opcode = _BINARY
            payload = _to_bytes(data, "a message is str or bytes")
        if not self._is_clear:
            self._check_send()
        return self._send(payload, opcode, compress)

    async def _send(self, payload: bytes, opcode: int, compress: bool) -> None:
        transport = self._transport
        if self._is_clear and not transport.is_paused:
            self.bytes_out += len(payload)
            transport.write(opcode, payload, compress=compress)
            return
        await self._wait_turn()
        self._write(opcode, payload, fin=True, compress=compress)

    def send_fragment(
        self,
        data: bytes | bytearray | memoryview,
        type: int,  # noqa: A002 - its name in a ReceiveResult, too
        end: bool,
    ) -> Coroutine[Any, Any, None]:
        """Send a part of a message; `end` False: more of it follows, and what others send waits for that.

        `data` of a text is UTF-8, and not checked: a code point may be split between parts (SW-86). Raises ValueError for
        a type that is neither TEXT nor BINARY or not that of the message, and as `send` does. Whoever calls it next goes on
        with the message: one task sends one. When it is cancelled in a message that has begun, the socket is aborted:
        others could never send again.
        """
        if type not in _OF_DATA:
            raise ValueError(f"a part of a message is TEXT or BINARY, not {type!r}")
        payload = _to_bytes(data, "a part of a message is bytes")
        if not self._open_opcode:
            self._check_send()
        else:
            self._check_part(type)
        return self._send_fragment(payload, type, end)

    async def _send_fragment(self, payload: bytes, opcode: int, end: bool) -> None:
        is_first = not self._open_opcode
        if not is_first:
            self._check_part(opcode)
            if self._transport.is_paused:
                await self._wait_part()
        elif not self._is_clear or self._transport.is_paused:
            await self._wait_turn()
        self._open_opcode = 0 if end else opcode
        self._write(opcode if is_first else CONTINUATION, payload, fin=end)

    def _check_part(self, message_type: int) -> None:
        self._check_alive()
        if self._part_waiter is not None:
            raise WebSocketBusyError(
                "send_fragment() was called while another one is waiting: one task sends a message"
            )
        self._check_sendable()
        if self._open_opcode != message_type:
            raise ValueError(
                f"the message that has begun is {MessageType(self._open_opcode).name}, not {message_type!r}"
            )

    # -- turns -----------------------------------------------------------------------------------------------------------------

    def _write(self, opcode: int, payload: bytes, *, fin: bool, compress: bool = True) -> None:
        self.bytes_out += len(payload)
        self._transport.write(opcode, payload, fin=fin, compress=compress)
        self._let_next()

    async def _wait_turn(self) -> None:
        """Wait behind those who came before, and for the client. Raises when the socket has ended meanwhile."""
        self._check_send()
        ticket = self._loop.create_future()
        if self._line is None:
            self._line = deque()
        self._line.append(ticket)
        self._is_clear = False
        try:
            await ticket
        except BaseException:
            self._leave_line(ticket)
            self._let_next()
            raise
        self._leave_line(ticket)
        self._check_alive()
        self._check_sendable()

    async def _wait_part(self) -> None:
        self._part_waiter = ticket = self._loop.create_future()
        try:
            await ticket
        except BaseException:
            self._abort("the socket was aborted: a part of a message was cancelled")
            raise
        finally:
            self._part_waiter = None
            self._settle()
        self._check_alive()
        self._check_sendable()

    def _leave_line(self, ticket: Any) -> None:
        line = self._line
        assert line is not None
        line.remove(ticket)
        if not line:
            self._line = None
        self._settle()

    def _let_next(self) -> None:
        """Who is next may go on, if the client reads."""
        line, closers = self._line, self._closers
        is_open = self._open_opcode != 0
        self._is_clear = not (line or closers or is_open) and (self._state is OPEN or self._state is CLOSE_RECEIVED)
        if closers and (is_open or not line):
            wake_all(closers)
        if self._transport.is_paused:
            return
        if is_open:
            wake(self._part_waiter)
        elif line is not None:
            wake(line[0])

    # -- what comes in (FrameSink) ---------------------------------------------------------------------------------------------

    def resume_sending(self) -> None:
        """The client has read enough."""
        pong, self._pong = self._pong, None
        if pong is not None:
            self._transport.write_control(PONG, pong)
        self._let_next()

    def take_ping(self, payload: bytes) -> None:
        """Answered at once; while the client does not read only the latest is (RFC 6455 section 5.5.3)."""
        if self._state is not OPEN:
            return
        if self._transport.is_paused:
            self._pong = payload
        else:
            self._transport.write_control(PONG, payload)

    def take_pong(self, payload: bytes) -> None:
        """Nobody here has asked (RFC 6455 section 5.5.3)."""


def _to_bytes(data: Any, rule: str) -> bytes:
    if isinstance(data, bytes):
        return data
    if not isinstance(data, (bytearray, memoryview)):
        raise TypeError(f"{rule}, not {type(data).__name__}")
    return bytes(data)


def _describe(error: UnicodeEncodeError) -> str:
    found = error.object[error.start]
    return f"this text has a lone surrogate, U+{ord(found):04X}, at {error.start}: UTF-8 has no form of it"
