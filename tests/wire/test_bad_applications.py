"""Bad-input rows 42 to 48: applications that misbehave. Clients see 500 or a cut connection, never what is malformed."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from penstock.server import ServerThread
from penstock.settings import AppSettings, LogSettings, ServerSettings, SiteSettings
from tests.wire.echo_application import Message, Receive, Scope, Send, live
from tests.wire.raw_client import Answer, BadAnswer, NoAnswer, RawClient

Address = tuple[str, int]
Asgi = Callable[[Scope, Receive, Send], Any]
StartResponse = Callable[..., Callable[[bytes], object]]
Wsgi = Callable[[dict[str, Any], StartResponse], Any]

TEXT = (b"content-type", b"text/plain")


class AsgiSubject:
    """Answers `/good`; everything else is left to what a test puts into `behave`."""

    behave: Asgi

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await live(receive, send)
        elif scope["path"] == "/good":
            await send({"type": "http.response.start", "status": 200, "headers": [TEXT]})
            await send({"type": "http.response.body", "body": b"good"})
        else:
            await self.behave(scope, receive, send)


class WsgiSubject:
    """The same for WSGI."""

    behave: Wsgi

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Any:
        if environ["PATH_INFO"] == "/good":
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [b"good"]
        return self.behave(environ, start_response)


@dataclass(frozen=True, slots=True)
class Served:
    """A subject and where it is served."""

    subject: Any
    address: Address


def settings(loop: Literal["auto", "asyncio"] = "auto") -> ServerSettings:
    """A free port, no access log, and no patience with requests that are stuck when the server stops."""
    return ServerSettings(listen=("127.0.0.1:0",), loop=loop, graceful_timeout=0.1, log=LogSettings(access=False))


@pytest.fixture(params=["auto", "asyncio"])
def asgi(request: pytest.FixtureRequest) -> Iterator[Served]:
    subject = AsgiSubject()
    with ServerThread(subject, server=settings(loop=request.param)) as server:
        served = Served(subject, server.address)
        yield served
        check_survival(served)


@pytest.fixture(params=[4, 0], ids=["threads", "inline"])
def wsgi(request: pytest.FixtureRequest) -> Iterator[Served]:
    subject = WsgiSubject()
    site = SiteSettings(apps=(AppSettings(at="/", wsgi="bad:application", threads=request.param),))
    with ServerThread(site, server=settings(), objects={"bad:application": subject}) as server:
        served = Served(subject, server.address)
        yield served
        check_survival(served)


@pytest.fixture(autouse=True)
def clean_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Whatever an application did, no control character reached a log line."""
    caplog.set_level(logging.INFO)
    yield
    for record in caplog.records:
        assert record.getMessage().isprintable(), record.getMessage()


def check_survival(served: Served) -> None:
    """Whatever an application did, the worker goes on serving."""
    with RawClient(served.address) as client:
        client.send([b"GET /good HTTP/1.1\r\nHost: example.org\r\n\r\n"])
        assert client.read_final_answer()[0].body == b"good"


def exchange(served: Served, *, method: str = "GET", path: str = "/bad", close: bool = True) -> bytes:
    """Everything the server sends for one request, to the end of the connection."""
    with RawClient(served.address, seconds=2.0) as client:
        connection = "Connection: close\r\n" if close else ""
        client.send([f"{method} {path} HTTP/1.1\r\nHost: example.org\r\n{connection}\r\n".encode()])
        return client.read_end()


def read(raw: bytes, method: str = "GET") -> Answer:
    """The one answer in `raw`, read as strictly as any. Raises BadAnswer or NoAnswer where it is not whole."""
    client = RawClient.__new__(RawClient)
    client.seconds, client.buffer, client.is_at_end, client.is_cut = 0.0, bytearray(raw), True, True
    answer, interim = client.read_final_answer(method)
    assert (interim, bytes(client.buffer)) == (0, b""), "more than one answer"
    return answer


def check_500(raw: bytes, caplog: pytest.LogCaptureFixture, method: str = "GET") -> None:
    assert read(raw, method).status == 500
    check_error_is_logged(caplog)


