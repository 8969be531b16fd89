"""A connection of the own listener that carries the frames of a WebSocket; it takes the place of `Connection`.

Rule for editors: every message passes `data_received` and `write`. Whoever touches them runs `make bench` before and after.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final, Protocol

from penstock.hosts.switching_head import write_switching_head
from penstock.hosts.time_limits import DataRate, count_unsent
from penstock.intake.frame_transport import PING
from penstock.request_sockets.deflate import Deflater, Inflater
from penstock.request_sockets.frame_writing import SHORT, encode_frame, encode_head
from penstock.request_sockets.frames import FrameReader

if TYPE_CHECKING:
    from penstock.hosts.http1_request import Http1Request
    from penstock.hosts.http1_service import ConnectionLimits
    from penstock.http.messages import ResponseHead
    from penstock.intake.frame_transport import FrameSink, UpgradeTerms

# From here on copying a payload behind its header costs more than handing both over.
_LARGE: Final = 16 * 1024
# Seconds in which a client must read what was sent before we close, and close its own side.
_LINGER: Final = 2.0


class SocketService(Protocol):
    """What all such connections share."""

    loop: asyncio.AbstractEventLoop
    limits: ConnectionLimits
    sockets: set[FrameConnection]


def switch_protocols(request: Http1Request, head: ResponseHead, terms: UpgradeTerms) -> FrameConnection | None:
    """Send 101 and put the connection of `request` in the hands of frames; None when its client has left."""
    connection = request.connection
    transport = connection.transport
    text = write_switching_head(head, terms, connection.clock.date)
    request.has_sent_head = request.has_sent_all = True
    if connection.is_lost or connection.is_half_closed or transport.is_closing():
        # Who has closed its side can neither send frames nor a Close (RFC 6455 section 7.1.1).
        request.is_disconnected = True
        transport.abort()
        return None
    connection.address = connection.client  # what is asked of it later is known from here on
    rest, connection.buffer = connection.buffer, b""
    connection.is_closing = True  # nothing is read as a request any more
    connection.last_head = None
    service = connection.service
    frames = FrameConnection(service, transport, terms, beginning=rest, on_lost=request.lose)
    frames.is_paused = connection.is_paused
    frames.is_read_paused = connection.is_read_paused
    service.connections.discard(connection)
    service.sockets.add(frames)
    transport.set_protocol(frames)
    transport.write(text)
    return frames


class FrameConnection(asyncio.Protocol):
    """As `FrameTransport`, for one connection."""

    __slots__ = (
        "_beginning",
        "_deflater",
        "_drained",
        "_has_heard",
        "_is_closing",
        "_is_deflating",
        "_is_lost",
        "_is_plain",
        "_lingers_until",
        "_on_lost",
        "_ping",
        "_ping_at",
        "_pong_due",
        "_reader",
        "_sink",
        "_terms",
        "_write_rate",
        "is_paused",
        "is_read_paused",
        "service",
        "transport",
    )

    def __init__(
        self,
        service: SocketService,
        transport: asyncio.Transport,
        terms: UpgradeTerms,
        *,
        beginning: bytes,
        on_lost: Callable[[], None],
    ) -> None:
        """`beginning` is what came behind the handshake (websockets H-10); `on_lost` is called when the connection is gone."""
        self.service = service
        self.transport = transport
        self.is_paused = False
        self.is_read_paused = False
        self._on_lost = on_lost
        self._terms = terms
        self._beginning = beginning
        self._reader: FrameReader | None = None
        self._sink: FrameSink | None = None
        self._deflater: Deflater | None = None if terms.deflate is None else Deflater(terms.deflate)
        self._is_deflating = False  # whether the message that is being sent in fragments is compressed
        self._drained: asyncio.Future[None] | None = None
        self._is_lost = False
        self._is_plain = terms.deflate is None  # and the client is there: frames are written as they are
        self._is_closing = False
        self._lingers_until = 0.0
        self._write_rate: DataRate | None = None
        self._has_heard = True
        self._ping = b""
        self._ping_at = 0.0
        self._pong_due = 0.0

    # -- asyncio.Protocol ------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes have come."""
        self._has_heard = True
        reader = self._reader
        if reader is None:
            self._beginning += data
        else:
            reader.feed(data)

    def eof_received(self) -> bool:
        """The client sends no more: there are no half-open sockets (RFC 6455 section 7.1.1)."""
        return False

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is gone."""
        self._is_lost = True
        self._is_plain = False
        self.is_paused = False
        self.service.sockets.discard(self)
        self._reader = None
        self._beginning = b""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.resume_sending()
            sink.lose(error)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._on_lost()

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self.is_paused = True

    def resume_writing(self) -> None:
        """The client has caught up."""
        self.is_paused = False
        self._write_rate = None
        if self._sink is not None:
            self._sink.resume_sending()

    # -- FrameTransport ----------------------------------------------------------------------------------------------------

    def attach(self, sink: FrameSink) -> None:
        """As `FrameTransport.attach`."""
        terms = self._terms
        inflater = None
        if terms.deflate is not None:
            inflater = Inflater(terms.deflate, max_size=terms.max_message_size, max_ratio=terms.max_ratio)
        self._sink = sink
        if self._is_lost:
            self._sink = None
            sink.lose(None)
            return
        self._reader = FrameReader(sink, max_message_size=terms.max_message_size, inflater=inflater)
        beginning, self._beginning = self._beginning, b""
        if self.is_read_paused:
            self.resume_reading()
        if beginning:
            self._reader.feed(beginning)

    def write(self, opcode: int, payload: bytes, *, fin: bool = True, compress: bool = True) -> None:
        """As `FrameTransport.write`."""
        size = len(payload)
        if self._is_plain and fin and size < 126:
            self.transport.write(SHORT[opcode][size] + payload)  # what is sent most: 0.17 us in place of 0.25
            return
        if self._is_lost:
            return
        if self._deflater is not None:
            self._write_deflated(self._deflater, opcode, payload, fin, compress)
        elif size > _LARGE:
            self.transport.writelines((encode_head(opcode, size, fin=fin), payload))
        else:
            self.transport.write(encode_frame(opcode, payload, fin=fin))

    def write_control(self, opcode: int, payload: bytes) -> None:
        """As `FrameTransport.write_control`."""
        if not self._is_lost:
            self.transport.write(encode_frame(opcode, payload))

    def pause_reading(self) -> None:
        """As `FrameTransport.pause_reading`."""
        if not self.is_read_paused and not self._is_lost and not self._lingers_until:
            self.is_read_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        """As `FrameTransport.resume_reading`."""
        if self.is_read_paused and not self._is_lost:
            self.is_read_paused = False
            self.transport.resume_reading()

    def close(self) -> None:
        """As `FrameTransport.close`. A client is read from until it closes too, or what is on its way to it could be lost.

        One that sends behind its own Close would else be answered with a reset (RFC 9112 section 9.6 tells why).
        """
        if self._is_lost or self._is_closing:
            return
        self._is_closing = True
        self._lingers_until = self.service.loop.time() + _LINGER
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.resume_reading()
        try:
            self.transport.write_eof()
        except OSError:
            self.transport.abort()  # the client has left, and the loop has not told yet

    def abort(self) -> None:
        """As `FrameTransport.abort`."""
        if not self._is_lost:
            self._is_closing = True
            self.transport.abort()

    def wait_drained(self) -> Awaitable[None] | None:
        """As `FrameTransport.wait_drained`."""
        if self._is_lost:
            return None
        if self._drained is None:
            self._drained = self.service.loop.create_future()
        return asyncio.shield(self._drained)

    def _write_deflated(self, deflater: Deflater, opcode: int, payload: bytes, fin: bool, compress: bool) -> None:
        is_first = opcode != 0
        if is_first:
            self._is_deflating = compress
        if self._is_deflating:
            payload = deflater.deflate(payload, is_end=fin)
        self.transport.write(encode_frame(opcode, payload, fin=fin, rsv1=is_first and self._is_deflating))

    # -- time --------------------------------------------------------------------------------------------------------------

    def judge_time(self, now: float) -> None:
        """Judge the time limits, once a second. `now` is in seconds of the loop's clock."""
        if self._lingers_until:
            if now >= self._lingers_until:
                self.transport.abort()
            return
        if self._reads_too_slowly(now):
            self.transport.abort()
        elif self._terms.keepalive_interval and self._sink is not None and not self.is_read_paused:
            self._keep_alive(self._sink, now)

    def _keep_alive(self, sink: FrameSink, now: float) -> None:
        """Ping a client that is silent; whatever it sends shows that it is there (websockets AS-25, DV-23)."""
        terms = self._terms
        if self._has_heard or not self._ping_at:
            self._has_heard = False
            self._pong_due = 0.0
            self._ping_at = now + terms.keepalive_interval
        elif self._pong_due:
            if now >= self._pong_due:
                sink.fail(1011, "keepalive ping timeout")
        elif now >= self._ping_at:
            self._ping = os.urandom(4)
            self.write_control(PING, self._ping)
            self._pong_due = now + terms.keepalive_timeout if terms.keepalive_timeout else 0.0
            if not self._pong_due:
                self._ping_at = now + terms.keepalive_interval

    def _reads_too_slowly(self, now: float) -> bool:
        if not self.is_paused:
            return False
        left = count_unsent(self.transport)
        if self._write_rate is None:
            self._write_rate = DataRate(now, -left)
            return False
        return self._write_rate.is_too_low(now, -left, self.service.limits)
