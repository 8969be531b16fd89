"""A site as the guest of real WSGI servers: gunicorn, waitress and granian (middleware section 15.4 «ASGI3 -> WSGI»)."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.wire.guest_servers import WSGI_SERVERS, GuestServer, guest_of, write_site
from tests.wire.guest_subject import APPLICATION, SITE
from tests.wire.listener_subject import eventually

# A WSGI application that needs a thread, its input, and to wait for another of its own requests' threads.
THREADED = """
import threading


def wsgi(environ, start_response):
    done = threading.Event()
    threading.Thread(target=done.set).start()
    done.wait()
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    for number in range(3):
        yield b"%d of %d\\n" % (number, len(body))
"""
WITH_WSGI = '\n[[site.app]]\nat = "/wsgi"\nwsgi = "subject:wsgi"\nthreads = 1\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guest")
    site = SITE.replace("[[site]]\n", '[[site]]\nroot = "files"\n', 1) + WITH_WSGI
    write_site(folder, application=APPLICATION + THREADED, site=site, face="wsgi")
    (folder / "files").mkdir()
    (folder / "files" / "large.bin").write_bytes(bytes(range(256)) * 8192)
    return folder


@pytest.fixture(scope="module", params=list(WSGI_SERVERS))
def guest(request: pytest.FixtureRequest, folder: Path) -> Iterator[GuestServer]:
    with guest_of(request.param, folder) as server:
        server.name = request.param
        yield server


@pytest.fixture
def client(guest: GuestServer) -> Iterator[httpx.Client]:
    host, port = guest.address
    # One connection for each request: a server with one thread serves no second one beside a first that stays.
    with httpx.Client(base_url=f"http://{host}:{port}", headers={"connection": "close"}) as client:
        yield client


def told(client: httpx.Client) -> list[str]:
    found: list[str] = client.get("/told").json()
    return found


def ask(guest: GuestServer, request: bytes) -> bytes:
    """Everything that comes until the server closes."""
    with socket.create_connection(guest.address, timeout=10) as connection:
        connection.sendall(request)
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
    return b"".join(pieces)


class TestRequests:
    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def test_services_ho04_every_method_gets_through(self, client: httpx.Client, method: str) -> None:
        answer = client.request(method, "/asgi/a%20b")
        assert (answer.status_code, answer.text) == (200, "/asgi|/asgi/a b|http|1.1")
        assert answer.headers["x-app"] == "1"

    def test_a_function_and_its_head(self, client: httpx.Client) -> None:
        answer, head = client.get("/hello/%C3%BC"), client.head("/hello/%C3%BC")
        assert (answer.status_code, answer.text) == (200, "Hello, ü!")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == answer.headers["content-length"]

    def test_middleware_15_4_an_answer_that_streams(self, client: httpx.Client) -> None:
        assert client.get("/stream").text == "0\n1\n2\n3\n4\n"

    def test_an_error_is_answered_once(self, client: httpx.Client) -> None:
        answer = client.get("/fails")
        assert answer.status_code == 500
        assert answer.text.startswith("500 Internal Server Error\nerror id ")

    @pytest.mark.parametrize("pieces", [1, 50])
    def test_middleware_15_4_bodies_whole_and_in_pieces(self, client: httpx.Client, pieces: int) -> None:
        body = b"x" * 50_000
        content: Any = body if pieces == 1 else iter([b"x" * 1000] * pieces)
        assert client.post("/size", content=content).json() == {"size": 50_000}

    def test_bad_input_too_long_bodies_are_413(self, client: httpx.Client) -> None:
        assert client.post("/size", content=b"x" * 100_001).status_code == 413

    def test_files_and_parts_of_them(self, client: httpx.Client) -> None:
        whole = client.get("/large.bin")
        part = client.get("/large.bin", headers={"range": "bytes=5-1000004"})
        rest = client.get("/large.bin", headers={"range": "bytes=5-"})
        head = client.head("/large.bin")
        assert (whole.status_code, whole.content) == (200, bytes(range(256)) * 8192)
        assert (part.status_code, part.content) == (206, whole.content[5:1000005])
        assert (rest.status_code, rest.content) == (206, whole.content[5:])
        assert (head.headers["content-length"], head.content) == (str(2 << 20), b"")

    def test_middleware_15_4_a_wsgi_application_of_the_site_has_a_thread_of_its_own(self, client: httpx.Client) -> None:
        answer = client.post("/wsgi", content=b"x" * 100_000)
        assert (answer.status_code, answer.text) == (200, "0 of 100000\n1 of 100000\n2 of 100000\n")

    def test_services_ho09_half_an_answer_never_passes_for_a_whole_one(self, guest: GuestServer) -> None:
        answer = ask(guest, b"GET /cut HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert b"half" in answer
        # granian ends what it streams properly, whatever its application raises.
        assert (b"\r\n0\r\n\r\n" in answer) == (guest.name == "granian-wsgi")

    def test_bad_input_paths_that_climb_out_are_refused(self, guest: GuestServer) -> None:
        answer = ask(guest, b"GET /hello/../../x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"climbs above the root" in answer

    def test_middleware_15_4_a_client_that_leaves_is_noticed_when_something_is_sent(
        self, guest: GuestServer, client: httpx.Client
    ) -> None:
        with socket.create_connection(guest.address, timeout=10) as connection:
            connection.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
            connection.recv(100)
        assert eventually(lambda: "endless ended" in told(client))


class TestWebSockets:
    def test_middleware_15_8_handshakes_are_refused_with_the_reason(self, guest: GuestServer) -> None:
        host, port = guest.address
        with pytest.raises(InvalidStatus) as caught, connect(f"ws://{host}:{port}/close"):
            pass
        assert caught.value.response.status_code == 501
        assert b"this host carries no WebSockets" in caught.value.response.body
        assert "/close is a WebSocket, which a WSGI server does not carry" in guest.text


class TestLife:
    @pytest.mark.parametrize("server", [name for name in WSGI_SERVERS if not name.startswith("waitress")])
    def test_the_application_is_stopped_with_the_server(self, folder: Path, server: str) -> None:
        with guest_of(server, folder) as guest:
            host, port = guest.address
            assert httpx.get(f"http://{host}:{port}/hello/Ada").text == "Hello, Ada!"
            guest.stop()
            assert guest.text.count("the application was told to stop") == 1

    def test_services_ho07_first_requests_at_once_start_once_per_process(self, tmp_path: Path) -> None:
        write_site(tmp_path, application=STARTING, site=STARTING_SITE, face="wsgi")
        with guest_of("gunicorn-preload", tmp_path, "--workers", "2") as guest:
            connections = [socket.create_connection(guest.address, timeout=10) for _ in range(8)]
            for connection in connections:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            for connection in connections:
                assert connection.recv(100).startswith(b"HTTP/1.1 200")
                connection.close()
            started = [line for line in guest.lines if line.startswith("started in ")]
            assert 1 <= len(started) == len(set(started)) <= 2

    @pytest.mark.parametrize("server", ["gunicorn-sync", "waitress"])
    def test_mistakes_are_told_at_the_import(self, tmp_path: Path, server: str) -> None:
        write_site(tmp_path, application="", site="[[site]]\nhots = 1\n", face="wsgi")
        with pytest.raises(AssertionError) as caught, guest_of(server, tmp_path, ready="never"):
            pass
        assert 'penstock.toml:2: [[site]] does not know "hots"' in str(caught.value)

    def test_services_ho07_a_start_that_fails_is_503_and_tried_again(self, tmp_path: Path) -> None:
        write_site(tmp_path, application=FAILING, site=STARTING_SITE, face="wsgi")
        with guest_of("waitress", tmp_path) as guest:
            host, port = guest.address
            answers = [httpx.get(f"http://{host}:{port}/") for _ in range(2)]
            assert [answer.status_code for answer in answers] == [503, 503]
            assert int(answers[0].headers["retry-after"]) >= 1
            assert guest.text.count("no database today") == 1
            assert eventually(lambda: httpx.get(f"http://{host}:{port}/").status_code == 200, seconds=20)

    def test_a_hook_of_the_server_may_start_it(self, tmp_path: Path) -> None:
        write_site(tmp_path, application=STARTING, site=STARTING_SITE, face="wsgi")
        (tmp_path / "gunicorn.conf.py").write_text("def post_worker_init(worker):\n    worker.wsgi.start()\n")
        with guest_of("gunicorn-sync", tmp_path) as guest:
            assert eventually(lambda: "started in " in guest.text)


STARTING = """
import os


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        print(f"started in {os.getpid()}", flush=True)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""
FAILING = """
tries = []


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        tries.append(1)
        if len(tries) == 1:
            await send({"type": "lifespan.startup.failed", "message": "no database today"})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""
STARTING_SITE = """
[server]
app_dirs = ["."]

[[site]]

[[site.app]]
at = "/"
asgi = "subject:application"
"""
