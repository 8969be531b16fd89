"""The frames of a WebSocket without a wire: the bytes are those of RFC 6455, handed over in the process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from penstock.intake.frame_transport import CONTINUATION, FrameSink, UpgradeTerms
from penstock.request_sockets.deflate import Deflater, Inflater
from penstock.request_sockets.frame_writing import encode_frame
from penstock.request_sockets.frames import FrameReader

# What the systems on both sides would buffer, in bytes: beyond it, who sends has to wait.
HIGH_WATER: Final = 65536
# So many bytes are read at once, as from a socket: `pause_reading` holds behind them.
_READ_AT_ONCE: Final = 65536


class MemorySocket:
    """A frame transport whose client is in the process, too.

    The server's half is `FrameTransport`; the client's are the methods from `feed` to `leave`. Nobody sends keep-alive
    pings here: nothing between the two could fall silent.
    """

    __slots__ = (
        "_deflater",
        "_drained",
        "_is_closing",
        "_is_compressing",
        "_is_losing",
        "_is_lost",
        "_is_reading",
        "_loop",
        "_on_lost",
        "_reader",
        "_received",
        "_sent",
        "_sent_size",
        "_sink",
        "_terms",
        "_waiter",
        "is_aborted",
        "is_paused",
    )

    def __init__(self, terms: UpgradeTerms, on_lost: Callable[[], None]) -> None:
        """`on_lost` is called once, when the connection has gone."""
        self.is_paused = False
        self.is_aborted = False
        self._loop = asyncio.get_running_loop()
        self._terms = terms
        self._deflater = None if terms.deflate is None else Deflater(terms.deflate)
        self._sink: FrameSink | None = None
        self._reader: FrameReader | None = None
        self._on_lost = on_lost
        self._received = bytearray()
        self._sent: list[bytes] = []
        self._sent_size = 0
        self._is_reading = True
        self._is_closing = False
        self._is_compressing = False
        self._is_losing = False
        self._is_lost = False
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None

    # -- the client's side -------------------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        """The server does not read what was sent: a client that waits, as on a wire, sends no more until it does."""
        return len(self._received) > HIGH_WATER

    @property
    def is_ended(self) -> bool:
        """The connection is gone; there may still be something to `take`."""
        return self._is_lost

    def feed(self, sent: bytes) -> None:
        """The client sends bytes of frames; into a connection that is gone they are dropped."""
        if not self._is_closing:
            self._received += sent
            self._read()

    def take(self) -> bytes:
        """All bytes that the server has sent since; b"" when there are none now."""
        taken = b"".join(self._sent)
        self._sent.clear()
        self._sent_size = 0
        if self._is_closing:
            self._lose_soon()
        elif self.is_paused:
            self.is_paused = False
            if self._sink is not None:
                self._sink.resume_sending()
        return taken

    async def wait_change(self) -> None:
        """Wait until there is something to take, the server reads on, or the connection has gone."""
        if self._is_lost or self._sent:
            return
        if self._waiter is None:
            self._waiter = self._loop.create_future()
        await asyncio.shield(self._waiter)

    def leave(self) -> None:
        """The client drops the connection, without a word."""
        self._sent.clear()
        self.abort()

    # -- the frame transport -----------------------------------------------------------------------------------------------

    def attach(self, sink: FrameSink) -> None:
        """As `FrameTransport.attach`."""
        if self._is_lost:
            sink.lose(None)
            return
        terms = self._terms
        inflater = None
        if terms.deflate is not None:
            inflater = Inflater(terms.deflate, max_size=terms.max_message_size, max_ratio=terms.max_ratio)
        self._sink = sink
        self._reader = FrameReader(sink, max_message_size=terms.max_message_size, inflater=inflater)
        self._read()

    def write(self, opcode: int, payload: bytes, *, fin: bool = True, compress: bool = True) -> None:
        """As `FrameTransport.write`."""
        is_first = opcode != CONTINUATION
        if is_first:
            self._is_compressing = compress and self._deflater is not None
        if self._deflater is not None and self._is_compressing:
            payload = self._deflater.deflate(payload, is_end=fin)
        self._send(encode_frame(opcode, payload, fin=fin, rsv1=is_first and self._is_compressing))

    def write_control(self, opcode: int, payload: bytes) -> None:
        """As `FrameTransport.write_control`."""
        self._send(encode_frame(opcode, payload))

    def pause_reading(self) -> None:
        """As `FrameTransport.pause_reading`."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """As `FrameTransport.resume_reading`."""
        self._is_reading = True
        self._loop.call_soon(self._read)  # not within the call of who has just made room

    def close(self) -> None:
        """As `FrameTransport.close`."""
        self._is_closing = True
        if self._sent_size <= HIGH_WATER:
            self._lose_soon()

    def abort(self) -> None:
        """As `FrameTransport.abort`."""
        self._is_closing = self.is_aborted = True
        self._lose_soon()

    def wait_drained(self) -> Awaitable[None] | None:
        """As `FrameTransport.wait_drained`."""
        if self._is_lost:
            return None
        if self._drained is None:
            self._drained = self._loop.create_future()
        return asyncio.shield(self._drained)

    # -- inside ------------------------------------------------------------------------------------------------------------

    def _read(self) -> None:
        while self._received and self._is_reading and not self._is_closing and self._reader is not None:
            piece = bytes(self._received[:_READ_AT_ONCE])
            del self._received[:_READ_AT_ONCE]
            self._reader.feed(piece)
        self._wake()

    def _send(self, frame: bytes) -> None:
        if self._is_closing:
            return
        self._sent.append(frame)
        self._sent_size += len(frame)
        if self._sent_size > HIGH_WATER:
            self.is_paused = True
        self._wake()

    def _lose_soon(self) -> None:
        if not self._is_losing:
            self._is_losing = True
            self._loop.call_soon(self._lose)

    def _lose(self) -> None:
        self._is_lost = True
        self.is_paused = False
        self._reader = None
        self._received.clear()
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.resume_sending()
            sink.lose(None)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._wake()
        self._on_lost()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
