"""ASGI applications called as WSGI ones: the edge semantics (middleware section 15.4, ASGI3 -> WSGI)."""

import io
import sys
import threading
from typing import Any

import pytest

from penstock.pipeline_gateways import asgi_in_wsgi
from penstock.pipeline_gateways.asgi_in_wsgi import AsgiInWsgi, scope_of
from penstock.pipeline_gateways.loop_thread import the_loop
from tests.pipeline_gateways.chain_subject import Message, answering

WAIT = 10.0


class Call:
    """One call of a WSGI application."""

    def __init__(self, app: Any, body: bytes = b"", environ: dict[str, Any] | None = None) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.exc_info: Any = None
        self.environ = {
            "REQUEST_METHOD": "POST" if body else "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": "/",
            "QUERY_STRING": "",
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "HTTP_HOST": "testserver",
            "CONTENT_LENGTH": str(len(body)) if body else "",
            "wsgi.input": io.BytesIO(body),
            "wsgi.url_scheme": "http",
            **(environ or {}),
        }
        self.pieces = app(self.environ, self.start)

    def start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
        self.status, self.headers, self.exc_info = status, headers, exc_info

    def body(self) -> bytes:
        try:
            return b"".join(self.pieces)
        finally:
            if hasattr(self.pieces, "close"):
                self.pieces.close()


def test_status_headers_and_body() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"x-path", scope["path"].encode()), (b"set-cookie", b"a"), (b"set-cookie", b"b")]
        await send({"type": "http.response.start", "status": 418, "headers": headers})
        await send({"type": "http.response.body", "body": b"teapot"})

    call = Call(AsgiInWsgi(app), environ={"PATH_INFO": "/pot"})
    assert (call.body(), call.status[:4]) == (b"teapot", "418 ")
    assert call.headers == [("x-path", "/pot"), ("set-cookie", "a"), ("set-cookie", "b")]


def test_the_body_is_read_by_the_thread_of_the_caller() -> None:
    class Input(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            threads.append(threading.current_thread())
            return super().read(size)

    threads: list[threading.Thread] = []

    async def echo(scope: Any, receive: Any, send: Any) -> None:
        body = b""
        while True:
            message = await receive()
            body += message["body"]
            if not message["more_body"]:
                break
        await answering(body)(scope, receive, send)

    body = b"x" * 200_000
    call = Call(AsgiInWsgi(echo), body, {"wsgi.input": Input(body)})
    assert call.body() == body
    assert set(threads) == {threading.current_thread()}


def test_without_a_length_there_is_no_body() -> None:
    async def echo(scope: Any, receive: Any, send: Any) -> None:
        await answering(repr(await receive()).encode())(scope, receive, send)

    call = Call(AsgiInWsgi(echo), environ={"wsgi.input": io.BytesIO(b"of the next request")})
    assert call.body() == b"{'type': 'http.request', 'body': b'', 'more_body': False}"
    call = Call(AsgiInWsgi(echo), environ={"wsgi.input": io.BytesIO(b"chunks"), "wsgi.input_terminated": True})
    assert b"'body': b'chunks', 'more_body': True" in call.body()


def test_a_slow_caller_holds_the_application_back() -> None:
    sent: list[int] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number in range(5):
            await send({"type": "http.response.body", "body": b"%d" % number, "more_body": True})
            sent.append(number)
        await send({"type": "http.response.body", "body": b"end"})

    call = Call(AsgiInWsgi(app))
    pieces = iter(call.pieces)
    assert next(pieces) == b"0"
    assert sent == []
    assert next(pieces) == b"1"
    assert sent in ([0], [0, 1])
    assert b"".join(pieces) == b"234end"


def test_an_error_before_the_answer_is_a_500_with_exc_info(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("meant")

    call = Call(AsgiInWsgi(app))
    assert (call.body(), call.status) == (b"500 Internal Server Error\n", "500 Internal Server Error")
    assert call.exc_info[0] is ValueError
    assert "behind WSGI failed" in caplog.text
    assert sys.exc_info() == (None, None, None)


def test_an_error_behind_the_beginning_is_raised() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"some", "more_body": True})
        raise ValueError("meant")

    with pytest.raises(ValueError, match="meant"):
        Call(AsgiInWsgi(app)).body()


def test_a_caller_that_closes_early_is_a_client_that_left() -> None:
    told = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        try:
            while True:
                await send({"type": "http.response.body", "body": b"more", "more_body": True})
        except OSError:
            assert await receive() == {"type": "http.disconnect"}
            told.set()

    call = Call(AsgiInWsgi(app))
    assert next(iter(call.pieces)) == b"more"
    call.pieces.close()
    assert told.wait(WAIT)


def test_the_lifespan_begins_once() -> None:
    log: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            log.append((await receive())["type"])
            scope["state"]["pool"] = "pool"
            await send({"type": "lifespan.startup.complete"})
            await receive()
            return
        await answering(scope["state"]["pool"].encode())(scope, receive, send)

    adapter = AsgiInWsgi(app)
    assert [Call(adapter).body() for _ in range(3)] == [b"pool"] * 3
    assert log == ["lifespan.startup"]


def test_work_behind_the_answer_has_some_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    done = threading.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError
        await answering(b"page")(scope, receive, send)
        done.set()

    assert Call(AsgiInWsgi(app)).body() == b"page"
    assert done.wait(WAIT)
    assert asgi_in_wsgi.LAST_WORDS == 10.0


def test_there_is_one_loop() -> None:
    assert the_loop() is the_loop()


def test_the_scope_says_what_the_environ_says() -> None:
    environ = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "/shop",
        "PATH_INFO": "/caf\xc3\xa9",
        "QUERY_STRING": "a=1",
        "HTTP_X_ONE": "1",
        "CONTENT_TYPE": "text/plain",
        "REMOTE_ADDR": "10.0.0.1",
        "REMOTE_PORT": "7",
        "REMOTE_USER": "alice",
        "wsgi.url_scheme": "https",
    }
    scope: Message = scope_of(environ)
    assert (scope["path"], scope["root_path"], scope["query_string"]) == ("/shop/café", "/shop", b"a=1")
    assert scope["headers"] == [(b"x-one", b"1"), (b"content-type", b"text/plain")]
    assert (scope["client"], scope["user"], scope["scheme"]) == (("10.0.0.1", 7), "alice", "https")
    assert scope["extensions"] == {}
