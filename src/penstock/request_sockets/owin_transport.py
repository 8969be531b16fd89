"""The socket of an OWIN server as a frame transport: its delegates carry a WebSocket of our own, with all its guards."""

from __future__ import annotations

import asyncio
import codecs
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from penstock.intake.frame_transport import BINARY, CLOSE, CONTINUATION, TEXT
from penstock.request_sockets import owin_options as names
from penstock.request_sockets.owin_options import Environment
from penstock.request_sockets.owin_token import CancellationToken
from penstock.request_sockets.websocket import WebSocket

if TYPE_CHECKING:
    from penstock.intake.frame_transport import FrameSink

_BUFFER: Final = 64 * 1024
_NO_STATUS: Final = 1005


def websocket_over(
    socket: Environment,
    *,
    subprotocol: str | None = None,
    max_message_size: int | None = None,
    is_strict: bool = False,
) -> WebSocket:
    """The socket that an OWIN callback was given, as a WebSocket. Raises KeyError when one of its three delegates is missing."""
    transport = OwinTransport(socket, max_message_size or 16 * 1024 * 1024)
    websocket = WebSocket(transport, subprotocol=subprotocol, is_strict=is_strict)
    transport.attach(websocket)
    return websocket


class OwinTransport:
    """Pulls `ReceiveAsync` while the WebSocket wants to be fed, and calls one sending delegate at a time.

    OWIN has no word for dropping a connection: the server does it when the callback has ended (websockets CO-26, OW-14).
    """

    __slots__ = (
        "_checked",
        "_close",
        "_is_closing",
        "_is_lost",
        "_kind",
        "_limit",
        "_pump",
        "_queue",
        "_receive",
        "_resumed",
        "_send",
        "_sent_kind",
        "_sink",
        "_size",
        "_socket",
        "_token",
        "_writer",
        "is_paused",
    )

    def __init__(self, socket: Environment, limit: int) -> None:
        """`limit` is how long a message may be, in bytes."""
        self._send: Callable[..., Awaitable[Any]] = socket[names.SEND]
        self._receive: Callable[..., Awaitable[Any]] = socket[names.RECEIVE]
        self._close: Callable[..., Awaitable[Any]] = socket[names.CLOSE]
        self._token: Any = socket.get(names.SOCKET_CANCELLED)
        self._socket = socket
        self._limit = limit
        self._sink: FrameSink | None = None
        self._pump: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._resumed: asyncio.Event | None = None  # what the pump waits for while the WebSocket is full
        self._queue: deque[tuple[int, bytes, bool]] = deque()
        self._sent_kind = TEXT
        self._kind = 0  # of the message that comes in; 0 between messages
        self._size = 0
        self._checked: Any = None  # the decoder that its text has passed
        self._is_closing = False
        self._is_lost = False
        self.is_paused = False

    def attach(self, sink: FrameSink) -> None:
        """From now on what comes in goes to `sink`."""
        self._sink = sink
        self._pump = asyncio.ensure_future(self._pull())
        if isinstance(self._token, CancellationToken):
            self._token.register(self.abort)

    # -- out -----------------------------------------------------------------------------------------------------------------

    def write(self, opcode: int, payload: bytes, *, fin: bool = True, compress: bool = True) -> None:
        """Send a part of a message; whether it is compressed is the server's business."""
        if opcode != CONTINUATION:
            self._sent_kind = opcode
        self._post(self._sent_kind, payload, fin)

    def write_control(self, opcode: int, payload: bytes) -> None:
        """Send a Close. Pings and pongs are the server's."""
        if opcode == CLOSE:
            self._post(CLOSE, payload, True)

    def _post(self, kind: int, payload: bytes, is_end: bool) -> None:
        if self._is_lost or self._is_closing:
            return
        self._queue.append((kind, payload, is_end))
        self.is_paused = True
        if self._writer is None:
            self._writer = asyncio.ensure_future(self._send_all())

    async def _send_all(self) -> None:
        try:
            while self._queue:
                kind, payload, is_end = self._queue.popleft()
                if kind == CLOSE and len(payload) >= 2:
                    await self._close(int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8"), self._token)
                else:
                    await self._send(payload, kind, is_end, self._token)
        except Exception as error:
            self._lose(error)
            return
        finally:
            self._writer = None
        self.is_paused = False
        if self._is_closing:
            self._lose(None)
        elif self._sink is not None:
            self._sink.resume_sending()

    # -- in ------------------------------------------------------------------------------------------------------------------

    def pause_reading(self) -> None:
        """Pull nothing more behind what is being pulled."""
        if self._resumed is None:
            self._resumed = asyncio.Event()

    def resume_reading(self) -> None:
        """Pull again."""
        resumed, self._resumed = self._resumed, None
        if resumed is not None:
            resumed.set()

    async def _pull(self) -> None:
        buffer = bytearray(_BUFFER)
        view = memoryview(buffer)
        try:
            is_open = True
            while is_open:
                if self._resumed is not None:
                    await self._resumed.wait()
                    continue
                kind, is_end, count = await self._receive(buffer, self._token)
                is_open = self._take(kind, bytes(view[:count]), bool(is_end))
        except Exception as error:
            self._lose(error)

    def _take(self, kind: int, data: bytes, is_end: bool) -> bool:
        """Hand on what was pulled; whether there is more to come."""
        sink = self._sink
        assert sink is not None
        if kind == CLOSE:
            code = self._socket.get(names.CLOSE_STATUS) or _NO_STATUS
            sink.take_close(code, self._socket.get(names.CLOSE_DESCRIPTION) or "")
            return False
        if kind not in (TEXT, BINARY):
            raise ValueError(f"websocket.ReceiveAsync gave {kind!r}, which is no type of a message")  # websockets CO-20
        self._size += len(data)
        if self._size > self._limit:
            sink.fail(1009, f"a message is longer than {self._limit} bytes")
            return False
        is_whole = is_end and not self._kind
        try:
            if is_whole:
                sink.take_message(data.decode("utf-8") if kind == TEXT else data)
            else:
                self._take_part(sink, kind, data, is_end)
        except UnicodeDecodeError:
            sink.fail(1007, "a text is not UTF-8")
            return False
        self._kind = 0 if is_end else kind
        if is_end:
            self._size = 0
        return True

    def _take_part(self, sink: FrameSink, kind: int, data: bytes, is_end: bool) -> None:
        if kind == TEXT:
            if not self._kind:
                self._checked = codecs.getincrementaldecoder("utf-8")()
            self._checked.decode(data, is_end)
        sink.take_part(kind, data, is_end)

    # -- its end -------------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Be done when all was sent."""
        if not self._is_closing:
            self._is_closing = True
            if self._writer is None:
                asyncio.get_running_loop().call_soon(self._lose, None)

    def abort(self) -> None:
        """Be done now: the delegates are not called any more."""
        if self._is_closing and self._writer is None:
            return
        self._is_closing = True
        self._queue.clear()
        if self._writer is not None:
            self._writer.cancel()
        asyncio.get_running_loop().call_soon(self._lose, None)

    def wait_drained(self) -> Awaitable[None] | None:
        """None, or what to wait for until no delegate is called any more."""
        pending = [task for task in (self._pump, self._writer) if task is not None and not task.done()]
        return _wait(pending) if pending else None

    def _lose(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        self._is_lost = self._is_closing = True
        self._queue.clear()
        self.is_paused = False
        if self._pump is not None and self._pump is not asyncio.current_task():
            self._pump.cancel()
        if self._sink is not None:
            self._sink.lose(error)


async def _wait(pending: list[asyncio.Future[None]]) -> None:
    await asyncio.wait(pending)
