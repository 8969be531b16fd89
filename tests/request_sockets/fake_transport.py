"""FakeTransport: what the tests of the WebSocket let it send to, and a loop whose clock they set."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from penstock.intake.frame_transport import FrameSink
from penstock.request_sockets.websocket import WebSocket

T = TypeVar("T")

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 1, 2, 0, 8, 9, 10


class FakeTransport:
    """A FrameTransport that writes down what is done to it.

    `log` has (opcode, payload, fin) for data, (opcode, payload) for control frames, and names of calls. `loses` says when a
    `close` or `abort` leads to `lose`: never, at once, or on the next turn of the loop. `breaks`: the next write finds the
    connection lost. `pauses`: the next write fills the buffer.
    """

    def __init__(self) -> None:
        self.is_paused = False
        self.log: list[Any] = []
        self.compressed: list[bool] = []
        self.sink: FrameSink | None = None
        self.loses = ""
        self.breaks = False
        self.pauses = False
        self.draining: Awaitable[None] | None = None

    def attach(self, sink: FrameSink) -> None:
        self.sink = sink

    def write(self, opcode: int, payload: bytes, *, fin: bool = True, compress: bool = True) -> None:
        self.log.append((opcode, payload, fin))
        self.compressed.append(compress)
        self._write()

    def write_control(self, opcode: int, payload: bytes) -> None:
        self.log.append((opcode, payload))
        self._write()

    def _write(self) -> None:
        if self.breaks:
            self.lose(BrokenPipeError("gone"))
        if self.pauses:
            self.is_paused, self.pauses = True, False

    def pause_reading(self) -> None:
        self.log.append("pause")

    def resume_reading(self) -> None:
        self.log.append("resume")

    def close(self) -> None:
        self.log.append("close")
        self._end()

    def abort(self) -> None:
        self.log.append("abort")
        self._end()

    def wait_drained(self) -> Awaitable[None] | None:
        return self.draining

    def resume(self) -> None:
        """The client has read."""
        self.is_paused = False
        assert self.sink is not None
        self.sink.resume_sending()

    @property
    def messages(self) -> list[bytes]:
        """The payloads of the data that was sent."""
        return [entry[1] for entry in self.log if len(entry) == 3]

    @property
    def closes(self) -> list[bytes]:
        """The payloads of the Closes that were sent."""
        return [entry[1] for entry in self.log if entry[0] == CLOSE and len(entry) == 2]

    def _end(self) -> None:
        if self.loses == "at once":
            self.lose(None)
        elif self.loses == "later":
            asyncio.get_running_loop().call_soon(self.lose, None)

    def lose(self, error: Exception | None) -> None:
        sink, self.sink = self.sink, None
        if sink is not None:
            sink.lose(error)


def open_socket(transport: FakeTransport | None = None, **options: Any) -> tuple[WebSocket, FakeTransport]:
    transport = transport or FakeTransport()
    websocket = WebSocket(transport, **options)
    transport.attach(websocket)
    return websocket, transport


class TimedLoop(asyncio.SelectorEventLoop):
    """A loop whose clock stands still until a test sets it forward."""

    now = 1000.0

    def time(self) -> float:
        return self.now


async def settle() -> None:
    """Let everything run that can."""
    for _ in range(8):
        await asyncio.sleep(0)


async def advance(seconds: float) -> None:
    """Let time pass."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, TimedLoop)
    loop.now += seconds
    await settle()


async def begin(waiting: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
    """A task that has come as far as it can."""
    task = asyncio.ensure_future(waiting)
    await settle()
    return task


def call(function: Callable[..., Any], *arguments: Any, **options: Any) -> None:
    """Call without awaiting: what is refused is refused by the call itself (websockets SW-71)."""
    function(*arguments, **options)


def run(journey: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run `journey` on a loop of its own, whose clock stands still."""
    with asyncio.Runner(loop_factory=TimedLoop) as runner:
        return runner.run(journey())
