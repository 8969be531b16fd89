"""The application behind the tests of the listener, and a server for it that is asked whether it was left clean."""

import asyncio
import inspect
import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import msgspec

from penstock.hosts.http1_service import Http1Service
from penstock.server import ServerThread
from penstock.settings import AppSettings, LogSettings, ServerSettings, Settings, SiteSettings
from penstock.settings.model import LimitSettings, LocationLimitSettings, LocationSettings
from tests.wire.echo_application import Message, Receive, Scope, Send, live

HOST = b"Host: example.org\r\n"
TEXT = (b"content-type", b"text/plain")


def get(target: str = "/hello", *fields: bytes, method: str = "GET", version: str = "1.1") -> bytes:
    """The bytes of a request without a body."""
    lines = b"".join(field + b"\r\n" for field in fields)
    return f"{method} {target} HTTP/{version}\r\n".encode() + HOST + lines + b"\r\n"


def post(body: bytes, *fields: bytes, target: str = "/echo") -> bytes:
    """The bytes of a request with a body of known length."""
    return get(target, b"Content-Length: %d" % len(body), *fields, method="POST") + body


def eventually(is_so: Callable[[], object], *, seconds: float = 5.0) -> bool:
    """Whether `is_so` comes true within `seconds`."""
    pause = threading.Event()
    for _ in range(int(seconds / 0.005)):
        if is_so():
            return True
        pause.wait(0.005)
    return bool(is_so())


class Subject:
    """An ASGI application of many paths; what it did is counted."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.ended: list[str] = []
        self.received = 0
        self.produced = 0
        self.told: list[str] = []
        self.clients: list[Any] = []
        self.schemes: list[str] = []
        self.gate = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await live(receive, send)
            return
        path = scope["path"]
        self.begun.append(path)
        self.clients.append(scope["client"])
        self.schemes.append(scope["scheme"])
        try:
            behave = getattr(self, path.strip("/").replace("-", "_") or "hello", None)
            await (behave if inspect.iscoroutinefunction(behave) else self.hello)(scope, receive, send)
        except OSError:
            self.told.append(path)
            raise
        self.ended.append(path)

    async def hello(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, scope["query_string"] or b"hello")

    async def host(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, dict(scope["headers"])[b"host"])

    async def echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = bytearray()
        while (message := await receive())["type"] == "http.request":
            body += message["body"]
            self.received += len(message["body"])
            if not message["more_body"]:
                await answer(send, bytes(body))
                return
        self.told.append(scope["path"])

    async def echo_stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
        while (message := await receive())["type"] == "http.request":
            await send({"type": "http.response.body", "body": message["body"], "more_body": message["more_body"]})
            if not message["more_body"]:
                return

    async def unread(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"unread")

    async def unread_then_read(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, b"unread")
        self.told.append((await receive())["type"])

    async def read_and_read(self, scope: Scope, receive: Receive, send: Send) -> None:
        waiting = asyncio.ensure_future(receive())
        await asyncio.sleep(0)
        await answer(send, b"unread")
        self.told.append((await waiting)["type"])

    async def late(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.gate.wait()
        await answer(send, scope["query_string"] or b"late")

    async def watching(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        self.told.append((await receive())["type"])
        await answer(send, b"watched")

    async def slowly(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Reads its body when the gate opens."""
        await self.gate.wait()
        await self.echo(scope, receive, send)

    async def ticking(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ten pieces, each in a turn of its own."""
        await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
        for number in range(10):
            await asyncio.sleep(0.01)
            await send({"type": "http.response.body", "body": b"%d," % number, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def begun_stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The head and a piece now, the rest when the gate opens."""
        await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
        await send({"type": "http.response.body", "body": b"one,", "more_body": True})
        await self.gate.wait()
        await send({"type": "http.response.body", "body": b"two"})

    async def flood(self, scope: Scope, receive: Receive, send: Send) -> None:
        """64 KiB again and again, as many as the query says."""
        piece = b"f" * 65_536
        await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
        for _ in range(int(scope["query_string"] or b"1000")):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
            self.produced += len(piece)
        await send({"type": "http.response.body", "body": b""})

    async def large(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One body of so many bytes as the query says."""
        await answer(send, b"l" * int(scope["query_string"]))

    async def broken(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise RuntimeError("meant to fail")

    async def closing(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [TEXT, (b"connection", b"close")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"last"})


async def answer(send: Send, body: bytes) -> None:
    headers = [TEXT, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    message: Message = {"type": "http.response.body", "body": body}
    await send(message)


class Serving:
    """A subject being served."""

    def __init__(self, subject: Subject, thread: ServerThread) -> None:
        self.subject = subject
        self.thread = thread
        self.runtime = thread.runtime

    @property
    def address(self) -> tuple[str, int]:
        return self.thread.address

    @property
    def service(self) -> Http1Service:
        host = self.thread.server._host
        assert host is not None
        return host._service

    def open_gate(self) -> None:
        self.thread.call(self.subject.gate.set)

    def sweep(self, seconds: float = 0.0) -> None:
        """Judge time limits as if it were `seconds` later."""
        self.thread.call(lambda: self.service.sweep(self.service.loop.time() + seconds))

    def is_empty(self) -> bool:
        return not self.service.connections

    def check_empty(self) -> None:
        assert eventually(self.is_empty), f"connections left behind: {self.service.connections}"
        assert eventually(lambda: self.runtime.statistics().executing == 0), self.runtime.statistics()
        counted = self.runtime.statistics()
        sum_of_parts = counted.succeeded + counted.failed + counted.rejected + counted.disconnected
        assert counted.queued == 0
        assert counted.total == sum_of_parts, counted


def server_settings(*listen: str, **changes: Any) -> ServerSettings:
    """A free loopback port, no access log, no long wait at the end, and `changes`."""
    given: dict[str, Any] = {
        "listen": listen or ("127.0.0.1:0",),
        "log": LogSettings(access=False),
        "graceful_timeout": 0.5,
        **changes,
    }
    return ServerSettings(**given)


@contextmanager
def serving(server: ServerSettings | None = None, **limits: Any) -> Iterator[Serving]:
    """Serve a new subject; at the end no connection is left and nothing was logged as an error."""
    subject = Subject()
    server = server or server_settings()
    if limits:
        server = msgspec.structs.replace(server, limits=LimitSettings(**limits))
    site = SiteSettings(
        apps=(AppSettings(at="/", asgi="name:app"),),
        locations=(LocationSettings(at="/echo-stream", limits=LocationLimitSettings(body=1_000_000_000)),),
    )
    errors = Errors()
    with errors, ServerThread(Settings(server=server, sites=(site,)), objects={"name:app": subject}) as thread:
        served = Serving(subject, thread)
        yield served
        if thread.server._host is not None:
            served.open_gate()
            served.check_empty()
    assert errors.lines == [], "\n".join(errors.lines)


class Errors(logging.Handler):
    """Collects what is logged as an error while it is entered: by Penstock, and by asyncio of callbacks and tasks."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if not any(text in str(record.exc_info) for text in ("meant to fail", "the server is stopping")):
            self.lines.append(f"{record.getMessage()} {record.exc_info}")

    def __enter__(self) -> Self:
        for name in ("penstock", "asyncio"):
            logging.getLogger(name).addHandler(self)
        return self

    def __exit__(self, *exception: object) -> None:
        for name in ("penstock", "asyncio"):
            logging.getLogger(name).removeHandler(self)
