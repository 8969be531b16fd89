"""This file is what every guest is asked in the same words, and how it is asked: `AnyGuest` is the base of a class of tests."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.wire.guest_servers import WSGI_SERVERS, GuestServer, write_site
from tests.wire.guest_subject import APPLICATION, SITE
from tests.wire.listener_subject import eventually

LARGE = bytes(range(256)) * 8192


@contextmanager
def client_of(guest: GuestServer) -> Iterator[httpx.Client]:
    host, port = guest.address
    # A WSGI server with one thread serves no second connection beside a first that stays.
    headers = {"connection": "close"} if guest.name in WSGI_SERVERS else {}
    with httpx.Client(base_url=f"http://{host}:{port}", headers=headers) as client:
        yield client


def told(client: httpx.Client) -> list[str]:
    """What the endpoints have noted so far."""
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


def open_socket(guest: GuestServer, path: str, **options: Any) -> ClientConnection:
    host, port = guest.address
    opened: ClientConnection = connect(f"ws://{host}:{port}/{path}", **options)
    return opened


def write_guest(folder: Path, *, face: str = "asgi", application: str = "", site: str = "") -> Path:
    """The site that guests serve in these tests, with a file of 2 MB, and more of an application and a site."""
    whole = SITE.replace("[[site]]\n", '[[site]]\nroot = "files"\n', 1) + site
    write_site(folder, application=APPLICATION + application, site=whole, face=face)
    (folder / "files").mkdir()
    (folder / "files" / "large.bin").write_bytes(LARGE)
    return folder


class Asking:
    """Tests that have a client. The module has a fixture `guest`."""

    @pytest.fixture
    def client(self, guest: GuestServer) -> Iterator[httpx.Client]:
        with client_of(guest) as client:
            yield client


class AnyGuest(Asking):
    """What holds on every server; the folder was written by `write_guest`."""

    @pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
    def test_services_ho04_every_method_gets_through(self, client: httpx.Client, method: str) -> None:
        answer = client.request(method, "/asgi/a%20b")
        assert (answer.status_code, answer.text) == (200, "/asgi|/asgi/a b|http|1.1")
        assert answer.headers["x-app"] == "1"

    def test_a_function_and_its_head(self, client: httpx.Client) -> None:
        answer, head = client.get("/hello/%C3%BC"), client.head("/hello/%C3%BC")
        assert (answer.status_code, answer.text) == (200, "Hello, ü!")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == answer.headers["content-length"] == "10"

    def test_services_ho05_what_nobody_asked_for_is_an_ordinary_404(
        self, client: httpx.Client, guest: GuestServer
    ) -> None:
        before = guest.text.count("ERROR")
        assert client.get("/favicon.ico").status_code == 404
        assert guest.text.count("ERROR") == before

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

    def test_files_and_parts_of_them(self, client: httpx.Client) -> None:
        whole = client.get("/large.bin")
        part = client.get("/large.bin", headers={"range": "bytes=5-1000004"})
        rest = client.get("/large.bin", headers={"range": "bytes=5-"})
        head = client.head("/large.bin")
        assert (whole.status_code, whole.content) == (200, LARGE)
        assert (part.status_code, part.content) == (206, LARGE[5:1000005])
        assert (rest.status_code, rest.content) == (206, LARGE[5:])
        assert (head.headers["content-length"], head.content) == (str(len(LARGE)), b"")

    def test_bad_input_too_long_bodies_are_413(self, client: httpx.Client) -> None:
        assert client.post("/size", content=b"x" * 100_001).status_code == 413
        assert client.post("/size", content=iter([b"x" * 1000] * 101)).status_code == 413
        assert client.get("/hello/Bob").status_code == 200

    def test_bad_input_paths_that_climb_out_are_refused(self, guest: GuestServer) -> None:
        answer = ask(guest, b"GET /hello/../../x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"climbs above the root" in answer

    def test_rfc9110_section_6_6_1_date_and_server_are_told_once(self, client: httpx.Client) -> None:
        answer = client.get("/dated")
        assert [len(answer.headers.get_list(name)) for name in ("date", "server")] == [1, 1]

    def test_rfc7239_section_4_a_proxy_in_front_is_believed(self, client: httpx.Client, guest: GuestServer) -> None:
        fields = {"x-forwarded-for": "198.51.100.9", "x-forwarded-proto": "https"}
        answer = client.get("/peer", headers=fields)
        # waitress drops what proxies say, unless it is told which.
        wanted = ["127.0.0.1", "http"] if guest.name.startswith("waitress") else ["198.51.100.9", "https"]
        assert answer.json() == wanted

    def test_middleware_15_4_a_client_that_leaves_is_noticed(self, guest: GuestServer, client: httpx.Client) -> None:
        with socket.create_connection(guest.address, timeout=10) as connection:
            connection.sendall(b"GET /endless HTTP/1.1\r\nHost: a\r\n\r\n")
            connection.recv(100)
        assert eventually(lambda: "endless ended" in told(client))


class NoticingGuest(AnyGuest):
    """The same on servers that tell of a client that leaves while nothing is sent to it."""

    def test_a_client_that_leaves_before_its_answer_is_noticed(self, guest: GuestServer, client: httpx.Client) -> None:
        with socket.create_connection(guest.address, timeout=10) as connection:
            connection.sendall(b"GET /waits HTTP/1.1\r\nHost: a\r\n\r\n")
            assert eventually(lambda: "waiting" in told(client))
        assert eventually(lambda: "noticed" in told(client))
