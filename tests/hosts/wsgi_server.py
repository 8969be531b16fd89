"""This file is a WSGI server without a wire: one thread per request, which does what PEP 3333 lets a server do, and no more."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote_to_bytes

from penstock.hosts.wsgi_host import WsgiHost
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import WorkerRequest
from penstock.settings.model import LimitSettings
from penstock.testing import Asked, Received
from tests.testing.http1_requests import CatchingSite

Environ = dict[str, Any]

HIGH_WATER = 64 * 1024  # bytes that are written before a client that does not read holds the server back


def environ_of(method: str = "GET", path: str = "/", **other: Any) -> Environ:
    environ: Environ = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SERVER_NAME": "192.0.2.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "203.0.113.7",
        "REMOTE_PORT": "4711",
        "HTTP_HOST": "example.org",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": None,
        "wsgi.errors": None,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
    }
    return {**environ, **other}


class Wire:
    """The client of one request, and what lies between it and the server's thread."""

    def __init__(self) -> None:
        self.change = threading.Condition()
        self.coming = bytearray()
        self.is_whole = False
        self.is_gone = False
        self.is_taking = False
        self.unread = 0

    def tell(self, **change: Any) -> None:
        with self.change:
            for name, value in change.items():
                setattr(self, name, value)
            self.change.notify_all()

    def feed(self, piece: bytes) -> None:
        with self.change:
            self.coming += piece
            self.change.notify_all()

    # -- wsgi.input --

    def read(self, size: int = -1) -> bytes:
        with self.change:
            self.change.wait_for(lambda: self.coming or self.is_whole or self.is_gone)
            if not self.coming and self.is_gone and not self.is_whole:
                raise ConnectionResetError("the client left")
            piece = bytes(self.coming[:size]) if size >= 0 else bytes(self.coming)
            del self.coming[: len(piece)]
            return piece

    # -- the socket --

    def write(self, piece: bytes) -> None:
        with self.change:
            self.change.wait_for(lambda: self.unread <= HIGH_WATER or self.is_taking or self.is_gone)
            if self.is_gone:
                raise BrokenPipeError("the client left")
            self.unread += len(piece)


class WsgiServer:
    """One exchange: calls the application, sends what it gives, and closes it."""

    def __init__(self, application: Callable[..., Any], environ: Environ) -> None:
        self.application = application
        self.environ = environ
        self.wire = Wire()
        environ["wsgi.input"] = self.wire
        self.status = ""
        self.fields: list[tuple[str, str]] = []
        self.body = b""
        self.is_head_sent = False
        self.is_failed = False
        self.starts = 0
        self.failure: BaseException | None = None

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Callable[..., None]:
        if exc_info is not None and self.is_head_sent:
            raise exc_info[1]
        assert exc_info is not None or not self.starts, "PEP 3333: a second call needs exc_info"
        self.is_failed = exc_info is not None
        self.starts += 1
        self.status, self.fields = status, headers
        return self.write

    def write(self, piece: bytes) -> None:
        self.wire.write(piece)
        self.is_head_sent = True
        self.body += piece

    def serve(self) -> None:
        try:
            result = self.application(self.environ, self.start_response)
            try:
                for piece in result:
                    if piece:
                        self.write(piece)
            finally:
                if hasattr(result, "close"):
                    result.close()
            length = dict(self.fields).get("content-length")
            is_bare = self.status[:3] in ("204", "304") or self.environ["REQUEST_METHOD"] == "HEAD"
            assert length is None or is_bare or int(length) == len(self.body)
        except BaseException as error:
            self.failure = error

    def received(self) -> Received:
        received = Received(is_whole=self.failure is None and not self.is_failed)
        if self.is_head_sent or self.failure is None:
            received.status = int(self.status[:3])
            received.headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in self.fields]
        received.body = self.body
        return received


class WsgiRequestUnderTest:
    """As `RequestUnderTest`, of a request that a WSGI server hands over."""

    def __init__(self, worker_request: WorkerRequest, server: WsgiServer, serving: "asyncio.Future[None]") -> None:
        self.worker_request = worker_request
        self.server = server
        self.serving = serving

    def feed(self, piece: bytes) -> None:
        self.server.wire.feed(piece)

    def end_body(self) -> None:
        self.server.wire.tell(is_whole=True)

    def leave(self) -> None:
        self.server.wire.tell(is_gone=True)

    async def receive(self) -> Received:
        self.server.wire.tell(is_taking=True)
        await self.serving
        return self.server.received()


def environ_for(asked: Asked) -> Environ:
    path, _, query = asked.target.partition("?")
    environ = environ_of(asked.method, unquote_to_bytes(path).decode("latin-1"), QUERY_STRING=query)
    for name, value in asked.headers:
        key = f"HTTP_{name.upper().replace('-', '_')}"
        environ[key] = f"{environ[key]},{value}" if key in environ else value
    if asked.body is None:
        environ["HTTP_TRANSFER_ENCODING"] = "chunked"
    elif asked.body:
        environ["CONTENT_LENGTH"] = str(len(asked.body))
    return environ


@asynccontextmanager
async def ask_wsgi(asked: Asked) -> AsyncIterator[WsgiRequestUnderTest]:
    """What `check_host` wants."""
    site = CatchingSite()
    runtime = Runtime([site])
    await runtime.start()
    server = WsgiServer(WsgiHost(runtime, LimitSettings()).handle, environ_for(asked))
    if asked.body is not None:
        server.wire.feed(asked.body)
        server.wire.tell(is_whole=True)
    serving = asyncio.ensure_future(asyncio.to_thread(server.serve))
    worker_request = await site.caught
    try:
        yield WsgiRequestUnderTest(worker_request, server, serving)
    finally:
        worker_request.abort()
        server.wire.tell(is_gone=True)
        await serving
        await runtime.stop()
