"""This file is an ASGI server without a wire: what it gives and takes is what the specification of ASGI lets a server do."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, MutableMapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from penstock.errors import ClientGone
from penstock.http.foreign_head import foreign_handshake, foreign_head, foreign_line
from penstock.intake.asgi_request import AsgiRequest
from penstock.testing import Asked, Received

Pairs = Sequence[tuple[bytes, bytes]]

EXTENSIONS = ("http.response.early_hint", "http.response.trailers")
HIGH_WATER = 64 * 1024  # bytes that are written before a client that does not read holds the application back


class AsgiServer:
    """One exchange. `sent` are the messages of the application; the client takes nothing before `begin_taking`."""

    def __init__(self) -> None:
        self.coming: deque[dict[str, Any]] = deque()
        self.sent: list[dict[str, Any]] = []
        self.receivers = 0
        self.most_receivers = 0
        self.received = 0
        self.is_gone = False
        self.failure: Exception | None = None  # what `send` raises from now on
        self.unread = 0
        self.is_taking = False
        self.change = asyncio.Event()

    def put(self, kind: str, **message: Any) -> None:
        self.coming.append({"type": kind, **message})
        self.tell()

    def put_body(self, piece: bytes, *, more: bool) -> None:
        self.put("http.request", body=piece, more_body=more)

    def leave(self, kind: str = "http.disconnect", **message: Any) -> None:
        self.is_gone = True
        self.put(kind, **message)

    def begin_taking(self) -> None:
        self.is_taking = True
        self.tell()

    def tell(self) -> None:
        self.change.set()
        self.change = asyncio.Event()

    async def wait_sent(self, count: int) -> list[dict[str, Any]]:
        while len(self.sent) < count:
            await self.change.wait()
        return self.sent

    async def receive(self) -> dict[str, Any]:
        self.receivers += 1
        self.most_receivers = max(self.receivers, self.most_receivers)
        try:
            while not self.coming:
                await self.change.wait()
            self.received += 1
            return self.coming.popleft()
        finally:
            self.receivers -= 1

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if self.failure is not None:
            raise self.failure
        while self.unread > HIGH_WATER and not (self.is_taking or self.is_gone):
            await self.change.wait()
        if self.is_gone:
            return  # as most servers do
        self.sent.append(dict(message))
        self.unread += len(message.get("body") or b"")
        self.tell()


def scope_of(kind: str = "http", *, method: str = "GET", path: str = "/", **other: Any) -> dict[str, Any]:
    scope: dict[str, Any] = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http" if kind == "http" else "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"example.org")],
        "client": ("203.0.113.7", 4711),
        "server": ("192.0.2.1", 80),
    }
    return {**scope, **other}


def ask(asked: AsgiServer, *, method: str = "GET", headers: Pairs = (), **other: Any) -> AsgiRequest:
    """A request that `asked` hands over; `other` is in its scope."""
    fields = [(b"host", b"example.org"), *headers]
    head = foreign_head(foreign_line(method, b"/", b""), fields)
    return AsgiRequest(scope_of(method=method, headers=fields, **other), asked.receive, asked.send, head=head)


def ask_socket(server: AsgiServer, *, headers: Pairs = (), denies: bool = True) -> AsgiRequest:
    """A handshake of `server`'s, whose `websocket.connect` was received; `denies`: it can send whole answers to one."""
    fields = [(b"host", b"example.org"), (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="), *headers]
    extensions: dict[str, Any] = {"websocket.http.response": {}} if denies else {}
    scope = scope_of("websocket", headers=fields, extensions=extensions)
    head = foreign_handshake(foreign_line("GET", b"/", b""), fields)
    return AsgiRequest(scope, server.receive, server.send, head=head)


class AsgiRequestUnderTest:
    """As `RequestUnderTest`, of a request that an ASGI server hands over."""

    def __init__(self, asked: Asked) -> None:
        self.server = AsgiServer()
        fields = [(b"host", b"example.org"), (b"te", b"trailers")]
        fields += [(name.lower().encode(), value.encode()) for name, value in asked.headers]
        if asked.body is None:
            fields.append((b"transfer-encoding", b"chunked"))
        else:
            self.server.put_body(asked.body, more=False)
            if asked.body:
                fields.append((b"content-length", b"%d" % len(asked.body)))
        path, _, query = asked.target.encode().partition(b"?")
        scope = scope_of(method=asked.method, headers=fields, extensions={name: {} for name in EXTENSIONS})
        head = foreign_head(foreign_line(asked.method, path, query), fields)
        self.worker_request = AsgiRequest(scope, self.server.receive, self.server.send, head=head)
        self.application = asyncio.ensure_future(self.worker_request.finish())

    def feed(self, piece: bytes) -> None:
        self.server.put_body(piece, more=True)

    def end_body(self) -> None:
        self.server.put_body(b"", more=False)

    def leave(self) -> None:
        self.server.leave()

    async def receive(self) -> Received:
        self.server.begin_taking()
        received = Received()
        try:
            await self.application
            received.is_whole = True
        except ClientGone:
            pass
        kinds = [message["type"] for message in self.server.sent]
        for message in self.server.sent:
            self.take(received, message)
        assert kinds == sorted(kinds, key=ORDER.index)
        return received

    def take(self, received: Received, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "http.response.early_hint":
            received.informed.append((103, [(b"link", link) for link in message["links"]]))
        elif kind == "http.response.start":
            received.status, received.headers = message["status"], message["headers"]
        elif kind == "http.response.body":
            received.body += message["body"]
        else:
            received.trailers = message["headers"]


ORDER = ["http.response.early_hint", "http.response.start", "http.response.body", "http.response.trailers"]


@asynccontextmanager
async def ask_asgi(asked: Asked) -> AsyncIterator[AsgiRequestUnderTest]:
    """What `check_host` wants."""
    under_test = AsgiRequestUnderTest(asked)
    try:
        yield under_test
    finally:
        under_test.application.cancel()
        await asyncio.wait([under_test.application])
