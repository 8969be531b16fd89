"""This file is the test of FastCGI by real sockets: nginx in front, and a client written from the specification."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

import penstock
from penstock import ConfigurationError, WebSocket
from penstock.hosts.fastcgi_service import FastCgiService
from penstock.server import ServerThread
from penstock.settings import LogSettings, ProxySettings, RouteSettings, ServerSettings, SiteSettings
from penstock.settings.loader import load
from tests.wire import fastcgi_client as web
from tests.wire.fastcgi_client import FastCgiClient
from tests.wire.listener_subject import Serving, eventually, server_settings, serving
from tests.wire.nginx import FASTCGI_PARAMETERS, Nginx, nginx_with
from tests.wire.raw_client import RawClient

LARGE = 10 * 1024 * 1024


def service_of(served: Serving) -> FastCgiService:
    host = served.thread.server._host
    assert host is not None
    assert host._fastcgi is not None
    return host._fastcgi


@contextmanager
def serving_fastcgi(*more: str, **changes: object) -> Iterator[Serving]:
    """A subject that listens for web servers; in the end no connection is left."""
    with serving(server_settings("fcgi://127.0.0.1:0", *more, **changes)) as served:
        yield served
        if served.thread.server._host is not None:
            served.open_gate()
            assert eventually(lambda: not [each for each in service_of(served).connections if not each.is_idle])


@dataclass
class Behind:
    """A subject behind nginx."""

    served: Serving
    nginx: Nginx

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.nginx.url, timeout=30)


PLAIN = "fastcgi_pass {place};"
KEPT = "fastcgi_pass kept; fastcgi_keep_conn on;"
UNBUFFERED = PLAIN + "fastcgi_buffering off; fastcgi_request_buffering off;"


@contextmanager
def behind_nginx(folder: Path, *, kind: str = "tcp", way: str = PLAIN, loop: str = "auto") -> Iterator[Behind]:
    path = folder / "penstock.sock"
    with serving_fastcgi(f"fcgi+unix:{path}", loop=loop) as served:
        place = f"unix:{path}" if kind == "unix" else "{}:{}".format(*served.address)
        location = f"location / {{ {FASTCGI_PARAMETERS} {way.format(place=place)} }}"
        http = f"upstream kept {{ server {place}; keepalive 4; }}"
        with nginx_with(folder, server=location, http=http) as nginx:
            yield Behind(served, nginx)


@pytest.mark.parametrize("kind", ["tcp", "unix"])
@pytest.mark.parametrize("way", [PLAIN, KEPT, UNBUFFERED], ids=["plain", "kept", "unbuffered"])
class TestBehindNginx:
    def test_answers(self, tmp_path: Path, kind: str, way: str) -> None:
        with behind_nginx(tmp_path, kind=kind, way=way) as behind, behind.client() as client:
            answer = client.get("/hello?a=%20b")
            assert (answer.status_code, answer.text) == (200, "a=%20b")
            assert answer.headers["content-length"] == "6"
            assert answer.headers["server"].startswith("nginx")
            assert "status" not in answer.headers
            head = client.head("/hello")
            assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "5")
            assert client.get("/host", headers={"host": "shop.example.org"}).text == "shop.example.org"
            assert client.get("/%C3%BC/../hello").text == "hello"
            for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
                assert client.request(method, "/echo", content=b"body").content == b"body", method
            assert behind.served.subject.clients[0][0] == "127.0.0.1"
            assert behind.nginx.errors == ""

    def test_10_mb_each_way(self, tmp_path: Path, kind: str, way: str) -> None:
        body = bytes(range(256)) * (LARGE // 256)
        with behind_nginx(tmp_path, kind=kind, way=way) as behind, behind.client() as client:
            assert client.post("/echo", content=body).content == body
            assert client.post("/echo", content=iter([body[:100_000], body[100_000:]])).content == body
            assert behind.nginx.errors == ""

    @pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
    def test_an_answer_that_breaks_off_is_none(self, tmp_path: Path, kind: str, way: str, loop: str) -> None:
        with behind_nginx(tmp_path, kind=kind, way=way, loop=loop) as behind, behind.client() as client:
            with pytest.raises(httpx.RemoteProtocolError):
                client.get("/broken")
            assert client.get("/hello").text == "hello"

    def test_1000_requests(self, tmp_path: Path, kind: str, way: str) -> None:
        with behind_nginx(tmp_path, kind=kind, way=way) as behind, behind.client() as client:
            for number in range(1000):
                assert client.get(f"/hello?{number}").text == str(number)
            assert behind.served.runtime.statistics().succeeded == 1000
            assert behind.nginx.errors == ""


class TestStreaming:
    def test_pieces_come_when_they_are_sent(self, tmp_path: Path) -> None:
        with (
            behind_nginx(tmp_path, way=UNBUFFERED) as behind,
            behind.client() as client,
            client.stream("GET", "/begun-stream") as answer,
        ):
            pieces = answer.iter_bytes()
            assert next(pieces) == b"one,"
            behind.served.open_gate()
            assert b"".join(pieces) == b"two"

    def test_a_client_that_leaves_is_told_of(self, tmp_path: Path) -> None:
        with behind_nginx(tmp_path, way=UNBUFFERED) as behind:
            with RawClient(behind.nginx.address) as client:
                client.send([b"GET /watching HTTP/1.1\r\nHost: a\r\n\r\n"])
                assert eventually(lambda: behind.served.subject.begun == ["/watching"])
            assert eventually(lambda: behind.served.subject.told == ["http.disconnect"])

    def test_a_client_that_reads_slowly_holds_the_application_back(self, tmp_path: Path) -> None:
        with behind_nginx(tmp_path, way=UNBUFFERED) as behind:
            with RawClient(behind.nginx.address, receive_buffer=4096) as client:
                client.send([b"GET /flood?10000 HTTP/1.1\r\nHost: a\r\n\r\n"])
                assert eventually(lambda: behind.served.subject.produced > 0)
                assert not eventually(lambda: behind.served.subject.produced > 64 << 20, seconds=1)
            assert eventually(lambda: behind.served.subject.told == ["/flood"])


SITE = """
[server]
listen = ["fcgi://127.0.0.1:0", "fcgi+unix:penstock.sock"]
graceful_timeout = 5
[server.log]
access_file = "access.log"
access_format = "common"

