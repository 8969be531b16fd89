"""ReceivingHalf: messages come in, wait unread within limits, and are taken whole or piece by piece."""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine
from typing import Any, Final, Protocol

from penstock.errors import ConnectionLost, ContractError, WebSocketClosedError, WebSocketDisconnect, WebSocketError
from penstock.request_sockets.close_codes import LOST
from penstock.request_sockets.messages import MessageType, PartialMessage, ReceiveResult
from penstock.request_sockets.socket_base import SocketBase, wake
from penstock.request_sockets.states import ABORTED

# What may wait unread while nobody asks for it; beyond it the client waits (websockets AS-26).
UNREAD_BYTES: Final = 64 * 1024
UNREAD_MESSAGES: Final = 64
# What a client may still send while its Close is waited for (websockets DV-8).
DISCARDED_BYTES: Final = 1024 * 1024


class Receiver(Protocol):
    """Who gets what is received in a shape of its own, as an application of another interface does."""

    def shape_message(self, received: str | bytes) -> Any:
        """What a message is there."""

    def shape_end(self, error: WebSocketError) -> Any:
        """What the end of the socket is there; asked again at each receive behind it."""


class ReceivingHalf(SocketBase):
    """A future is made only by who has to wait, and it only wakes: a message is taken when its receiver goes on (PY-15)."""

    __slots__ = ()

    def receive(self) -> Coroutine[Any, Any, str | bytes]:
        """The next message: text or bytes, however many frames it came in.

        Raises WebSocketDisconnect, once, when the client closed (with its code; 1005: none) or was lost (1006), behind the
        messages that came before; WebSocketProtocolError when it broke the protocol. Raised by the call itself:
        WebSocketBusyError while another receive waits; WebSocketClosedError and ConnectionLost when the end was told before.
        A receive that is cancelled loses nothing.
        """
        if self._first is None or self._waiter is not None or self._reading is not None:
            self._check_receive()
            self._check_unbegun()
        return self._receive(False)

    def receive_for(self, receiver: Receiver) -> Coroutine[Any, Any, Any]:
        """As `receive`, in the shape that `receiver` gives it: nothing but WebSocketBusyError is raised, by awaiting it."""
        return self._receive(False, receiver)

    def __aiter__(self) -> ReceivingHalf:
        return self

    def __anext__(self) -> Coroutine[Any, Any, str | bytes]:
        """The next message, for `async for`: it ends when the socket is closed, and raises when it was lost (PY-16)."""
        return self._receive(True)

    async def _receive(self, is_iterating: bool, receiver: Receiver | None = None) -> Any:
        if self._waiter is not None or self._reading is not None:
            self._check_receive()
            self._check_unbegun()
        while self._first is None:
            if self._has_ended:
                return self._tell_end(is_iterating, receiver)
            if self._is_reading_paused:
                self._resume_reading()
            self._waiter = waiter = self._loop.create_future()
            try:
                await waiter
            finally:
                self._waiter = None
                if self._drained is not None:
                    self._settle()
        first = self._first
        if self._others is None and not self._is_reading_paused:
            self._first = None
        else:
            first = self._take_first()
        return first if receiver is None else receiver.shape_message(first)

    def receive_fragment(self, limit: int = 65536) -> Coroutine[Any, Any, ReceiveResult]:
        """The next piece of a message, of at most `limit` bytes, as soon as it came; or the Close, once (SW-80, SW-81).

        Raises as `receive` does, but ConnectionLost in place of WebSocketDisconnect(1006); ValueError for a limit below 1.
        """
        if limit < 1:
            raise ValueError(f"a limit of at least one byte, not {limit}, lets something be received")
        self._check_receive()
        return self._receive_fragment(limit)

    async def _receive_fragment(self, limit: int) -> ReceiveResult:
        self._check_receive()
        while True:
            result = self._find_piece(limit)
            if result is not None:
                return result
            if self._has_ended:
                return self._tell_close()
            self._waiter = waiter = self._loop.create_future()
            self._wants_pieces = True
            try:
                await waiter
            finally:
                self._waiter = None
                self._wants_pieces = False
                if self._drained is not None:
                    self._settle()

    # -- taking --------------------------------------------------------------------------------------------------------------

    def _take_first(self) -> str | bytes:
        first, others = self._first, self._others
        assert first is not None
        if others is None:
            self._first = None
        else:
            self._first = others.popleft()
            self._unread -= count_bytes(first)
            if not others:
                self._others = None  # 600 bytes that an idle socket has no use for
        if self._is_reading_paused and self._first is None and not self._is_crowded():
            self._resume_reading()
        return first

    def _find_piece(self, limit: int) -> ReceiveResult | None:
        message = self._reading or self._begin_message()
        if message is None or not (message.buffer or message.is_ended):
            return None
        result = message.take(limit)
        self._reading = None if result.end_of_message else message
        if self._is_reading_paused and self._first is None and not self._is_crowded():
            self._resume_reading()
        return result

    def _begin_message(self) -> PartialMessage | None:
        """The next message, to be taken in pieces: a whole one, or what came so far of the one that is arriving."""
        if self._first is None:
            arriving = self._arriving
            return arriving if arriving is not None and arriving.buffer else None
        first = self._take_first()
        message = PartialMessage(MessageType.TEXT if isinstance(first, str) else MessageType.BINARY)
        message.buffer += first.encode() if isinstance(first, str) else first
        message.is_ended = True
        return message

    def _check_unbegun(self) -> None:
        if self._reading is not None:
            raise ContractError("receive_fragment has begun a message: go on with it until end_of_message")

    def _take_end(self) -> WebSocketError:
        """What ended the socket, for who receives first behind it; an error of use for who does so again."""
        end, self._untold = self._untold, None
        if end is not None:
            return end
        self._check_alive()
        return WebSocketClosedError("receive() was called again after the WebSocket was closed")

    def _tell_end(self, is_iterating: bool, receiver: Receiver | None) -> Any:
        """Raises what ended the socket, or returns it in the shape that `receiver` gives it."""
        if receiver is None:
            end = self._take_end()
            raise StopAsyncIteration if is_iterating and _is_clean(end) else end
        try:
            end = self._take_end()
        except WebSocketError as error:
            end = error
        return receiver.shape_end(end)

    def _tell_close(self) -> ReceiveResult:
        """The Close that ended the socket, as a result; raises what else did."""
        self._reading = None
        end = self._untold
        if isinstance(end, WebSocketDisconnect):
            self._untold = None
            if end.code != LOST:
                return ReceiveResult(b"", MessageType.CLOSE, True, end.code, end.reason)
            raise ConnectionLost(self._loss)
        raise self._take_end()

    # -- what comes in (FrameSink) ---------------------------------------------------------------------------------------------

    def take_message(self, data: str | bytes) -> None:
        """A whole message."""
        size = len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode())
        self.bytes_in += size
        waiter = self._waiter
        if waiter is None or self._first is not None or self._is_discarding:
            self._keep(data, size)  # nobody waits, or somebody for the one before
            return
        self._first = data
        self._unread = size
        if not waiter.done():
            waiter.set_result(None)

    def take_part(self, opcode: int, data: bytes, is_end: bool) -> None:
        """A part of a message, of any size."""
        self.bytes_in += len(data)
        if self._is_discarding:
            self._discard(len(data))
            return
        message = self._arriving
        if message is None:
            message = self._arriving = PartialMessage(opcode)
        message.buffer += data
        if is_end:
            self._end_message(message)
            return
        waiter = self._waiter
        if self._wants_pieces:
            wake(waiter)
        # Who waits for the whole message lets it come on, up to the limit that the reader holds it to.
        if (waiter is None or waiter.done()) and self._is_crowded():
            self._pause_reading()

    def _end_message(self, message: PartialMessage) -> None:
        message.is_ended = True
        self._arriving = None
        if message is not self._reading:
            if self._waiter is None or self._first is not None:
                self._keep(message.join(), len(message.buffer))
                return
            self._first = message.join()
            self._unread = len(message.buffer)
        wake(self._waiter)

    def _keep(self, data: str | bytes, size: int) -> None:
        """One more that waits unread."""
        if self._is_discarding:
            self._discard(size)
            return
        if self._first is None:
            self._first = data
            self._unread = size
        else:
            if self._others is None:
                self._others = deque()
            self._others.append(data)
            self._unread += size
        if self._is_crowded():
            self._pause_reading()

    def _is_crowded(self) -> bool:
        others, arriving = self._others, self._arriving
        unread = 0 if self._first is None else self._unread
        if arriving is not None:
            unread += len(arriving.buffer)
        return unread > UNREAD_BYTES or (others is not None and len(others) >= UNREAD_MESSAGES)

    def _discard(self, size: int) -> None:
        self._discarded += size
        if self._discarded > DISCARDED_BYTES and self._state is not ABORTED:
            self._abort("the client went on sending after the Close")

    def _pause_reading(self) -> None:
        if not self._is_reading_paused:
            self._is_reading_paused = True
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        self._is_reading_paused = False
        self._transport.resume_reading()


def _is_clean(end: WebSocketError) -> bool:
    return isinstance(end, WebSocketClosedError) or (isinstance(end, WebSocketDisconnect) and end.code != LOST)


def count_bytes(data: str | bytes) -> int:
    """How many bytes a message has on the wire; free for bytes and for ASCII."""
    return len(data) if isinstance(data, bytes) or data.isascii() else len(data.encode())