def check_error_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    pause = threading.Event()
    for _ in range(200):  # what fails behind the answer is logged behind the answer
        if any(record.levelno >= logging.ERROR for record in caplog.records):
            return
        pause.wait(0.01)
    pytest.fail("nothing was logged")


def is_cut(raw: bytes, method: str = "GET") -> bool:
    """Whether a client can tell that the answer is not whole."""
    try:
        read(raw, method)
    except (BadAnswer, NoAnswer):
        return True
    return False


def sends(*messages: Message) -> Asgi:
    """An ASGI application that sends these messages."""

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return application


def start(status: Any = 200, headers: Any = ()) -> Message:
    return {"type": "http.response.start", "status": status, "headers": headers}


def body(content: Any = b"body", *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": content, "more_body": more}


CONTROLS = [bytes([code]) for code in (*range(9), *range(10, 32), 127)]
BAD_NAMES = [b"", b"x y", b" x", b"x ", b"x:", b"x\r\nevil", b"x\n", b"x\0", b"x\x7f", b"x\xe9", b"(x)", b"x\t"]
BAD_STATUSES = [0, 99, 100, 103, 199, 1000, -1, 200.5, "200", "200 OK", b"200", None, [200]]


class TestRow42:
    """What goes into a head: nothing malformed leaves, the answer is 500, and the log says why."""

    @pytest.mark.parametrize("control", CONTROLS, ids=lambda control: f"x{control[0]:02x}")
    @pytest.mark.parametrize("more", [False, True], ids=["whole", "streamed"])
    def test_asgi_header_value(
        self, asgi: Served, caplog: pytest.LogCaptureFixture, *, control: bytes, more: bool
    ) -> None:
        asgi.subject.behave = sends(
            start(headers=[TEXT, (b"x-a", b"b" + control + b"x-evil: 1")]), body(more=more), body(b"")
        )
        raw = exchange(asgi)
        check_500(raw, caplog)
        assert b"x-evil" not in raw

    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_asgi_header_name(self, asgi: Served, caplog: pytest.LogCaptureFixture, name: bytes) -> None:
        asgi.subject.behave = sends(start(headers=[TEXT, (name, b"1")]), body())
        raw = exchange(asgi)
        check_500(raw, caplog)
        assert b"evil" not in raw

    @pytest.mark.parametrize(
        "headers",
        [
            [("x-a", b"1")],
            [(b"x-a", "1")],
            [(b"x-a", None)],
            [(b"x-a", 1)],
            [(b"x-a",)],
            [(b"x-a", b"1", b"2")],
            [b"x-a: 1"],
            [None],
            5,
            [("x-a\r\nx-evil", "1")],
        ],
        ids=repr,
    )
    def test_asgi_headers_that_are_no_pairs_of_bytes(
        self, asgi: Served, caplog: pytest.LogCaptureFixture, headers: Any
    ) -> None:
        asgi.subject.behave = sends(start(headers=headers), body())
        raw = exchange(asgi)
        check_500(raw, caplog)
        assert b"x-evil" not in raw

    @pytest.mark.parametrize("status", BAD_STATUSES, ids=repr)
    def test_asgi_status(self, asgi: Served, caplog: pytest.LogCaptureFixture, status: Any) -> None:
        asgi.subject.behave = sends(start(status), body())
        check_500(exchange(asgi), caplog)

    def test_asgi_bytes_above_127_are_legal_in_values(self, asgi: Served) -> None:
        asgi.subject.behave = sends(start(headers=[(b"x-a", b"\x80\xff\tb")]), body())
        assert read(exchange(asgi)).find(b"x-a") == b"\x80\xff\tb"

    @pytest.mark.parametrize("control", CONTROLS, ids=lambda control: f"x{control[0]:02x}")
    def test_wsgi_header_value(self, wsgi: Served, caplog: pytest.LogCaptureFixture, control: bytes) -> None:
        wsgi.subject.behave = starts("200 OK", [("X-A", "b" + control.decode("latin-1") + "x-evil: 1")])
        raw = exchange(wsgi)
        check_500(raw, caplog)
        assert b"x-evil" not in raw

    @pytest.mark.parametrize("name", BAD_NAMES)
    def test_wsgi_header_name(self, wsgi: Served, caplog: pytest.LogCaptureFixture, name: bytes) -> None:
        wsgi.subject.behave = starts("200 OK", [(name.decode("latin-1"), "1")])
        raw = exchange(wsgi)
        check_500(raw, caplog)
        assert b"evil" not in raw

    @pytest.mark.parametrize("headers", [[("X-A", "\u20ac")], [("X-\u20ac", "1")], [("X-A", b"1")], [(b"X-A", "1")], [("X-A", None)], [("X-A",)], None, 5], ids=repr)  # fmt: skip
    def test_wsgi_headers_that_are_no_pairs_of_native_strings(
        self, wsgi: Served, caplog: pytest.LogCaptureFixture, headers: Any
    ) -> None:
        wsgi.subject.behave = starts("200 OK", headers)
        check_500(exchange(wsgi), caplog)

    @pytest.mark.parametrize("status", ["", "OK", "20", "abc OK", "2000 OK", "099 OK", "100 Continue", "200 OK\r\nx-evil: 1", "200 a\nb", "200 a\0b", "200 a\x1bb", 200, b"200 OK", None], ids=repr)  # fmt: skip
    def test_wsgi_status(self, wsgi: Served, caplog: pytest.LogCaptureFixture, status: Any) -> None:
        wsgi.subject.behave = starts(status, [])
        raw = exchange(wsgi)
        check_500(raw, caplog)
        assert b"evil" not in raw


def starts(status: Any, headers: Any, chunks: Iterable[Any] = (b"body",)) -> Wsgi:
    """A WSGI application that starts and returns these chunks as a list."""

    def application(environ: dict[str, Any], start_response: StartResponse) -> list[Any]:
        start_response(status, headers)
        return list(chunks)

    return application


def yields(status: str, headers: Any, chunks: Iterable[Any]) -> Wsgi:
    """A WSGI application that starts and yields these chunks; one that is an exception is raised."""

    def application(environ: dict[str, Any], start_response: StartResponse) -> Iterator[Any]:
        start_response(status, headers)
        for chunk in chunks:
            if isinstance(chunk, BaseException):
                raise chunk
            yield chunk

    return application


class TestRow43:
    """Body and Content-Length: what is on the wire is always consistent."""

    @pytest.mark.parametrize("status", [204, 304])
    @pytest.mark.parametrize("more", [False, True], ids=["whole", "streamed"])
    def test_asgi_body_where_none_is_allowed(self, asgi: Served, *, status: int, more: bool) -> None:
        asgi.subject.behave = sends(start(status, [TEXT]), body(b"evil", more=more), *([body(b"")] if more else []))
        raw = exchange(asgi)
        assert (read(raw).status, b"evil" in raw) == (status, False)

    @pytest.mark.parametrize(
        "headers",
        [[], [(b"content-length", b"4")], [(b"content-length", b"999")]],
        ids=["no length", "length", "other length"],
    )
    @pytest.mark.parametrize("more", [False, True], ids=["whole", "streamed"])
    def test_asgi_body_for_head(self, asgi: Served, *, headers: Any, more: bool) -> None:
        asgi.subject.behave = sends(start(200, headers), body(b"evil", more=more), *([body(b"")] if more else []))
        raw = exchange(asgi, method="HEAD")
        assert (read(raw, "HEAD").status, b"evil" in raw) == (200, False)

    @pytest.mark.parametrize("status", [204, 304])
    def test_wsgi_body_where_none_is_allowed(self, wsgi: Served, status: int) -> None:
        wsgi.subject.behave = starts(f"{status} Nothing", [], [b"evil"])
        raw = exchange(wsgi)
        assert (read(raw).status, b"evil" in raw) == (status, False)

    def test_wsgi_body_for_head(self, wsgi: Served) -> None:
        wsgi.subject.behave = starts("200 OK", [("Content-Length", "4")], [b"evil"])
        raw = exchange(wsgi, method="HEAD")
        assert (read(raw, "HEAD").status, b"evil" in raw) == (200, False)

    @pytest.mark.parametrize(
        "messages",
        [[body(b"12345evil")], [body(b"12345", more=True), body(b"evil")], [body(b"123", more=True), body(b"45evil")]],
        ids=["whole", "behind", "across"],
    )
    def test_asgi_more_than_content_length(self, asgi: Served, caplog: pytest.LogCaptureFixture, messages: Any) -> None:
        asgi.subject.behave = sends(start(headers=[(b"content-length", b"5")]), *messages)
        raw = exchange(asgi, close=False) if len(messages) > 1 else exchange(asgi)
        assert b"evil" not in raw
        assert is_cut(raw) or read(raw).status == 500 or read(raw).body == b"12345"
        check_error_is_logged(caplog)

    @pytest.mark.parametrize(
        "messages",
        [[body(b"123")], [body(b"123", more=True), body(b"")], [body(b"")]],
        ids=["whole", "streamed", "empty"],
    )
    def test_asgi_less_than_content_length(self, asgi: Served, caplog: pytest.LogCaptureFixture, messages: Any) -> None:
        asgi.subject.behave = sends(start(headers=[(b"content-length", b"5")]), *messages)
        raw = exchange(asgi)
        assert is_cut(raw) or read(raw).status == 500
        check_error_is_logged(caplog)

    @pytest.mark.parametrize("chunks", [[b"12345evil"], [b"12345", b"evil"], [b"123", b"45evil"]])
    @pytest.mark.parametrize("how", [starts, yields])
    def test_wsgi_more_than_content_length(
        self, wsgi: Served, caplog: pytest.LogCaptureFixture, how: Callable[..., Wsgi], chunks: list[bytes]
    ) -> None:
        wsgi.subject.behave = how("200 OK", [("Content-Length", "5")], chunks)
        raw = exchange(wsgi)
        assert b"evil" not in raw
        assert is_cut(raw) or read(raw).status == 500 or read(raw).body == b"12345"

    @pytest.mark.parametrize("chunks", [[b"123"], [b"1", b"2"], []])
    @pytest.mark.parametrize("how", [starts, yields])
    def test_wsgi_less_than_content_length(
        self, wsgi: Served, caplog: pytest.LogCaptureFixture, how: Callable[..., Wsgi], chunks: list[bytes]
    ) -> None:
        wsgi.subject.behave = how("200 OK", [("Content-Length", "5")], chunks)
        raw = exchange(wsgi)
        assert is_cut(raw) or read(raw).status == 500
        check_error_is_logged(caplog)

    @pytest.mark.parametrize("value", [b"", b"abc", b"-1", b"+4", b"4, 4", b"0x4", b" 4", b"4\xa0", b"9" * 30])
    def test_asgi_content_length_is_no_number(
        self, asgi: Served, caplog: pytest.LogCaptureFixture, value: bytes
    ) -> None:
        asgi.subject.behave = sends(start(headers=[(b"content-length", value)]), body())
        check_500(exchange(asgi), caplog)

    def test_asgi_two_different_content_lengths(self, asgi: Served, caplog: pytest.LogCaptureFixture) -> None:
        asgi.subject.behave = sends(start(headers=[(b"content-length", b"4"), (b"Content-Length", b"5")]), body())
        check_500(exchange(asgi), caplog)

    def test_asgi_two_equal_content_lengths_leave_as_one(self, asgi: Served) -> None:
        asgi.subject.behave = sends(start(headers=[(b"content-length", b"4"), (b"content-length", b"4")]), body())
        assert read(exchange(asgi)).status in (200, 500)

    @pytest.mark.parametrize("more", [False, True], ids=["whole", "streamed"])
    @pytest.mark.parametrize(
        "headers",
        [
            [(b"transfer-encoding", b"chunked")],
            [(b"content-length", b"4"), (b"transfer-encoding", b"chunked")],
            [(b"transfer-encoding", b"gzip, chunked")],
        ],
        ids=["chunked", "both", "gzip"],
    )
    def test_asgi_transfer_encoding_is_the_servers(self, asgi: Served, *, headers: Any, more: bool) -> None:
        asgi.subject.behave = sends(start(headers=headers), body(more=more), *([body(b"")] if more else []))
        answer = read(exchange(asgi))
        assert answer.status == 500 or answer.body == b"body"


class TestRow44:
    """Fields of the connection are the server's; on HTTP/1.1 an application can only ask for `close`."""

    @pytest.mark.parametrize(
        "field",
        [
            (b"connection", b"keep-alive"),
            (b"connection", b"upgrade"),
            (b"keep-alive", b"timeout=999"),
            (b"upgrade", b"h2c"),
            (b"proxy-connection", b"keep-alive"),
        ],
    )
    def test_asgi_hop_by_hop_fields_do_not_leave(self, asgi: Served, field: tuple[bytes, bytes]) -> None:
        asgi.subject.behave = sends(start(headers=[field]), body())
        answer = read(exchange(asgi))
        assert answer.status == 500 or [pair for pair in answer.headers if pair == field] == []

    def test_asgi_close_is_honoured(self, asgi: Served) -> None:
        asgi.subject.behave = sends(start(headers=[(b"connection", b"close")]), body())
        assert read(exchange(asgi, close=False)).find(b"connection") == b"close"

    @pytest.mark.parametrize("name", ["Connection", "Keep-Alive", "Transfer-Encoding", "Upgrade"])
    def test_wsgi_hop_by_hop_fields_do_not_leave(self, wsgi: Served, name: str) -> None:
        """PEP 3333: an application must not set them."""
        wsgi.subject.behave = starts("200 OK", [(name, "x-evil")])
        assert b"x-evil" not in exchange(wsgi)


class Odd(BaseException):
    """An exception that is not an Exception."""


FAILURES = [RuntimeError("x"), KeyError("x"), StopIteration(), StopAsyncIteration(), SystemExit(3), GeneratorExit(), asyncio.CancelledError(), Odd(), RecursionError(), MemoryError(), RuntimeError("\x1b[2J\r\nevil")]  # fmt: skip


class TestRow45:
    """Applications that break off, send out of turn, or send what is no bytes."""

    @pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
    def test_asgi_raises_before_its_start(
        self, asgi: Served, caplog: pytest.LogCaptureFixture, failure: BaseException
    ) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            raise failure

        asgi.subject.behave = application
        raw = exchange(asgi)
        if isinstance(failure, asyncio.CancelledError) and read(raw).status == 503:
            return  # as if the server were stopping
        check_500(raw, caplog)

    @pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
    def test_asgi_raises_behind_its_start(
        self, asgi: Served, caplog: pytest.LogCaptureFixture, failure: BaseException
    ) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send(start())
            await send(body(b"first", more=True))
            raise failure

        asgi.subject.behave = application
        assert is_cut(exchange(asgi))
        check_error_is_logged(caplog)

    @pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
    def test_asgi_raises_behind_its_answer(
        self, asgi: Served, caplog: pytest.LogCaptureFixture, failure: BaseException
    ) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            await send(start())
            await send(body(b"all"))
            raise failure

        asgi.subject.behave = application
        assert read(exchange(asgi)).body == b"all"

    @pytest.mark.parametrize(
        "messages",
        [
            [],
            [start()],
            [body()],
            [start(), start(), body()],
            [{"type": "http.response.unknown"}],
            [{"type": "websocket.accept"}],
            [{}],
            [{"type": "http.response.start"}],
            [{"type": "http.response.start", "status": 200, "headers": None}, body()],
            [start(), body("text")],
            [start(), body(None)],
            [start(), body(["a"])],
            [start(), {"type": "http.response.pathsend", "path": "/etc/passwd"}, body()],
        ],
        ids=lambda messages: (
            "+".join(message.get("type", "none").rpartition(".")[2] for message in messages) or "nothing"
        ),
    )
    def test_asgi_sends_out_of_turn(
        self, asgi: Served, caplog: pytest.LogCaptureFixture, messages: list[Message]
    ) -> None:
        asgi.subject.behave = sends(*messages)
        check_500(exchange(asgi), caplog)

    @pytest.mark.parametrize(
        "bad",
        [start(), body("text", more=True), {"type": "http.response.unknown"}, {}],
        ids=["start", "text", "unknown", "no type"],
    )
    def test_asgi_sends_out_of_turn_while_it_streams(
        self, asgi: Served, caplog: pytest.LogCaptureFixture, bad: Message
    ) -> None:
        asgi.subject.behave = sends(start(), body(b"first", more=True), bad, body(b"last"))
        assert is_cut(exchange(asgi))
        check_error_is_logged(caplog)

    def test_asgi_streams_and_returns_early(self, asgi: Served, caplog: pytest.LogCaptureFixture) -> None:
        asgi.subject.behave = sends(start(), body(b"first", more=True))
        assert is_cut(exchange(asgi))
        check_error_is_logged(caplog)

    @pytest.mark.parametrize(
        "late", [body(b"evil"), start(500), body(b"evil", more=True)], ids=["body", "start", "more"]
    )
    def test_asgi_sends_behind_the_end(self, asgi: Served, late: Message) -> None:
        asgi.subject.behave = sends(start(), body(b"all"), late)
        assert read(exchange(asgi)).body == b"all"

    def test_asgi_never_returns_and_others_are_served(self, asgi: Served) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        asgi.subject.behave = application
        with RawClient(asgi.address) as stuck:
            stuck.send([b"GET /stuck HTTP/1.1\r\nHost: example.org\r\n\r\n"])
            assert read(exchange(asgi, path="/good")).body == b"good"

    @pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
    def test_wsgi_raises_before_its_start(
        self, wsgi: Served, caplog: pytest.LogCaptureFixture, failure: BaseException
    ) -> None:
        def application(environ: dict[str, Any], start_response: StartResponse) -> Any:
            raise failure

        wsgi.subject.behave = application
        check_500(exchange(wsgi), caplog)

    @pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
    def test_wsgi_raises_behind_its_first_chunk(
        self, wsgi: Served, caplog: pytest.LogCaptureFixture, failure: BaseException
    ) -> None:
        wsgi.subject.behave = yields("200 OK", [], [b"first", failure])
        assert is_cut(exchange(wsgi))
        check_error_is_logged(caplog)

    @pytest.mark.parametrize("chunks", [["text"], [None], [5], [b"first", "text"], [bytearray(b"a"), "text"]], ids=repr)
    @pytest.mark.parametrize("how", [starts, yields])
    def test_wsgi_chunks_that_are_no_bytes(
        self, wsgi: Served, caplog: pytest.LogCaptureFixture, how: Callable[..., Wsgi], chunks: list[Any]
    ) -> None:
        wsgi.subject.behave = how("200 OK", [], chunks)
        raw = exchange(wsgi)
        assert is_cut(raw) or read(raw).status == 500
        check_error_is_logged(caplog)

    @pytest.mark.parametrize("answer", [None, "text", 5, b"bytes are an iterable of numbers"], ids=repr)
    def test_wsgi_returns_no_iterable_of_bytes(
        self, wsgi: Served, caplog: pytest.LogCaptureFixture, answer: Any
    ) -> None:
        def application(environ: dict[str, Any], start_response: StartResponse) -> Any:
            start_response("200 OK", [])
            return answer

        wsgi.subject.behave = application
        raw = exchange(wsgi)
        assert is_cut(raw) or read(raw).status == 500
        check_error_is_logged(caplog)

    def test_wsgi_never_starts(self, wsgi: Served, caplog: pytest.LogCaptureFixture) -> None:
        wsgi.subject.behave = lambda environ, start_response: [b"body"]
        check_500(exchange(wsgi), caplog)

    def test_wsgi_starts_twice(self, wsgi: Served, caplog: pytest.LogCaptureFixture) -> None:
        """PEP 3333: calling it again without exc_info is a fatal error."""

        def application(environ: dict[str, Any], start_response: StartResponse) -> list[bytes]:
            start_response("200 OK", [])
            start_response("201 Created", [])
            return [b"body"]

        wsgi.subject.behave = application
        check_500(exchange(wsgi), caplog)

    def test_wsgi_close_that_raises(self, wsgi: Served, caplog: pytest.LogCaptureFixture) -> None:
        class Chunks(list[bytes]):
            def close(self) -> None:
                raise RuntimeError("in close")

        def application(environ: dict[str, Any], start_response: StartResponse) -> Chunks:
            start_response("200 OK", [("Content-Length", "4")])
            return Chunks([b"body"])

        wsgi.subject.behave = application
        raw = exchange(wsgi)
        assert is_cut(raw) or read(raw).status == 500 or read(raw).body == b"body"
        check_error_is_logged(caplog)


class TestRow46:
    """What a client writes into a path or a header begins no line of a log, and moves no cursor."""

    @pytest.mark.parametrize(
        "path",
        [
            "/%1b[2J",
            "/%0a2026-01-01 ERROR forged",
            "/%0d%0aforged",
            "/%e2%80%aeforged",
            "/%c2%85x",
            "/%7f",
            "/%e2%80%a8x",
        ],
    )
    def test_asgi_failure_under_a_forged_path(self, asgi: Served, caplog: pytest.LogCaptureFixture, path: str) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            raise RuntimeError("a bug")

        asgi.subject.behave = application
        check_500(exchange(asgi, path=path.replace(" ", "%20")), caplog)
        # The lines in front of the traceback; `survival` looks for control characters.
        assert not [record for record in caplog.records if "\u202e" in record.getMessage()]

    def test_refusal_of_a_forged_head(self, asgi: Served, caplog: pytest.LogCaptureFixture) -> None:
        with RawClient(asgi.address) as client:
            client.send([b"GET /\x1b[2J HTTP/1.1\r\nHost: a\r\nUser-Agent: \x1b]0;x\x07\r\n\r\n"])
            assert client.read_final_answer()[0].status == 400
            assert client.read_end() == b""


class TestRow47:
    """Interim answers, trailers and pushes are judged as heads are; what is not offered is refused."""

    @pytest.mark.parametrize(
        "message",
        [
            {"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload\r\nx-evil: 1"]},
            {"type": "http.response.informational", "status": 103, "headers": [(b"link", b"</a>\r\nx-evil: 1")]},
            {"type": "http.response.push", "path": "/a\r\nx-evil: 1", "headers": []},
        ],
        ids=lambda message: str(message["type"]),
    )
    def test_asgi_interim(self, asgi: Served, message: Message) -> None:
        asgi.subject.behave = sends(message, start(), body())
        raw = exchange(asgi)
        assert b"x-evil" not in raw
        assert read(raw).status in (200, 500)

    def test_asgi_trailers(self, asgi: Served) -> None:
        trailers = {"type": "http.response.trailers", "headers": [(b"x-a", b"1\r\nx-evil: 1")], "more_trailers": False}
        asgi.subject.behave = sends({**start(), "trailers": True}, body(), trailers)
        raw = exchange(asgi)
        assert b"x-evil" not in raw


