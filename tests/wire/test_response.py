"""Responses over real sockets: what the barrier, 103, trailers, reasons and filters look like to a strict client (RFC 9110, 9112)."""

import resource
import socket
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from penstock import Context, Stage
from penstock.http.messages import ResponseHead
from penstock.server import ServerThread
from penstock.settings import AppSettings, LogSettings, ModuleSettings, RouteSettings, ServerSettings, SiteSettings
from tests.pipeline.subject import on
from tests.wire.echo_application import Receive, Scope, Send, live
from tests.wire.raw_client import Answer, BadAnswer, NoAnswer, RawClient

MIB = 1 << 20


class Gzip:
    def __init__(self) -> None:
        self._stream = zlib.compressobj(wbits=31)

    def begin(self, head: ResponseHead) -> bool:
        head.headers["content-encoding"] = "gzip"
        return True

    def feed(self, piece: bytes) -> bytes:
        return self._stream.compress(piece)

    def finish(self) -> bytes:
        return self._stream.flush()


async def hinted(context: Context) -> str:
    context.response.early_hints({"link": "</a.css>; rel=preload"})
    return "page"


async def trailed(context: Context) -> None:
    context.response.trailers({"server-timing": "db;dur=1"})
    context.response.write("body")
    context.response.trailers({"x-count": "4"})


async def missing(context: Context) -> None:
    context.response.status = 404
    for word in ("one", "two"):
        context.response.write(word)
        await context.response.flush()


async def broken(context: Context) -> None:
    context.response.write("half")
    await context.response.flush()
    raise RuntimeError("meant to fail")


def renamed(context: Context) -> str:
    context.response.status = 404
    context.response.reason = "Nobody Home"
    return "text"


def emptied(context: Context) -> str:
    context.response.suppress_content = True
    return "text"


def reset(context: Context) -> str:
    context.response.status = 205
    return "text"


def unmodified(context: Context) -> str:
    context.response.status = 304
    return "text"


def failing_callback(context: Context) -> str:
    def fail(_: object) -> None:
        raise RuntimeError("meant to fail")

    context.response.on_sending_headers(fail)
    return "text"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await live(receive, send)
        return
    offered = ",".join(sorted(scope.get("extensions", {}))).encode()
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
    await send({"type": "http.response.start", "status": 200, "headers": [(b"x-offered", offered)], "trailers": True})
    await send({"type": "http.response.body", "body": b"one", "more_body": True})
    await send({"type": "http.response.body", "body": b"two"})
    if "http.response.trailers" in scope.get("extensions", {}):
        await send({"type": "http.response.trailers", "headers": [(b"x-count", b"6")]})


