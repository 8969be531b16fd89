"""The proxy on real sockets: in front of our own server and of uvicorn, byte by byte, and while backends are killed."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.sync.client import connect

from penstock.server import ServerThread
from penstock.settings import BackendSettings, HealthSettings, Settings, SiteSettings
from tests.wire.listener_subject import Serving, eventually, get, post, server_settings, serving
from tests.wire.raw_client import RawClient


@contextmanager
def proxy_to(*urls: str, **keys: Any) -> Iterator[ServerThread]:
    """A proxy on a free port; at the end it has nothing inside, and no connection to a backend is in use."""
    site = SiteSettings(proxies=(BackendSettings(at="/", to=urls, **keys),))
    with ServerThread(Settings(server=server_settings(), sites=(site,))) as thread:
        yield thread
        assert eventually(lambda: thread.runtime.statistics().executing == 0), thread.runtime.statistics()
        (target,) = [each.handler for each in thread.server.sites[0].mounts]
        assert {each.inside for each in target.backends._all} <= {0}  # type: ignore[attr-defined]


def url_of(server: ServerThread | Serving) -> str:
    host, port = server.address
    return f"http://{host}:{port}"


@pytest.fixture
def backend() -> Iterator[Serving]:
    with serving() as served:
        yield served


@pytest.fixture
def front(backend: Serving) -> Iterator[ServerThread]:
    with proxy_to(url_of(backend)) as thread:
        yield thread


class TestAnswers:
    def test_pipelined_requests_have_their_answers_in_order(self, front: ServerThread) -> None:
        with RawClient(front.address) as client:
            client.send([get(f"/hello?{number}") for number in range(50)])
            assert [client.read_answer().body for _ in range(50)] == [b"%d" % number for number in range(50)]

    def test_a_body_in_one_byte_pieces(self, front: ServerThread) -> None:
        with RawClient(front.address) as client:
            client.send([post(b"hello")[at : at + 1] for at in range(len(post(b"hello")))])
            assert client.read_answer().body == b"hello"

    @pytest.mark.parametrize("size", [0, 1, 100_000, 5_000_000])
    def test_bodies_of_all_sizes_there_and_back(self, front: ServerThread, size: int) -> None:
        body = os.urandom(size)
        with RawClient(front.address, seconds=20) as client:
            for _ in range(2):
                client.send([post(body)])
                assert client.read_answer().body == body

    def test_chunks_there_and_back(self, front: ServerThread) -> None:
        head = get("/echo-stream", b"Transfer-Encoding: chunked", method="POST")
        with RawClient(front.address) as client:
            client.send([head, b"5\r\nhello\r\n", b"6\r\n world\r\n", b"0\r\n\r\n"])
            assert client.read_answer().body == b"hello world"

    def test_an_endless_answer_comes_as_it_is_made(self, front: ServerThread, backend: Serving) -> None:
        with RawClient(front.address) as client:
            client.send([get("/begun-stream")])
            assert client.has_answer()
            backend.open_gate()
            assert client.read_answer().body == b"one,two"

    def test_rfc9110_section_10_1_1_expect_is_met(self, front: ServerThread) -> None:
        with RawClient(front.address) as client:
            client.send([get("/echo", b"Expect: 100-continue", b"Content-Length: 5", method="POST")])
            assert client.read_answer().status == 100
            client.send([b"hello"])
            assert client.read_answer().body == b"hello"

    def test_http_1_0_clients_are_answered_until_the_end(self, front: ServerThread) -> None:
        with RawClient(front.address) as client:
            client.send([get("/ticking", version="1.0")])
            assert client.read_answer().body == b"0,1,2,3,4,5,6,7,8,9,"

    def test_the_host_is_the_clients(self, front: ServerThread, backend: Serving) -> None:
        with RawClient(front.address) as client:
            client.send([get("/host")])
            assert client.read_answer().body == b"example.org"
        assert backend.subject.clients[-1][0] == "127.0.0.1"

    def test_connections_are_used_again(self, front: ServerThread, backend: Serving) -> None:
        for _ in range(5):
            with RawClient(front.address) as client:
                for _ in range(5):
                    client.send([get()])
                    assert client.read_answer().body == b"hello"
        assert len(backend.service.connections) == 1


class TestBackPressure:
    def test_a_client_that_does_not_read_stops_the_backend(self, front: ServerThread, backend: Serving) -> None:
        with RawClient(front.address, receive_buffer=8192) as client:
            client.send([get("/flood?4000")])
            assert client.has_answer()
            produced = [0]

            def is_steady() -> bool:
                before, produced[0] = produced[0], backend.subject.produced
                threading.Event().wait(0.1)
                return 0 < produced[0] == before

            assert eventually(is_steady)
            assert produced[0] < 100_000_000, "the rest of 262 MB waits for the client"
        assert eventually(lambda: "/flood" in backend.subject.told), "the backend is told when the client leaves"

    def test_a_backend_that_does_not_read_stops_the_client(self, backend: Serving) -> None:
        with proxy_to(url_of(backend)) as front, RawClient(front.address) as client:
            client.send([get("/slowly", b"Content-Length: 29000000", method="POST")])
            sent = client.send_until_stopped(b"x" * 65_536, at_most=29_000_000, seconds=0.5)
            assert sent < 29_000_000
            backend.open_gate()
            client.send([b"x" * (29_000_000 - sent)])
            client.seconds = 20
            assert len(client.read_answer().body) == 29_000_000


class TestEnds:
    def test_an_application_that_breaks_off_cuts_the_answer(self, front: ServerThread) -> None:
        with RawClient(front.address) as client:
            client.send([get("/broken")])
            with pytest.raises(AssertionError, match="ended within"):
                client.read_answer()

    def test_a_client_that_resets_is_told_to_the_backend(self, front: ServerThread, backend: Serving) -> None:
        client = RawClient(front.address)
        client.send([get("/watching")])
        assert eventually(lambda: "/watching" in backend.subject.begun)
        client.reset()
        assert eventually(lambda: backend.subject.told == ["http.disconnect"])

    def test_a_client_that_closes_its_side_still_gets_its_answer(self, front: ServerThread, backend: Serving) -> None:
        with RawClient(front.address) as client:
            client.send([get("/late")])
            assert eventually(lambda: "/late" in backend.subject.begun)
            client.send_end()
            backend.open_gate()
            assert client.read_answer().body == b"late"

    def test_a_stop_lets_what_is_inside_end(self, backend: Serving) -> None:
        with proxy_to(url_of(backend)) as front, RawClient(front.address) as client:
            client.send([get("/late")])
            assert eventually(lambda: "/late" in backend.subject.begun)
            front.stop()
            backend.open_gate()
            assert client.read_answer().body == b"late"


# -- other servers -----------------------------------------------------------------------------------------------------------

APPLICATION = """
import asyncio
import os


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept", "subprotocol": (scope["subprotocols"] or [None])[0]})
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            if message.get("text") == "bye":
                await send({"type": "websocket.close", "code": 4002, "reason": "bye"})
                return
            await send({"type": "websocket.send", "text": message.get("text"), "bytes": message.get("bytes")})
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    if scope["path"] == "/die":
        os._exit(1)
    if scope["path"] == "/half":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"1000000")]})
        await send({"type": "http.response.body", "body": b"x" * 1000, "more_body": True})
        await asyncio.sleep(0.05)
        os._exit(1)
    if scope["path"] == "/hang":
        await asyncio.Event().wait()
    if scope["path"] == "/who":
        headers = dict(scope["headers"])
        body = b"%s %s" % (headers[b"x-forwarded-for"], headers[b"x-forwarded-proto"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": body or str(os.getpid()).encode()})
"""


class Uvicorn:
    """uvicorn in a process of its own, which can be killed, stopped and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "proxied.py").write_text(APPLICATION)
        with socket.socket() as found:
            found.bind(("127.0.0.1", 0))
            self.port = int(found.getsockname()[1])
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [sys.executable, "-m", "uvicorn", "proxied:app", "--port", str(self.port), "--log-level", "critical"]
        self.process = subprocess.Popen(command, cwd=self.folder, stderr=subprocess.DEVNULL)
        assert eventually(self._answers, seconds=20)

    def _answers(self) -> bool:
        with socket.socket() as asked:
            return asked.connect_ex(("127.0.0.1", self.port)) == 0

    def send(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait()
            self.process = None


@pytest.fixture
def uvicorn(tmp_path: Path) -> Iterator[Uvicorn]:
    server = Uvicorn(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[Sequence[Uvicorn]]:
    servers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        servers.append(Uvicorn(tmp_path / name))
    for server in servers:
        server.start()
    yield servers
    for server in servers:
        server.kill()


class TestUvicorn:
    def test_requests_and_sockets(self, uvicorn: Uvicorn) -> None:
        with proxy_to(uvicorn.url) as front, httpx.Client(base_url=url_of(front)) as client:
            for body in (b"a", b"b" * 1_000_000):
                assert client.post("/", content=body).content == body
            assert client.post("/", content=iter([b"c" * 10_000] * 30)).content == b"c" * 300_000
            assert client.get("/who").text == "127.0.0.1 http"
            # The loopback is trusted by default, and its word is the last one of the list: the rest is anybody's.
            lies = {"X-Forwarded-For": "10.9.9.9, 10.0.0.1", "X-Forwarded-Proto": "https", "X-Real-IP": "10.9.9.9"}
            assert client.get("/who", headers=lies).text == "10.0.0.1 https"
            assert client.head("/").status_code == 200
            address = url_of(front).replace("http", "ws")
            with connect(address, subprotocols=["v1"], max_size=None) as websocket:  # type: ignore[list-item]
                assert websocket.subprotocol == "v1"
                for message in ("Käse", b"\0\xff", "x" * 100_000, os.urandom(2_000_000)):
                    websocket.send(message)
                    assert websocket.recv() == message
                websocket.send("bye")
                with pytest.raises(Exception, match="4002"):
                    websocket.recv()

    def test_one_that_dies_in_mid_answer(self, uvicorn: Uvicorn) -> None:
        with proxy_to(uvicorn.url) as front, httpx.Client(base_url=url_of(front)) as client:
            with pytest.raises(httpx.RemoteProtocolError):
                client.get("/half")
            assert client.get("/").status_code == 502
            uvicorn.kill()
            uvicorn.start()
            assert client.get("/").status_code == 200

    def test_one_that_dies_in_front_of_its_answer(self, uvicorn: Uvicorn) -> None:
        with proxy_to(uvicorn.url, retries=0) as front, httpx.Client(base_url=url_of(front)) as client:
            assert client.post("/", content=b"x").status_code == 200
            answer = client.post("/die", content=b"x")
            assert answer.status_code == 502
            assert str(uvicorn.port) not in answer.text

    def test_one_that_hangs(self, uvicorn: Uvicorn) -> None:
        with proxy_to(uvicorn.url, read_timeout=1.0) as front, httpx.Client(base_url=url_of(front)) as client:
            assert client.get("/").status_code == 200
            assert client.get("/hang").status_code == 504
            uvicorn.send(signal.SIGSTOP)
            assert client.get("/").status_code == 504
            uvicorn.send(signal.SIGCONT)
            assert client.get("/").status_code == 200


class TestChaos:
    def test_killing_one_of_two_backends_loses_no_request_that_may_be_repeated(self, two: Sequence[Uvicorn]) -> None:
        with proxy_to(*[each.url for each in two]) as front:
            statuses = asking(front, lambda client: client.get("/"), lambda: disturb(two[0]))
        assert len(statuses) > 100
        assert set(statuses) == {200}

    def test_a_backend_that_is_asked_how_it_is_comes_back(self, two: Sequence[Uvicorn]) -> None:
        health = HealthSettings(path="/", interval=0.1, timeout=0.5, unhealthy_after=1, healthy_after=1)
        urls = [each.url for each in two]
        with proxy_to(*urls, health=health) as front, httpx.Client(base_url=url_of(front)) as client:

            def seen() -> int:
                return len({client.get("/").text for _ in range(4)})

            assert eventually(lambda: seen() == 2)
            two[0].kill()
            assert eventually(lambda: seen() == 1)
            two[0].start()
            assert eventually(lambda: seen() == 2)

    def test_all_backends_gone_is_told_and_passes(self, uvicorn: Uvicorn) -> None:
        health = HealthSettings(interval=0.3, unhealthy_after=2)
        with proxy_to(uvicorn.url, health=health) as front, httpx.Client(base_url=url_of(front)) as client:
            uvicorn.kill()
            statuses = [client.get("/").status_code for _ in range(4)]
            assert statuses[:2] == [502, 502]
            assert statuses[2:] == [503, 503]
            assert client.get("/").headers["retry-after"] == "1"
            uvicorn.start()
            assert eventually(lambda: client.get("/").status_code == 200)

    def test_sockets_of_a_backend_that_is_killed_are_closed(self, uvicorn: Uvicorn) -> None:
        with proxy_to(uvicorn.url) as front:
            with connect(url_of(front).replace("http", "ws")) as websocket:
                websocket.send("x")
                assert websocket.recv() == "x"
                uvicorn.kill()
                with pytest.raises(Exception, match="1014"):
                    websocket.recv(timeout=5)
            assert eventually(lambda: front.runtime.sockets.statistics().executing == 0)


def disturb(server: Uvicorn) -> None:
    for _ in range(2):
        server.kill()
        server.start()


def asking(
    front: ServerThread, ask: Callable[[httpx.Client], httpx.Response], disturb_it: Callable[[], None]
) -> list[int]:
    """The statuses that four clients get while `disturb_it` runs."""
    statuses: list[int] = []
    is_over = threading.Event()

    def go_on() -> None:
        with httpx.Client(base_url=url_of(front)) as client:
            while not is_over.is_set():
                statuses.append(ask(client).status_code)

    threads = [threading.Thread(target=go_on) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        disturb_it()
    finally:
        is_over.set()
        for thread in threads:
            thread.join()
    return statuses


def test_a_chain_of_proxies_by_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "inner.sock"
    with (
        serving(server_settings(f"unix:{path}")) as inner,
        proxy_to(f"unix:{path}") as middle,
        proxy_to(url_of(middle)) as outer,
        RawClient(outer.address) as client,
    ):
        client.send([post(b"through two of them"), get("/hello")])
        assert client.read_answer().body == b"through two of them"
        assert client.read_answer().body == b"hello"
    assert inner.subject.begun == ["/echo", "/hello"]
