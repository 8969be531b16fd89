"""This file is the test of FastCGI by real sockets: nginx in front, and a client written from the specification."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from penstock.hosts.fastcgi_service import FastCgiService
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
        served.open_gate()
        if served.thread.server._host is not None:
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
def behind_nginx(folder: Path, *, kind: str = "tcp", way: str = PLAIN) -> Iterator[Behind]:
    path = folder / "penstock.sock"
    with serving_fastcgi(f"fcgi+unix:{path}") as served:
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

    def test_an_answer_that_breaks_off_is_none(self, tmp_path: Path, kind: str, way: str) -> None:
        with behind_nginx(tmp_path, kind=kind, way=way) as behind, behind.client() as client:
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
        with behind_nginx(tmp_path, way=UNBUFFERED) as behind, behind.client() as client:
            with client.stream("GET", "/begun-stream") as answer:
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