def wsgi(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
    start_response("200 Fine By Me", [("Content-Type", "text/plain"), ("Content-Length", "4")])
    return [b"text"]


FUNCTIONS: dict[str, Callable[..., object]] = {
    "/hinted": hinted,
    "/trailed": trailed,
    "/missing": missing,
    "/broken": broken,
    "/renamed": renamed,
    "/emptied": emptied,
    "/reset": reset,
    "/unmodified": unmodified,
    "/callback": failing_callback,
}


@pytest.fixture(scope="module", params=["auto", "asyncio"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerThread]:
    huge = tmp_path_factory.mktemp("files") / "huge"
    with huge.open("wb") as file:
        file.truncate(1024 * MIB)  # of holes: it takes no room

    def send_huge(context: Context) -> None:
        context.response.send_file(huge)

    def compress(context: Context) -> None:
        if context.request.headers.get("accept-encoding") == "gzip":
            context.response.add_filter(Gzip())

    functions = {**FUNCTIONS, "/huge": send_huge}
    objects: dict[str, object] = {f"tested:{path[1:]}": function for path, function in functions.items()}
    objects |= {"tested:asgi": application, "tested:wsgi": wsgi, "tested:compress": on(Stage.BEGIN, compress)}
    site = SiteSettings(
        modules=(ModuleSettings(use="tested:compress"),),
        routes=tuple(
            RouteSettings(at=path, function=f"tested:{path[1:]}", methods=("GET", "HEAD")) for path in functions
        ),
        apps=(AppSettings(at="/asgi", asgi="tested:asgi"), AppSettings(at="/wsgi", wsgi="tested:wsgi")),
    )
    server = ServerSettings(listen=("127.0.0.1:0",), loop=request.param, log=LogSettings(access=False))
    with ServerThread(site, server=server, objects=objects) as thread:
        yield thread


def ask(
    served: ServerThread, path: str, *fields: str, method: str = "GET", version: str = "1.1"
) -> tuple[list[Answer], RawClient]:
    """All answers to one request: interim ones, then the final one."""
    client = RawClient(served.address)
    lines = "".join(f"{field}\r\n" for field in fields)
    client.send([f"{method} {path} HTTP/{version}\r\nHost: example.org\r\n{lines}\r\n".encode()])
    answers = [client.read_answer(method)]
    while answers[-1].status < 200:
        answers.append(client.read_answer(method))
    return answers, client


def final(served: ServerThread, path: str, *fields: str, method: str = "GET", version: str = "1.1") -> Answer:
    answers, client = ask(served, path, *fields, method=method, version=version)
    with client:
        return answers[-1]


class TestEarlyHints:
    """RFC 8297, RFC 9110 section 15.2"""

    @pytest.mark.parametrize("path", ["/hinted", "/asgi"])
    def test_they_come_in_front_of_the_answer(self, served: ServerThread, path: str) -> None:
        answers, client = ask(served, path)
        with client:
            assert [(each.status, each.reason) for each in answers] == [(103, b"Early Hints"), (200, b"OK")]
            assert answers[0].headers == [(b"link", b"</a.css>; rel=preload")]
            client.send([b"GET /renamed HTTP/1.1\r\nHost: example.org\r\n\r\n"])
            assert client.read_answer().status == 404  # the connection goes on

    @pytest.mark.parametrize("path", ["/hinted", "/asgi"])
    def test_rfc9110_section_15_2_not_to_http_1_0(self, served: ServerThread, path: str) -> None:
        answers, client = ask(served, path, version="1.0")
        with client:
            assert [each.status for each in answers] == [200]


class TestTrailers:
    """RFC 9112 section 7.1.2"""

    def test_they_follow_the_last_chunk(self, served: ServerThread) -> None:
        found = final(served, "/trailed")
        assert (found.body, found.framing) == (b"body", "chunked")
        assert found.trailers == [(b"server-timing", b"db;dur=1"), (b"x-count", b"4")]
        assert found.find(b"trailer") == b"server-timing, x-count"

    def test_of_an_asgi_application(self, served: ServerThread) -> None:
        found = final(served, "/asgi")
        assert (found.body, found.framing, found.trailers) == (b"onetwo", "chunked", [(b"x-count", b"6")])
        assert found.find(b"x-offered") == b"http.response.early_hint,http.response.trailers,penstock.stopping"

    def test_http_1_0_has_none(self, served: ServerThread) -> None:
        assert final(served, "/trailed", version="1.0").body == b"body"
        found = final(served, "/asgi", version="1.0")
        assert (found.body, found.framing, found.find(b"x-offered")) == (b"onetwo", "close", b"penstock.stopping")


class TestFraming:
    def test_pipeline_o04_any_status_is_chunked(self, served: ServerThread) -> None:
        found = final(served, "/missing")
        assert (found.status, found.body, found.framing) == (404, b"onetwo", "chunked")

    def test_pipeline_x07_what_breaks_off_can_be_told(self, served: ServerThread) -> None:
        with RawClient(served.address) as client:
            client.send([b"GET /broken HTTP/1.1\r\nHost: example.org\r\n\r\n"])
            with pytest.raises((BadAnswer, NoAnswer)):
                client.read_answer()

    @pytest.mark.parametrize("path", ["/missing", "/renamed", "/huge", "/trailed"])
    def test_pipeline_o05_head_has_no_body(self, served: ServerThread, path: str) -> None:
        answers, client = ask(served, path, method="HEAD")
        with client:
            assert answers[-1].body == b""
            client.send([b"GET /renamed HTTP/1.1\r\nHost: example.org\r\n\r\n"])
            assert client.read_answer().body == b"text"  # nothing stands between the two

    def test_pipeline_o05_suppressed(self, served: ServerThread) -> None:
        found = final(served, "/emptied")
        assert (found.body, found.find(b"content-length")) == (b"", b"0")

    def test_rfc9110_section_15_3_6_reset_content_is_empty(self, served: ServerThread) -> None:
        found = final(served, "/reset")
        assert (found.status, found.body, found.find(b"content-length")) == (205, b"", b"0")

    def test_rfc9110_section_15_4_5_not_modified_is_empty(self, served: ServerThread) -> None:
        found = final(served, "/unmodified")
        assert (found.status, found.body, found.find(b"content-type")) == (304, b"", None)


class TestStatusLine:
    """RFC 9112 section 4"""

    def test_a_reason_of_one_s_own(self, served: ServerThread) -> None:
        found = final(served, "/renamed")
        assert (found.status, found.reason) == (404, b"Nobody Home")

    def test_pep3333_the_reason_of_a_wsgi_application(self, served: ServerThread) -> None:
        found = final(served, "/wsgi")
        assert (found.status, found.reason, found.body) == (200, b"Fine By Me", b"text")


class TestSending:
    def test_pipeline_e11_a_callback_that_fails_gives_one_error_page(self, served: ServerThread) -> None:
        answers, client = ask(served, "/callback")
        with client:
            assert [each.status for each in answers] == [500]
            client.send([b"GET /renamed HTTP/1.1\r\nHost: example.org\r\n\r\n"])
            assert client.read_answer().status == 404

    @pytest.mark.parametrize("path", ["/missing", "/renamed", "/asgi"])
    def test_pipeline_o08_what_a_filter_makes_decodes(self, served: ServerThread, path: str) -> None:
        plain = final(served, path)
        found = final(served, path, "Accept-Encoding: gzip")
        assert found.find(b"content-encoding") == b"gzip"
        assert zlib.decompress(found.body, wbits=31) == plain.body

    def test_pipeline_x09_an_error_answer_is_plain(self, served: ServerThread) -> None:
        found = final(served, "/callback", "Accept-Encoding: gzip")
        assert (found.status, found.find(b"content-encoding")) == (500, None)
        assert found.body.startswith(b"500 ")

    def test_pipeline_o11_a_gigabyte_is_not_taken_into_memory(self, served: ServerThread) -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        left = 1024 * MIB
        with socket.create_connection(served.address, timeout=60) as client:
            client.sendall(b"GET /huge HTTP/1.1\r\nHost: example.org\r\n\r\n")
            head = b""
            while b"\r\n\r\n" not in head:
                head += client.recv(4096)
            left -= len(head.partition(b"\r\n\r\n")[2])
            assert b"content-length: %d" % (1024 * MIB) in head.lower()
            buffer = bytearray(MIB)
            while left:
                received = client.recv_into(buffer)
                assert received
                left -= received
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
        assert grown < 64 * MIB


def test_pipeline_o03_a_slow_client_suspends_the_writer(tmp_path: Path) -> None:
    written: list[int] = []

    async def flood(context: Context) -> None:
        for _ in range(64):
            context.response.write(b"x" * MIB)
            await context.response.flush()
            written.append(MIB)

    site = SiteSettings(routes=(RouteSettings(at="/", function="tested:flood"),))
    server = ServerSettings(listen=("127.0.0.1:0",), log=LogSettings(access=False))
    with (
        ServerThread(site, server=server, objects={"tested:flood": flood}) as served,
        RawClient(served.address, seconds=30, receive_buffer=64 * 1024) as client,
    ):
        client.send([b"GET / HTTP/1.1\r\nHost: example.org\r\n\r\n"])
        seen = -1
        while seen != len(written):  # until two looks, some turns of the loop apart, see the same
            seen = len(written)
            for _ in range(200):
                served.call(lambda: None)
        assert len(written) < 32
        assert len(client.read_answer().body) == 64 * MIB
        assert len(written) == 64
