"""A site as the guest of hypercorn over HTTP/2: requests, and WebSockets by extended CONNECT (RFC 8441)."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import h2.config
import h2.connection
import h2.events
import h2.settings
import httpx
import pytest

from penstock.intake.frame_transport import CLOSE, TEXT
from penstock.request_sockets.frame_writing import encode_frame
from tests.wire.guest_servers import GuestServer, guest_of, write_site
from tests.wire.guest_subject import APPLICATION, SITE

MASK = b"\x01\x02\x03\x04"


@pytest.fixture(scope="module")
def guest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuestServer]:
    folder: Path = tmp_path_factory.mktemp("guest")
    write_site(folder, application=APPLICATION, site=SITE)
    with guest_of("hypercorn", folder) as server:
        yield server


class Http2Client:
    """One connection and one stream."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.socket = socket.create_connection(address, timeout=10)
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.connection.initiate_connection()
        self.flush()

    def __enter__(self) -> Self:
        while not self.connection.remote_settings.enable_connect_protocol:
            self.read()
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def flush(self) -> None:
        self.socket.sendall(self.connection.data_to_send())

    def read(self) -> list[h2.events.Event]:
        received = self.socket.recv(65536)
        assert received, "the server closed the connection"
        events = self.connection.receive_data(received)
        self.flush()
        return events

    def open_socket(self, path: str, *fields: tuple[str, str]) -> dict[bytes, bytes]:
        """The head of the answer to a handshake."""
        self.connection.send_headers(
            1,
            [
                (":method", "CONNECT"),
                (":protocol", "websocket"),
                (":scheme", "http"),
                (":path", path),
                (":authority", "example.org"),
                ("sec-websocket-version", "13"),
                *fields,
            ],
        )
        self.flush()
        while True:
            for event in self.read():
                if isinstance(event, h2.events.ResponseReceived):
                    return {bytes(name): bytes(value) for name, value in event.headers or ()}

    def send(self, frame: bytes) -> None:
        self.connection.send_data(1, frame)
        self.flush()

    def receive(self) -> bytes:
        while True:
            for event in self.read():
                if isinstance(event, h2.events.DataReceived) and event.data:
                    return event.data


def test_rfc9113_requests(guest: GuestServer) -> None:
    host, port = guest.address
    with httpx.Client(base_url=f"http://{host}:{port}", http1=False, http2=True) as client:
        assert client.get("/asgi/x").text == "/asgi|/asgi/x|http|2"
        assert client.get("/stream").text == "0\n1\n2\n3\n4\n"
        assert client.post("/size", content=iter([b"x" * 1000] * 50)).json() == {"size": 50_000}
        assert client.head("/hello/Ada").headers["content-length"] == "11"
        # hypercorn never resets the stream of an application that failed: its keep-alive time ends the connection instead.
        with pytest.raises(httpx.RemoteProtocolError):
            client.get("/cut", timeout=30)
        assert client.get("/hello/Ada").http_version == "HTTP/2"


@pytest.mark.parametrize("path", ["later", "inline", "asgi/x", "owin/x"])
def test_rfc8441_websockets(guest: GuestServer, path: str) -> None:
    with Http2Client(guest.address) as client:
        head = client.open_socket(f"/{path}", ("sec-websocket-protocol", "chat.v1, chat.v2"))
        assert head[b":status"] == b"200"
        assert head[b"sec-websocket-protocol"] == b"chat.v2"
        assert head[b"x-style"] == path.partition("/")[0].encode()
        client.send(encode_frame(TEXT, b"hello", mask=MASK))
        assert client.receive() == encode_frame(TEXT, b"hello")
        client.send(encode_frame(CLOSE, b"\x03\xe8", mask=MASK))
        assert client.receive() == encode_frame(CLOSE, b"\x03\xe8")


def test_rfc8441_a_refusal_is_an_ordinary_answer(guest: GuestServer) -> None:
    with Http2Client(guest.address) as client:
        assert client.open_socket("/later?veto=1")[b":status"] == b"409"
