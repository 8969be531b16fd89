"""This file is an RSGI server without a wire: what it gives and takes is what the specification of RSGI says, as granian does it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

from penstock.errors import ClientGone
from penstock.hosts.rsgi_host import RsgiHost
from penstock.hosts.rsgi_request import RsgiRequest
from penstock.http.foreign_head import foreign_head, foreign_line
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import WorkerRequest
from penstock.settings.model import LimitSettings
from penstock.testing import Asked, Received
from tests.testing.http1_requests import CatchingSite

Fields = list[tuple[str, str]]

HIGH_WATER = 64 * 1024  # bytes that are written before a client that does not read holds the application back


class ProtocolClosedError(RuntimeError):
    """As RSGIProtocolClosed."""


class Headers:
    def __init__(self, fields: Sequence[tuple[str, str]]) -> None:
        self.fields = list(fields)

    def items(self) -> list[tuple[str, str]]:
        return list(self.fields)


def scope_of(
    proto: str = "http", *, headers: Sequence[tuple[str, str]] = (("host", "example.org"),), **other: Any
) -> Any:
    said: dict[str, Any] = {
        "proto": proto,
        "rsgi_version": "1.6",
        "http_version": "1.1",
        "server": "192.0.2.1:80",
        "client": "203.0.113.7:4711",
        "scheme": "http",
        "method": "GET",
        "path": "/",
        "query_string": "",
        "authority": None,
    }
    return SimpleNamespace(**{**said, **other, "headers": Headers(headers)})


class RsgiProtocol:
    """The protocol of one HTTP request, and its client: who takes nothing before `begin_taking`."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.status = 0
        self.fields: Fields = []
        self.body = b""
        self.is_gone = False
        self.is_taking = False
        self.unread = 0
        self.gone = asyncio.Event()
        self.change = asyncio.Event()
        self.coming: deque[bytes] = deque()
        self.is_whole = False
        self.ends = 0  # empty pieces before the end of the iteration
        self.iterations = 0

    # -- the client --

    def put_body(self, piece: bytes, *, more: bool) -> None:
        if piece:
            self.coming.append(piece)
        self.is_whole = not more
        self.tell()

    def leave(self) -> None:
        self.is_gone = True
        self.gone.set()
        self.tell()

    def begin_taking(self) -> None:
        self.is_taking = True
        self.tell()

    def tell(self) -> None:
        self.change.set()
        self.change = asyncio.Event()

    # -- the application --

    async def __call__(self) -> bytes:
        self.calls.append("()")
        while not (self.is_whole or self.is_gone):
            await self.change.wait()
        if not self.is_whole:
            raise ProtocolClosedError
        body = b"".join(self.coming)
        self.coming.clear()
        return body

    def __aiter__(self) -> "RsgiProtocol":
        self.calls.append("aiter")
        return self

    async def __anext__(self) -> bytes:
        while not (self.coming or self.is_whole or self.is_gone):
            await self.change.wait()
        if self.coming:
            return self.coming.popleft()
        self.ends += 1
        if self.ends > (1 if self.is_whole else 2):
            raise StopAsyncIteration
        return b""

    async def client_disconnect(self) -> None:
        await self.gone.wait()

    def response_empty(self, status: int, headers: Fields) -> None:
        self.begin("empty", status, headers)

    def response_bytes(self, status: int, headers: Fields, body: bytes) -> None:
        self.begin("bytes", status, headers)
        self.body = body

    def response_file_range(self, status: int, headers: Fields, file: str, start: int, end: int) -> None:
        self.begin("file_range", status, headers)
        with open(file, "rb") as opened:
            opened.seek(start)
            self.body = opened.read(end - start)

    def response_stream(self, status: int, headers: Fields) -> "Transport":
        self.begin("stream", status, headers)
        return Transport(self)

    def begin(self, kind: str, status: int, headers: Fields) -> None:
        if self.status:
            raise RuntimeError("a second answer")
        self.calls.append(kind)
        self.status, self.fields = status, headers


class Transport:
    def __init__(self, protocol: RsgiProtocol) -> None:
        self.protocol = protocol

    async def send_bytes(self, body: bytes) -> None:
        protocol = self.protocol
        while protocol.unread > HIGH_WATER and not (protocol.is_taking or protocol.is_gone):
            await protocol.change.wait()
        if protocol.is_gone:
            raise ProtocolClosedError
        protocol.body += body
        protocol.unread += len(body)


