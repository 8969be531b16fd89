"""AsgiFrames: the frames of a WebSocket that an ASGI server carries, as whole messages (websockets section 7.3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, MutableMapping
from typing import Any, Final, Protocol

from penstock.errors import ContractError
from penstock.intake.frame_transport import CLOSE, CONTINUATION, TEXT, FrameSink, UpgradeTerms

Message = MutableMapping[str, Any]

# So many bytes wait for the server: beyond it, who sends has to wait.
HIGH_WATER: Final = 64 * 1024
# RFC 6455 section 7.4.1
_NORMAL: Final = 1000
_NO_CODE: Final = 1005
_LOST: Final = 1006
_TOO_BIG: Final = 1009


class FrameCarrier(Protocol):
    """What the frames are carried by: the request that has become a socket."""

    def queue(self, message: Message) -> None:
        """Send a message in its turn; `AsgiFrames.relieve` follows when nothing waits any more."""

    def drop_queue(self) -> None:
        """What waits is not sent."""

    def begin_reading(self) -> None:
        """`AsgiFrames.wants_messages` may have become true."""

    def end_socket(self) -> None:
        """The socket is gone."""


class AsgiFrames:
    """A frame transport over `websocket.*` messages.

    There is no half of a closing handshake here: the server does it, so that with our Close the socket is closed. Pings and
    compression are the server's, too.
    """

    __slots__ = (
        "_carrier",
        "_close_code",
        "_drained",
        "_early",
        "_has_client_closed",
        "_is_closing",
        "_is_losing",
        "_is_lost",
        "_is_reading",
        "_loop",
        "_max_size",
        "_opcode",
        "_parts",
        "_queued",
        "_sink",
        "is_paused",
    )

    def __init__(self, carrier: FrameCarrier, terms: UpgradeTerms) -> None:
        self.is_paused = False
        self._carrier = carrier
        self._loop = asyncio.get_running_loop()
        self._max_size = terms.max_message_size
        self._sink: FrameSink | None = None
        self._early: list[Message] = []
        self._parts: list[bytes] = []
        self._opcode = 0
        self._queued = 0
        self._close_code = 0
        self._is_reading = True
        self._has_client_closed = False
        self._is_closing = False
        self._is_losing = False
        self._is_lost = False
        self._drained: asyncio.Future[None] | None = None

    # -- the carrier's side ------------------------------------------------------------------------------------------------

    @property
    def wants_messages(self) -> bool:
        """Whether the next message is to be received."""
        return self._sink is not None and self._is_reading and not (self.is_ending or self._has_client_closed)

    @property
    def is_ending(self) -> bool:
        """Whether nothing that still comes is wanted: this side has closed."""
        return self._close_code != 0 or self._is_closing

    @property
    def is_lost(self) -> bool:
        """Whether the socket is gone."""
        return self._is_lost

    def take(self, message: Message) -> None:
        """A message of the server's."""
        sink = self._sink
        if sink is None:
            self._early.append(message)
        elif message["type"] != "websocket.receive":
            self._end(sink, message)
        elif not self._is_closing:
            self._take_data(sink, message)

    def relieve(self) -> None:
        """All that was queued has been sent."""
        self._queued = 0
        sink = self._sink
        code, self._close_code = self._close_code, 0
        if code and sink is not None and not self._is_closing:
            # The server sees to the client's answer: for us the socket is closed (websockets section 7.3).
            self._has_client_closed = True
            sink.take_close(code, "")
        if self._is_closing:
            self._lose_soon()
        elif self.is_paused:
            self.is_paused = False
            if sink is not None:
                sink.resume_sending()

    def lose(self) -> None:
        """The server can send no more."""
        self._is_closing = True
        self._lose_soon()

    # -- the frame transport -----------------------------------------------------------------------------------------------

    def attach(self, sink: FrameSink) -> None:
        """As `FrameTransport.attach`."""
        if self._is_lost:
            sink.lose(None)
            return
        self._sink = sink
        early, self._early = self._early, []
        for message in early:
            self.take(message)
        self._carrier.begin_reading()

    def write(self, opcode: int, payload: bytes, *, fin: bool = True, compress: bool = True) -> None:
        """As `FrameTransport.write`; what comes in fragments leaves when it is whole.

        Raises ContractError for a text in fragments that is not UTF-8: ASGI carries text as str.
        """
        if self.is_ending or self._has_client_closed:
            return
        if opcode != CONTINUATION:
            self._opcode = opcode
        if not fin:
            self._parts.append(payload)
            return
        if self._parts:
            payload = b"".join([*self._parts, payload])
            self._parts.clear()
        message = _message_of(self._opcode, payload)
        self._queued += len(payload)
        if self._queued > HIGH_WATER:
            self.is_paused = True
        self._carrier.queue(message)

    def write_control(self, opcode: int, payload: bytes) -> None:
        """As `FrameTransport.write_control`; pings and pongs are the server's."""
        if opcode != CLOSE or self.is_ending or self._has_client_closed:
            return
        code = int.from_bytes(payload[:2], "big") if payload else _NORMAL
        self._close_code = code
        self._carrier.queue({"type": "websocket.close", "code": code, "reason": payload[2:].decode("utf-8", "replace")})

    def pause_reading(self) -> None:
        """As `FrameTransport.pause_reading`."""
        self._is_reading = False

    def resume_reading(self) -> None:
        """As `FrameTransport.resume_reading`."""
        self._is_reading = True
        self._carrier.begin_reading()

    def close(self) -> None:
        """As `FrameTransport.close`."""
        self._is_closing = True
        if not self._queued and not self._close_code:
            self._lose_soon()

    def abort(self) -> None:
        """As `FrameTransport.abort`."""
        if not self._is_lost:
            self._carrier.drop_queue()
            self.lose()

    def wait_drained(self) -> Awaitable[None] | None:
        """As `FrameTransport.wait_drained`."""
        if self._is_lost:
            return None
        if self._drained is None:
            self._drained = self._loop.create_future()
        return asyncio.shield(self._drained)

    # -- inside ------------------------------------------------------------------------------------------------------------

    def _take_data(self, sink: FrameSink, message: Message) -> None:
        text = message.get("text")
        data: str | bytes = text if isinstance(text, str) else bytes(message.get("bytes") or b"")
        if len(data) > self._max_size or (isinstance(data, str) and _is_longer(data, self._max_size)):
            sink.fail(_TOO_BIG, f"a message has at most {self._max_size} bytes here")
            return
        sink.take_message(data)

    def _end(self, sink: FrameSink, message: Message) -> None:
        if self._has_client_closed or self._is_closing:
            return
        code = message.get("code") or _NO_CODE
        self._has_client_closed = True
        self._carrier.drop_queue()
        self._queued = self._close_code = 0
        if code == _LOST:
            self.lose()
        else:
            sink.take_close(code, message.get("reason") or "")

    def _lose_soon(self) -> None:
        if not self._is_losing:
            self._is_losing = True
            self._loop.call_soon(self._lose)

    def _lose(self) -> None:
        self._is_lost = True
        self.is_paused = False
        self._parts.clear()
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.resume_sending()
            sink.lose(None)
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._carrier.end_socket()


def _message_of(opcode: int, payload: bytes) -> Message:
    if opcode != TEXT:
        return {"type": "websocket.send", "bytes": payload}
    try:
        return {"type": "websocket.send", "text": payload.decode("utf-8")}
    except UnicodeDecodeError as error:
        raise ContractError(f"the parts of a text are no UTF-8 together, which this host needs: {error}") from None


def _is_longer(text: str, size: int) -> bool:
    """Whether `text` has more than `size` bytes; free for what is short or ASCII."""
    return len(text) * 4 > size and not text.isascii() and len(text.encode("utf-8", "surrogatepass")) > size
