"""A site as the guest of real WSGI servers: gunicorn, waitress and granian (middleware section 15.4 «ASGI3 -> WSGI»)."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus

from tests.wire.guest_requests import AnyGuest, ask, open_socket, write_guest
from tests.wire.guest_servers import WSGI_SERVERS, GuestServer, guest_of, write_site
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
    return write_guest(tmp_path_factory.mktemp("guest"), face="wsgi", application=THREADED, site=WITH_WSGI)


@pytest.fixture(scope="module", params=list(WSGI_SERVERS))
def guest(request: pytest.FixtureRequest, folder: Path) -> Iterator[GuestServer]:
    with guest_of(request.param, folder) as server:
        yield server


class TestRequests(AnyGuest):
    def test_middleware_15_4_a_wsgi_application_of_the_site_has_a_thread_of_its_own(self, client: httpx.Client) -> None:
        answer = client.post("/wsgi", content=b"x" * 100_000)
        assert (answer.status_code, answer.text) == (200, "0 of 100000\n1 of 100000\n2 of 100000\n")

    def test_services_ho09_half_an_answer_never_passes_for_a_whole_one(self, guest: GuestServer) -> None:
        answer = ask(guest, b"GET /cut HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert b"half" in answer
        # granian ends what it streams properly, whatever its application raises.
        assert (b"\r\n0\r\n\r\n" in answer) == (guest.name == "granian-wsgi")


class TestWebSockets:
    def test_middleware_15_8_handshakes_are_refused_with_the_reason(self, guest: GuestServer) -> None:
        with pytest.raises(InvalidStatus) as caught, open_socket(guest, "close"):
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