def ask(protocol: RsgiProtocol, *, method: str = "GET", headers: Sequence[tuple[bytes, bytes]] = ()) -> RsgiRequest:
    """A request as it is taken in."""
    head = foreign_head(foreign_line(method, b"/", b""), [(b"host", b"example.org"), *headers])
    return RsgiRequest(scope_of(method=method), protocol, head=head, loop=asyncio.get_running_loop())


class RsgiRequestUnderTest:
    """As `RequestUnderTest`, of a request that an RSGI server hands over."""

    def __init__(self, worker_request: WorkerRequest, protocol: RsgiProtocol, application: asyncio.Task[None]) -> None:
        self.worker_request = worker_request
        self.protocol = protocol
        self.application = application

    def feed(self, piece: bytes) -> None:
        self.protocol.put_body(piece, more=True)

    def end_body(self) -> None:
        self.protocol.put_body(b"", more=False)

    def leave(self) -> None:
        self.protocol.leave()

    async def receive(self) -> Received:
        self.protocol.begin_taking()
        received = Received()
        try:
            await self.application
            received.is_whole = True
        except ClientGone:
            pass
        received.status, received.body = self.protocol.status, self.protocol.body
        received.headers = [(name.encode(), value.encode()) for name, value in self.protocol.fields]
        return received


def scope_for(asked: Asked, protocol: RsgiProtocol) -> Any:
    fields = [("host", "example.org"), *((name.lower(), value) for name, value in asked.headers)]
    if asked.body is None:
        fields.append(("transfer-encoding", "chunked"))
    else:
        protocol.put_body(asked.body, more=False)
        if asked.body:
            fields.append(("content-length", str(len(asked.body))))
    path, _, query = asked.target.partition("?")
    return scope_of(method=asked.method, path=unquote(path, errors="replace"), query_string=query, headers=fields)


@asynccontextmanager
async def ask_rsgi(asked: Asked) -> AsyncIterator[RsgiRequestUnderTest]:
    """What `check_host` wants."""
    site = CatchingSite()
    runtime = Runtime([site])
    await runtime.start()
    protocol = RsgiProtocol()
    host = RsgiHost(runtime, LimitSettings())
    application = asyncio.ensure_future(host.handle(scope_for(asked, protocol), protocol))
    try:
        yield RsgiRequestUnderTest(await site.caught, protocol, application)
    finally:
        application.cancel()
        await asyncio.wait([application])
        await runtime.stop()


class SocketProtocol:
    """The protocol of a WebSocket: `frames` are what the client sends, `sent` is what reaches it."""

    def __init__(self) -> None:
        self.closes: list[int | None] = []
        self.accepts = 0
        self.sent: list[str | bytes] = []
        self.coming: deque[tuple[int, Any]] = deque()
        self.is_lost = False
        self.change = asyncio.Event()

    def put(self, kind: int, message: Any = None) -> None:
        self.coming.append((kind, message))
        self.tell()

    def leave(self) -> None:
        self.is_lost = True
        self.tell()

    def tell(self) -> None:
        self.change.set()
        self.change = asyncio.Event()

    async def wait(self, is_true: Callable[[], bool]) -> None:
        while not is_true():
            await asyncio.wait_for(self.change.wait(), 10)

    async def accept(self) -> "SocketProtocol":
        self.accepts += 1
        self.tell()
        return self

    def close(self, status: int | None = None) -> None:
        self.closes.append(status)
        self.tell()

    async def receive(self) -> Any:
        while not self.coming:
            if self.is_lost:
                raise ProtocolClosedError
            await self.change.wait()
        kind, message = self.coming.popleft()
        return SimpleNamespace(kind=kind, data=message) if kind else SimpleNamespace(kind=0)

    async def send_bytes(self, message: bytes) -> None:
        self.take(message)

    async def send_str(self, message: str) -> None:
        self.take(message)

    def take(self, message: str | bytes) -> None:
        if self.is_lost or self.closes:
            raise ProtocolClosedError
        self.sent.append(message)
        self.tell()
