"""TLS on the listener: certificates by site, handshakes that never end, clients that leave without a word (row 84)."""

import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import httpx
import pytest
import trustme

from penstock.hosts.socket_host import SocketHost
from penstock.server import ServerThread, life
from penstock.settings import AppSettings, Settings, SiteSettings
from penstock.settings.model import TlsSettings
from tests.wire.listener_subject import Errors, Subject, eventually, get, post, server_settings
from tests.wire.raw_client import RawClient


@dataclass(frozen=True, slots=True)
class Secured:
    thread: ServerThread
    subject: Subject
    trusting: ssl.SSLContext

    def connect(self, name: str = "shop.example", *, seconds: float = 5.0) -> ssl.SSLSocket:
        plain = socket.create_connection(self.thread.address, timeout=seconds)
        return self.trusting.wrap_socket(plain, server_hostname=name)


def issue(authority: trustme.CA, folder: Path, name: str) -> TlsSettings:
    certificate = authority.issue_cert(name)
    path = folder / f"{name}.pem"
    certificate.private_key_and_cert_chain_pem.write_to_path(str(path))
    return TlsSettings(certificate=str(path), key=str(path))


@pytest.fixture(scope="module", params=["auto", "asyncio"])
def secured(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    authority = trustme.CA()
    folder = tmp_path_factory.mktemp("certificates")
    subject = Subject()
    sites = tuple(
        SiteSettings(hosts=(name,), tls=issue(authority, folder, name), apps=(AppSettings(at="/", asgi="name:app"),))
        for name in ("shop.example", "blog.example")
    )
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    settings = Settings(server=server_settings(loop=request.param), sites=sites)
    errors = Errors()
    with errors, pytest.MonkeyPatch.context() as patch:
        patch.setattr(life, "SocketHost", partial(SocketHost, handshake_timeout=0.3))
        with ServerThread(settings, objects={"name:app": subject}) as thread:
            yield Secured(thread, subject, trusting)
    assert errors.lines == []


def read_all(client: ssl.SSLSocket) -> bytes:
    received = b""
    while piece := client.recv(65_536):
        received += piece
    return received


def test_site_by_server_name(secured: Secured) -> None:
    for name in ("shop.example", "blog.example"):
        with secured.connect(name) as client:
            assert client.version() == "TLSv1.3"
            client.sendall(get("/host", b"Connection: close").replace(b"example.org", name.encode()))
            assert read_all(client).endswith(b"\r\n\r\n" + name.encode())
    assert secured.subject.schemes[-2:] == ["https", "https"]


def test_url_says_https(secured: Secured) -> None:
    assert secured.thread.url.startswith("https://127.0.0.1:")


def test_misdirected_request_is_refused(secured: Secured) -> None:
    with secured.connect() as client:
        client.sendall(get("/host", b"Connection: close"))  # for a host that no site answers
        assert read_all(client).startswith(b"HTTP/1.1 421 ")


def test_keep_alive_streams_and_large_bodies(secured: Secured) -> None:
    host, port = secured.thread.address
    with httpx.Client(verify=secured.trusting, headers={"host": "shop.example"}) as client:
        for _ in range(3):
            extensions = {"sni_hostname": "shop.example"}
            url = f"https://{host}:{port}"
            assert client.get(url + "/hello", extensions=extensions).text == "hello"
            assert client.get(url + "/ticking", extensions=extensions).text == "0,1,2,3,4,5,6,7,8,9,"
            assert client.post(url + "/echo", content=b"x" * 3_000_000, extensions=extensions).text == "x" * 3_000_000


def test_row_84_stalled_handshake_is_cut_off(secured: Secured) -> None:
    with socket.create_connection(secured.thread.address, timeout=5) as client:
        client.sendall(b"\x16\x03\x01")  # the beginning of a ClientHello
        assert is_ended(client)


def test_row_84_silent_client_is_cut_off(secured: Secured) -> None:
    with socket.create_connection(secured.thread.address, timeout=5) as client:
        assert is_ended(client)


def is_ended(client: socket.socket) -> bool:
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def test_row_39_plain_request_on_a_tls_port(secured: Secured) -> None:
    with RawClient(secured.thread.address) as client:
        client.send([get()])
        client.read_end()
    with secured.connect() as decent:
        decent.sendall(get("/hello", b"Connection: close").replace(b"example.org", b"shop.example"))
        assert read_all(decent).endswith(b"hello")


def test_row_84_client_leaves_without_close_notify(secured: Secured) -> None:
    for request in (b"", b"GET / HT", get("/watching").replace(b"example.org", b"shop.example")):
        client = secured.connect()
        client.sendall(request)
        plain = socket.socket(fileno=client.detach())
        plain.close()
    with secured.connect() as decent:
        decent.sendall(get("/hello", b"Connection: close").replace(b"example.org", b"shop.example"))
        assert read_all(decent).endswith(b"hello")
    assert eventually(lambda: secured.thread.runtime.statistics().executing == 0)


def test_too_large_is_readable_although_the_client_sends_on(secured: Secured) -> None:
    with secured.connect() as client:
        client.sendall(
            get("/echo", b"Content-Length: 30000001", method="POST").replace(b"example.org", b"shop.example")
        )
        for _ in range(16):
            client.sendall(b"x" * 65_536)
        assert client.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_body_in_the_segment_of_its_head(secured: Secured) -> None:
    with secured.connect() as client:
        client.sendall(post(b"together", b"Connection: close").replace(b"example.org", b"shop.example"))
        assert read_all(client).endswith(b"together")
