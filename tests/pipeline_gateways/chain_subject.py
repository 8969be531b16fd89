"""What the tests of chains ask: one request of an ASGI application, by hand."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from tests.pipeline.subject import run

Message = dict[str, Any]


class Answer:
    """What an ASGI application has sent."""

    def __init__(self, sent: Sequence[Message]) -> None:
        self.sent = list(sent)
        starts = [each for each in sent if each["type"] == "http.response.start"]
        self.status = starts[0]["status"] if starts else 0
        self.headers = {name.decode(): value.decode() for name, value in starts[0]["headers"]} if starts else {}
        self.pieces = [each.get("body", b"") for each in sent if each["type"] == "http.response.body"]
        self.body = b"".join(self.pieces)


def scope_of(path: str = "/", kind: str = "http", **more: Any) -> Message:
    scope: Message = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver")],
        "client": ("127.0.0.1", 50000),
        "server": ("testserver", 80),
        "extensions": {},
    }
    if kind == "websocket":
        del scope["method"]
        scope["subprotocols"] = []
    return {**scope, **more}


async def ask_app(app: Any, scope: Message, messages: Sequence[Message] = ()) -> Answer:
    """One call of `app`; behind `messages` there is nothing to receive."""
    waiting = list(messages or [{"type": "http.request", "body": b"", "more_body": False}])
    sent: list[Message] = []

    async def receive() -> Message:
        if waiting:
            return waiting.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return Answer(sent)


def asked(app: Any, path: str = "/", *, body: bytes = b"", **more: Any) -> Answer:
    """GET `path`, or POST `body`."""
    if body:
        more = {"method": "POST", "headers": [(b"host", b"testserver"), (b"content-length", b"%d" % len(body))], **more}
    messages = [{"type": "http.request", "body": body, "more_body": False}]
    return run(lambda: ask_app(app, scope_of(path, **more), messages))


def shaken(app: Any, path: str = "/") -> Answer:
    """A WebSocket handshake for `path`."""
    return run(lambda: ask_app(app, scope_of(path, "websocket"), [{"type": "websocket.connect"}]))


def answering(body: bytes, status: int = 200) -> Callable[..., Awaitable[None]]:
    """An ASGI application that answers everything with `body`."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan")
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return application


class Marking:
    """ASGI middleware that leaves a mark in the scope."""

    made = 0

    def __init__(self, app: Any, mark: str = "", *more: Any) -> None:
        type(self).made += 1
        self.app = app
        self.mark = mark
        self.more = more

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app({**scope, "marks": (*scope.get("marks", ()), self.mark, *self.more)}, receive, send)


async def showing_marks(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that answers with the marks that came to it."""
    await answering(",".join(str(each) for each in scope.get("marks", ())).encode())(scope, receive, send)


def wsgi_page(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("x-script", environ["SCRIPT_NAME"]), ("x-path", environ["PATH_INFO"])])
    return [b"wsgi"]


class WsgiMarking:
    """WSGI middleware that adds a header."""

    def __init__(self, app: Any, header: str = "x-wsgi") -> None:
        self.app = app
        self.header = header

    def __call__(self, environ: Any, start_response: Any) -> Any:
        def started(status: str, headers: Any, exc_info: Any = None) -> Any:
            return start_response(status, [*headers, (self.header, "1")], exc_info)

        return self.app(environ, started)
