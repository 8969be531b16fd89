"""The frames of a WebSocket on a connection to a backend, where this server is the client: what it sends is masked."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final, cast

from penstock.intake.frame_transport import PING
from penstock.request_sockets.frame_writing import encode_frame
from penstock.request_sockets.frames import FrameReader

if TYPE_CHECKING:
    from penstock.intake.frame_transport import FrameSink

_MASK: Final = 4


class BackendFrames(asyncio.Protocol):
    """As `FrameTransport`, for one connection to a backend. Nothing is compressed: the backend is near, and was not asked to.

    `max_message_size` is in bytes. Nothing is read until a sink is attached.
    """

    __slots__ = (
        "_beginning",
        "_drained",
        "_has_heard",
        "_is_lost",
        "_is_read_paused",
        "_max_message_size",
        "_reader",
        "_sink",
        "is_paused",
        "transport",
    )

    def __init__(self, max_message_size: int) -> None:
        self.is_paused = False
        self.transport = cast(asyncio.Transport, None)
        self._max_message_size = max_message_size
        self._beginning = b""
        self._reader: FrameReader | None = None
        self._sink: FrameSink | None = None
        self._is_lost = False
        self._is_read_paused = False
        self._has_heard = False
        self._drained: asyncio.Future[None] | None = None

    def begin(self, transport: asyncio.Transport, beginning: bytes) -> None:
        """Take over `transport` behind a 101; `beginning` came behind its head."""
        self.transport = transport
        self._beginning = beginning
        transport.pause_reading()

    # -- asyncio.Protocol ----------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._has_heard = True
        if self._reader is None:
            self._beginning += data
        else:
            self._reader.feed(data)

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._is_lost = True
        self.is_paused = False
        self._reader = None
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.resume_sending()
            sink.lose(error)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)

    def pause_writing(self) -> None:
        """The backend reads slowly."""
        self.is_paused = True

    def resume_writing(self) -> None:
        """The backend has caught up."""
        self.is_paused = False
        if self._sink is not None:
            self._sink.resume_sending()

    # -- FrameTransport ------------------------------------------------------------------------------------------------------

    def attach(self, sink: FrameSink) -> None:
        """As `FrameTransport.attach`."""
        if self._is_lost:
            sink.lose(None)
            return
        self._sink = sink
        self._reader = FrameReader(sink, max_message_size=self._max_message_size, is_server=False)
        beginning, self._beginning = self._beginning, b""
        self.transport.resume_reading()
        if beginning:
            self._reader.feed(beginning)

    def write(self, opcode: int, payload: bytes, *, fin: bool = True, compress: bool = True) -> None:
        """As `FrameTransport.write`."""
        if not self._is_lost:
            # RFC 6455 section 5.3: a new mask for every frame, one that nobody can foresee.
            self.transport.write(encode_frame(opcode, payload, fin=fin, mask=os.urandom(_MASK)))

    def write_control(self, opcode: int, payload: bytes) -> None:
        """As `FrameTransport.write_control`."""
        self.write(opcode, payload)

    def pause_reading(self) -> None:
        """As `FrameTransport.pause_reading`."""
        if not self._is_lost:
            self._is_read_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """As `FrameTransport.resume_reading`."""
        if not self._is_lost:
            self._is_read_paused = False
            self.transport.resume_reading()

    def close(self) -> None:
        """As `FrameTransport.close`."""
        if not self._is_lost:
            self.transport.close()

    def abort(self) -> None:
        """As `FrameTransport.abort`."""
        if not self._is_lost:
            self.transport.abort()

    async def keep_alive(self, interval: float, patience: float) -> None:
        """Ping a backend that is silent for `interval` seconds; without a sign of life within `patience` it is dropped.

        Does not end by itself while the backend lives. 0 for `patience` drops nobody.
        """
        while not self._is_lost:
            self._has_heard = False
            await asyncio.sleep(interval)
            if not self._is_silent():
                continue
            self.write_control(PING, os.urandom(4))
            await asyncio.sleep(patience or interval)
            if patience and self._is_silent():
                self.abort()

    def _is_silent(self) -> bool:
        # Whatever it sends shows that it is there; while it is not read from, nobody can know.
        return not self._has_heard and not self._is_read_paused

    def wait_drained(self) -> Awaitable[None] | None:
        """As `FrameTransport.wait_drained`."""
        if self._is_lost:
            return None
        if self._drained is None:
            self._drained = asyncio.get_running_loop().create_future()
        return asyncio.shield(self._drained)
