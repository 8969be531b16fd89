"""A connection without a wire: a transport that remembers, a runtime that keeps requests, a clock that is told the time."""

import asyncio
from collections.abc import Callable
from typing import Any

from penstock.hosts.clock import Clock
from penstock.hosts.connection import Connection
from penstock.hosts.http1_request import Http1Request
from penstock.hosts.http1_service import Http1Service
from penstock.http.messages import ResponseHead
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import WorkerRequest
from penstock.settings.model import LimitSettings

GET = b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"


def post(length: int, *fields: bytes) -> bytes:
    lines = b"".join(field + b"\r\n" for field in fields)
    return b"POST / HTTP/1.1\r\nHost: example.org\r\nContent-Length: %d\r\n%b\r\n" % (length, lines)


CHUNKED = b"POST / HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n"


class FakeSocket:
    def fileno(self) -> int:
        return -1


class FakeTransport(asyncio.Transport):
    """What was written and asked for. `unsent` is what get_write_buffer_size tells."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.calls: list[str] = []
        self.unsent = 0
        self.info: dict[str, Any] = {
            "peername": ("127.0.0.1", 4711),
            "sockname": ("127.0.0.1", 80),
            "socket": FakeSocket(),
        }

    def write(self, data: Any) -> None:
        assert "write_eof" not in self.calls, "written behind the end"
        self.written += data

    def take(self) -> bytes:
        written, self.written = self.written, b""
        return written

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self.info.get(name, default)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return "close" in self.calls or "abort" in self.calls

    def can_write_eof(self) -> bool:
        return True

    def __getattribute__(self, name: str) -> Any:
        if name in ("close", "abort", "write_eof", "pause_reading", "resume_reading"):
            return lambda: self.calls.append(name)
        return super().__getattribute__(name)


class KeptSite:
    """A site that keeps its requests, or answers each at once with `behave`."""

    hosts = ("*",)

    def __init__(self) -> None:
        self.kept: list[Http1Request] = []
        self.behave: Callable[[Any, Runtime], None] | None = None

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    def announce_stop(self) -> None:
        pass

    def process(self, worker_request: WorkerRequest, runtime: Runtime) -> None:
        assert isinstance(worker_request, Http1Request)
        self.kept.append(worker_request)
        if self.behave is not None:
            self.behave(worker_request, runtime)


class Wired:
    """A connection and everything around it. Make it on a running loop."""

    def __init__(self, *, scheme: str = "http", is_unix: bool = False, **limits: Any) -> None:
        self.site = KeptSite()
        self.runtime = Runtime([self.site])
        asyncio.get_running_loop().create_task(self.runtime.start())
        self.clock = Clock(self.runtime.loop)
        self.service = Http1Service(self.runtime, LimitSettings(**limits), self.clock)
        self.transport = FakeTransport()
        self.connection = Connection(self.service, scheme, is_unix=is_unix)
        self.connection.connection_made(self.transport)

    async def begin(self) -> "Wired":
        """Wait until the runtime takes requests in."""
        await turn()
        return self

    def receive(self, data: bytes) -> None:
        self.connection.data_received(data)

    @property
    def requests(self) -> list[Http1Request]:
        return self.site.kept

    def answer(self, body: bytes = b"hello", *, more: bool = False) -> None:
        """Answer the last request."""
        answer(self.requests[-1], body, more=more)

    def answer_at_once(self) -> None:

        def behave(request: Http1Request, runtime: Runtime) -> None:
            answer(request, request.head.target)
            runtime.leave(request, 200, [], is_recorded=False)

        self.site.behave = behave

    def sweep(self, seconds: float) -> None:
        """Judge the time limits as if it were `seconds` after the connection was made."""
        self.service.sweep(self.clock.now + seconds)


def answer(request: Http1Request, body: bytes = b"hello", *, more: bool = False) -> None:
    request.send(ResponseHead(200, []), body, more)


async def turn(count: int = 3) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


def run(test: Callable[..., Any]) -> Callable[..., None]:
    """Runs an async test on a loop of its own. Nothing it leaves behind may complain."""

    def sync(self: Any) -> None:
        asyncio.run(test(self))

    sync.__name__ = test.__name__
    return sync
