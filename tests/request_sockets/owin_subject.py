"""What the tests of OWIN's accepts are run against: scripted servers of both styles, their sockets, and a transport."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from penstock.errors import ContractError
from penstock.intake.frame_transport import CLOSE, FrameSink
from penstock.request_sockets.owin_token import CancellationToken
from penstock.request_sockets.websocket import WebSocket

Environment = Any
Application = Callable[[Environment], Awaitable[None]]

# What a client says: type, whether the message ends, data; or an error that receiving fails with.
Said = tuple[int, bool, bytes] | Exception


class OwinPeer:
    """The socket of an OWIN server: `said` is what comes in; `calls` what the delegates were asked to do. It answers a Close."""

    def __init__(self, *said: Said, code: int | None = None, reason: str = "") -> None:
        self.said = list(said)
        self.calls: list[Any] = []
        self.token = CancellationToken()
        self.failure: Exception | None = None
        self.arrived = asyncio.Event()
        self.is_slow = asyncio.Event()
        self.is_slow.set()
        self.environment: dict[str, Any] = {
            "websocket.SendAsync": self.send,
            "websocket.ReceiveAsync": self.receive,
            "websocket.CloseAsync": self.close,
            "websocket.CallCancelled": self.token,
            "websocket.Version": "1.0",
        }
        if code is not None:
            self.environment |= {"websocket.ClientCloseStatus": code, "websocket.ClientCloseDescription": reason}

    def say(self, *said: Said) -> None:
        self.said += said
        self.arrived.set()

    async def send(self, data: bytes, kind: int, is_end: bool, cancel: object) -> None:
        self.calls.append((data, kind, is_end))
        await self.is_slow.wait()
        if self.failure is not None:
            raise self.failure

    async def close(self, status: int, description: str, cancel: object) -> None:
        self.calls.append(("close", status, description))
        await self.is_slow.wait()
        if self.failure is not None:
            raise self.failure
        self.say((8, True, b""))

    async def receive(self, buffer: bytearray, cancel: object) -> tuple[int, bool, int]:
        self.calls.append("receive")
        while not self.said:
            self.arrived.clear()
            await self.arrived.wait()
        said = self.said.pop(0)
        if isinstance(said, Exception):
            raise said
        kind, is_end, data = said
        buffer[: len(data)] = data
        return kind, is_end, len(data)

    @property
    def sent(self) -> list[Any]:
        return [call for call in self.calls if call != "receive"]


class DeferredServer:
    """An OWIN server: what an application accepted with is called when everything has unwound, if the status is still 101."""

    def __init__(self, peer: OwinPeer, trace: list[str] | None = None, *, refusal: Exception | None = None) -> None:
        self.trace = [] if trace is None else trace
        self.peer = peer
        self.refusal = refusal
        self.token = CancellationToken()
        self.options: Any = "never called"
        self.callback: Callable[[Environment], Awaitable[None]] | None = None
        self.socket_error: BaseException | None = None
        self.environment: dict[str, Any] = {
            "owin.ResponseStatusCode": 200,
            "owin.ResponseHeaders": {},
            "owin.CallCancelled": self.token,
            "websocket.Accept": self.accept,
        }

    def accept(self, options: Any, callback: Callable[[Environment], Awaitable[None]]) -> None:
        if self.refusal is not None:
            raise self.refusal
        if self.callback is not None:
            raise ContractError("only once")
        self.trace.append("accept-recorded")
        self.options, self.callback = options, callback
        self.environment["owin.ResponseStatusCode"] = 101

    async def serve(self, application: Application) -> int:
        """The status of the answer; the socket has ended then."""
        try:
            await application(self.environment)
        except BaseException:
            self.token.cancel()
            raise
        status: int = self.environment["owin.ResponseStatusCode"]
        if status != 101 or self.callback is None:
            self.token.cancel()
            return status
        self.trace.append("server.101")
        try:
            await self.callback(self.peer.environment)
        except (Exception, asyncio.CancelledError) as error:
            self.socket_error = error
        return status


class LoggedTransport:
    """A frame transport that writes down what is written, and says what it is told to."""

    def __init__(self) -> None:
        self.frames: list[tuple[int, bytes, bool]] = []
        self.is_paused = False
        self.sink: FrameSink | None = None
        self.ending: str | None = None
        self.answers_close = False

    def attach(self, sink: FrameSink) -> None:
        self.sink = sink

    def write(self, opcode: int, payload: bytes, *, fin: bool = True, compress: bool = True) -> None:
        self.frames.append((opcode, payload, fin))

    def write_control(self, opcode: int, payload: bytes) -> None:
        self.frames.append((opcode, payload, True))
        if opcode == CLOSE and self.answers_close:
            assert self.sink is not None
            asyncio.get_running_loop().call_soon(self.sink.take_close, int.from_bytes(payload[:2] or b"\x03\xed"), "")

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close(self) -> None:
        self._end("closed")

    def abort(self) -> None:
        self._end("aborted")

    def _end(self, how: str) -> None:
        if self.ending is None:
            self.ending = how
            assert self.sink is not None
            asyncio.get_running_loop().call_soon(self.sink.lose, None)

    def wait_drained(self) -> None:
        return None


def open_websocket(transport: LoggedTransport | None = None, **options: Any) -> tuple[WebSocket, LoggedTransport]:
    """A WebSocket, and what carries it."""
    transport = transport or LoggedTransport()
    websocket = WebSocket(transport, **options)
    transport.attach(websocket)
    return websocket, transport


class InlineServer:
    """A host whose accept is awaited: 101 leaves then."""

    def __init__(self, trace: list[str] | None = None) -> None:
        self.trace = [] if trace is None else trace
        self.token = CancellationToken()
        self.contexts: list[Any] = []
        self.websocket, self.transport = open_websocket()
        self.environment: dict[str, Any] = {
            "owin.ResponseStatusCode": 200,
            "owin.ResponseHeaders": {},
            "owin.CallCancelled": self.token,
            "websocket.AcceptAlt": self.accept,
        }

    async def accept(self, context: Any) -> WebSocket:
        self.trace.append("native-101")
        self.contexts.append(context)
        return self.websocket

    @property
    def closes(self) -> Sequence[bytes]:
        return [payload for opcode, payload, _ in self.transport.frames if opcode == CLOSE]


def layer(name: str, trace: list[str], inner: Application) -> Application:
    """A middleware that writes down when it is entered and left."""

    async def call(environment: Environment) -> None:
        trace.append(f"{name}.in")
        try:
            await inner(environment)
        finally:
            trace.append(f"{name}.out")

    return call
