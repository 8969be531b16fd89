"""Backends that do what a script says, and a proxy in front of them."""

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

from penstock.server import open_client
from penstock.settings import BackendSettings, LogSettings, ServerSettings, SiteSettings
from penstock.testing import Client

Script = Callable[["Conversation"], Awaitable[None]]

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Conversation:
    """One connection to a scripted backend."""

    def __init__(self, backend: "Backend", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.backend = backend
        self.reader = reader
        self.writer = writer

    async def head(self) -> bytes:
        """The next head, noted. Raises IncompleteReadError when the proxy has closed."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        self.backend.heads.append(head)
        return head

    async def body(self, size: int) -> bytes:
        body = await self.reader.readexactly(size)
        self.backend.bodies.append(body)
        return body

    async def say(self, *pieces: bytes) -> None:
        """Write pieces, each in a turn of its own."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    async def wait_end(self) -> bytes:
        """Wait until the proxy closes; what came before that."""
        try:
            return await self.reader.read()
        except ConnectionError:
            return b""

    def close(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        self.writer.transport.abort()


class Backend:
    """A server on a free port, or on a Unix socket; `script` is called for each connection, and has it to itself.

    With `tls` it speaks that; `name` is what the proxy knows it by.
    """

    def __init__(
        self, script: Script, path: str = "", *, tls: ssl.SSLContext | None = None, name: str = "127.0.0.1"
    ) -> None:
        self.script = script
        self.path = path
        self.tls = tls
        self.name = name
        self.heads: list[bytes] = []
        self.bodies: list[bytes] = []
        self.connections = 0
        self.ended = asyncio.Event()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        scheme = "https" if self.tls is not None else "http"
        return f"unix:{self.path}" if self.path else f"{scheme}://{self.name}:{self.port}"

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def listen(self) -> None:
        if self.path:
            self._server = await asyncio.start_unix_server(self._accept, self.path)
        else:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, ssl=self.tls)
            self.port = self._server.sockets[0].getsockname()[1]

    async def vanish(self) -> None:
        """As if it were killed: nobody listens, and every connection is gone."""
        if self._server is not None:
            self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aexit__(self, *rest: object) -> None:
        await self.vanish()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            await self.script(Conversation(self, reader, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except asyncio.CancelledError:
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            self.ended.set()
            writer.close()


def saying(*pieces: bytes, then: str = "wait") -> Script:
    """Answers every request with `pieces`; then "close"s or "reset"s the connection, or "wait"s for the next request."""

    async def script(conversation: Conversation) -> None:
        while True:
            await conversation.head()
            await conversation.say(*pieces)
            if then == "reset":
                conversation.reset()
            if then != "wait":
                return

    return script


def proxy_site(*backends: Backend | str, at: str = "/", **keys: Any) -> SiteSettings:
    """A site that is nothing but a proxy."""
    to = tuple(each if isinstance(each, str) else each.url for each in backends)
    return SiteSettings(proxies=(BackendSettings(at=at, to=to, **keys),))


def quiet(**keys: Any) -> ServerSettings:
    return ServerSettings(log=LogSettings(access=False), **keys)


@asynccontextmanager
async def proxying(script: Script, **keys: Any) -> AsyncIterator[tuple[Client, Backend]]:
    """A client of a proxy in front of one scripted backend."""
    async with Backend(script) as backend, open_client(proxy_site(backend, **keys), server=quiet()) as client:
        yield client, backend


@contextmanager
def logged() -> Iterator[list[str]]:
    """The lines that the server writes to its log, WARNING and above."""
    lines: list[str] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(record.getMessage())

    handler = Keep(logging.WARNING)
    logger = logging.getLogger("penstock")
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