[[site]]
root = "files"
route = [
    { at = "/fail", function = "fcgi_site:fail" },
    { at = "/cookies", function = "fcgi_site:cookies" },
    { at = "/nothing", function = "fcgi_site:nothing", methods = ["GET", "POST"] },
    { at = "/socket", websocket = "fcgi_site:socket" },
]
[[site.location]]
at = "/nothing"
limits = { body = 1000 }
"""
CODE = """
from penstock import Response

def fail():
    raise RuntimeError("meant to fail")

def cookies():
    return Response(b"", status=204, headers={"status": "999"})

async def nothing(context):
    await context.request.body()
    context.response.headers.add("set-cookie", "a=1")
    context.response.headers.add("set-cookie", "b=2")
    context.response.status = 304

async def socket(websocket):
    await websocket.accept()
"""


@contextmanager
def site_behind_nginx(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[ServerThread, httpx.Client]]:
    (folder / "files").mkdir()
    (folder / "files" / "page.txt").write_bytes(b"0123456789" * 100_000)
    (folder / "fcgi_site.py").write_text(CODE, "utf-8")
    (folder / "penstock.toml").write_text(SITE, "utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.delitem(sys.modules, "fcgi_site", raising=False)
    with ServerThread(load(folder / "penstock.toml")) as thread:
        location = (
            f"location / {{ {FASTCGI_PARAMETERS} fastcgi_pass unix:{folder}/penstock.sock; fastcgi_keep_conn on; }}"
        )
        with nginx_with(folder, server=location) as nginx, httpx.Client(base_url=nginx.url, timeout=30) as client:
            yield thread, client


def test_a_site_behind_nginx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    with site_behind_nginx(tmp_path, monkeypatch) as (thread, client):
        assert thread.server.addresses[0].startswith("fcgi://127.0.0.1:")
        assert thread.server.addresses[1] == f"fcgi+unix:{tmp_path}/penstock.sock"
        assert client.get("/absent").status_code == 404
        assert client.get("/fail").status_code == 500
        page = client.get("/page.txt")
        assert (page.status_code, len(page.content)) == (200, 1_000_000)
        assert client.get("/page.txt", headers={"if-none-match": page.headers["etag"]}).status_code == 304
        part = client.get("/page.txt", headers={"range": "bytes=5-9"})
        assert (part.status_code, part.content) == (206, b"56789")
        assert client.head("/page.txt").headers["content-length"] == "1000000"
        assert client.get("/cookies").status_code == 204
        nothing = client.get("/nothing")
        assert (nothing.status_code, nothing.headers.get_list("set-cookie")) == (304, ["a=1", "b=2"])
        assert client.post("/nothing", content=bytes(2000)).status_code == 413
        assert client.get(
            "/page.txt", headers={"x-large": "x" * 7000} | {f"x-{n}": "y" * 7000 for n in range(3)}
        ).is_success
        handshake = {"upgrade": "websocket", "connection": "upgrade", "sec-websocket-version": "13"}
        refused = client.get("/socket", headers={**handshake, "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA=="})
        assert refused.status_code == 501
        statistics = thread.runtime.statistics()
        assert statistics.total == 11
    assert "/socket is a WebSocket, which FastCGI does not carry: such requests are answered with 501" in caplog.text
    lines = (tmp_path / "access.log").read_text().splitlines()
    assert len(lines) == 11
    assert '"GET /absent HTTP/1.1" 404' in lines[0]
    assert lines[0].startswith("127.0.0.1 ")


class TestByTheSpecification:
    @pytest.mark.parametrize("kind", ["tcp", "unix"])
    def test_a_kept_connection(self, tmp_path: Path, kind: str) -> None:
        path = str(tmp_path / "penstock.sock")
        with serving_fastcgi(f"fcgi+unix:{path}") as served:
            with FastCgiClient(path if kind == "unix" else served.address) as client:
                for number in range(1000):
                    client.send(web.ask(web.parameters("POST", "/echo"), b"%d" % number, flags=web.KEEP_CONN))
                    answer = client.read_answer()
                    assert (answer.status, answer.body, answer.ending) == ("200 OK", b"%d" % number, bytes(8))
                client.send(web.ask(web.parameters()))
                assert client.read_answer().body == b"hello"
                assert client.is_closed()
            assert set(served.subject.clients) == {("192.0.2.7", 4711)}

    def test_an_answer_ends_though_the_input_has_not(self) -> None:
        with serving_fastcgi() as served, FastCgiClient(served.address) as client:
            told = web.parameters("POST", "/unread", CONTENT_LENGTH="1000000")
            client.send(web.begin() + web.stream(web.PARAMS, web.pairs(told)) + web.record(web.STDIN, bytes(60_000)))
            assert client.read_answer().body == b"unread"
            assert client.is_closed()

    def test_records_of_a_large_answer(self) -> None:
        with serving_fastcgi() as served, FastCgiClient(served.address) as client:
            client.send(web.ask(web.parameters(target="/large?1000000")))
            answer = client.read_answer()
            assert len(answer.body) == 1_000_000
            assert max(answer.sizes) <= 65535

    def test_an_abort_is_told_to_the_application(self) -> None:
        with serving_fastcgi() as served, FastCgiClient(served.address) as client:
            client.send(web.ask(web.parameters(target="/watching"), flags=web.KEEP_CONN))
            assert eventually(lambda: served.subject.begun == ["/watching"])
            client.send(web.record(web.ABORT))
            assert client.read_answer().ending == bytes(8)
            assert eventually(lambda: served.subject.told == ["http.disconnect"])
            client.send(web.ask(web.parameters(), flags=web.KEEP_CONN))
            assert client.read_answer().body == b"hello"

    def test_http_at_a_place_for_fastcgi_is_closed(self) -> None:
        with serving_fastcgi() as served, RawClient(served.address) as client:
            client.send([b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"])
            assert client.read_end() == b""

    def test_strangers_are_turned_away(self) -> None:
        with serving_fastcgi(proxy=ProxySettings(trusted=("10.0.0.1",))) as served:
            with FastCgiClient(served.address) as client:
                assert client.is_closed()
            assert served.subject.begun == []

    def test_http_and_fastcgi_side_by_side(self) -> None:
        with serving(server_settings("127.0.0.1:0", "fcgi://127.0.0.1:0", log=LogSettings(access=False))) as served:
            assert httpx.get(f"{served.thread.url}/hello").text == "hello"
            port = int(served.thread.server.addresses[1].rpartition(":")[2])
            with FastCgiClient(("127.0.0.1", port)) as client:
                client.send(web.ask(web.parameters()))
                assert client.read_answer().body == b"hello"

    def test_a_stop_lets_the_request_inside_end(self) -> None:
        with serving_fastcgi(graceful_timeout=10.0) as served, FastCgiClient(served.address) as client:
            client.send(web.ask(web.parameters(target="/late"), flags=web.KEEP_CONN))
            assert eventually(lambda: served.subject.begun == ["/late"])
            served.thread.stop()
            served.open_gate()
            assert client.read_answer().body == b"late"
            assert client.is_closed()
            assert eventually(lambda: served.thread.server._host is None)


def test_section_2_2_a_socket_handed_over_as_descriptor_0(tmp_path: Path) -> None:
    (tmp_path / "fcgi_spawned.py").write_text("def hello():\n    return 'spawned'\n", "utf-8")
    site = '[server]\nlisten = ["fcgi+fd:0"]\n[[site]]\nroute = [{ at = "/", function = "fcgi_spawned:hello" }]\n'
    (tmp_path / "penstock.toml").write_text(site, "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as listening:
        process = subprocess.Popen(
            [sys.executable, "-m", "penstock", "serve", "penstock.toml"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(Path(penstock.__file__).parents[1])},
            stdin=listening.fileno(),
            stdout=subprocess.PIPE,
        )
        try:
            with FastCgiClient(listening.getsockname()) as client:
                client.send(web.ask(web.parameters()))
                assert client.read_answer().body == b"spawned"
            process.terminate()
            assert process.wait(20) == 0
        finally:
            process.kill()
            process.communicate()


def test_services_ho13_strict_host_refuses_to_start_behind_fastcgi_alone(tmp_path: Path) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        pass

    site = SiteSettings(routes=(RouteSettings(at="/socket", websocket="tested:endpoint"),))
    settings = ServerSettings(listen=(f"fcgi+unix:{tmp_path}/a.sock",), strict_host=True)
    with pytest.raises(ConfigurationError) as caught:
        ServerThread(site, server=settings, objects={"tested:endpoint": endpoint}).__enter__()
    assert [each.message for each in caught.value.problems] == [
        "[[site.route]] /socket is a WebSocket, which FastCGI does not carry"
    ]
    both = ServerSettings(listen=(f"fcgi+unix:{tmp_path}/a.sock", "127.0.0.1:0"), strict_host=True)
    with ServerThread(site, server=both, objects={"tested:endpoint": endpoint}) as thread:
        assert len(thread.server.addresses) == 2