class TestRow48:
    """Nobody gets the answer of another, also when others leave or fail in between."""

    def test_asgi_answers_are_not_mixed_up(self, asgi: Served) -> None:
        async def application(scope: Scope, receive: Receive, send: Send) -> None:
            token = scope["path"].encode()
            for _ in range(len(token) % 5):
                await asyncio.sleep(0)
            if token.endswith(b"fails"):
                raise RuntimeError("x")
            await send(start())
            await send(body(token, more=True))
            await asyncio.sleep(0)
            await send(body(token))

        asgi.subject.behave = application
        self.check(asgi)

    def test_wsgi_answers_are_not_mixed_up(self, wsgi: Served) -> None:
        def application(environ: dict[str, Any], start_response: StartResponse) -> Iterator[bytes]:
            token = environ["PATH_INFO"].encode()
            if token.endswith(b"fails"):
                raise RuntimeError("x")
            start_response("200 OK", [])
            yield token
            yield token

        wsgi.subject.behave = application
        self.check(wsgi)

    def check(self, served: Served) -> None:
        for round_number in range(5):
            clients = [RawClient(served.address) for _ in range(12)]
            tokens = [f"/{round_number}-{number}{'-fails' * (number % 4 == 3)}" for number in range(12)]
            for client, token in zip(clients, tokens, strict=True):
                client.send(
                    [f"GET {token} HTTP/1.1\r\nHost: a\r\n\r\nGET {token}-next HTTP/1.1\r\nHost: a\r\n\r\n".encode()]
                )
            for number, (client, token) in enumerate(zip(clients, tokens, strict=True)):
                if number % 3 == 0:
                    client.reset()
                elif "fails" not in token:
                    assert client.read_answer().body == token.encode() * 2
                    assert client.read_answer().body == f"{token}-next".encode() * 2
            for client in clients:
                client.close()
