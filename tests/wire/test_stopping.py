"""A stop on real sockets: streams of every kind end politely, those who cannot know are served, the stuck are cancelled (G-06, G-07)."""

import asyncio
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from websockets.exceptions import ConnectionClosedOK
from websockets.sync.client import connect

from penstock import Context, WebSocket
from penstock.hosts.fastcgi_records import KEEP_CONN
from penstock.server import ServerThread
from penstock.settings import (
    AppSettings,
    DrainSettings,
    HealthPathSettings,
    LimitSettings,
    ProxySettings,
    RouteSettings,
    Settings,
    SiteSettings,
    TlsSettings,
)
from tests.wire.fastcgi_client import FastCgiClient, ask, parameters
from tests.wire.listener_subject import eventually, get, server_settings
from tests.wire.raw_client import RawClient

FIRST, LAST = b"data: first\n\n", b"event: bye\ndata:\n\n"


async def of_a_function(context: Context) -> None:
    response = context.response
    response.headers["content-type"] = "text/event-stream"
    response.write(FIRST)
    await response.flush()
    await context.stopping
    response.write(LAST)


async def of_asgi(scope: Any, receive: Any, send: Callable[[Any], Awaitable[None]]) -> None:
    if scope["type"] == "lifespan":
        raise RuntimeError("unsupported")
    stopping = scope["extensions"]["penstock.stopping"]
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": FIRST, "more_body": True})
    while not stopping.is_set():
        try:
            await asyncio.wait_for(stopping.wait(), 0.02)
        except TimeoutError:
            continue
    await send({"type": "http.response.body", "body": LAST})


def of_wsgi(environ: dict[str, Any], start_response: Any) -> Iterator[bytes]:
    start_response("200 OK", [("content-type", "text/event-stream")])
    yield FIRST
    while not environ["penstock.stopping"].wait(10):
        yield b":\n"
    yield LAST


class Work:
    """What the other functions of the site do, and what became of it."""

    def __init__(self) -> None:
        self.log: list[str] = []
        self.gate = asyncio.Event()
        self.begun = 0
        self.left_behind: asyncio.Task[Any] | None = None

    async def slow(self, context: Context) -> str:
        self.begun += 1
        await self.gate.wait()
        return "slow"

    async def deaf(self, context: Context) -> str:
        self.begun += 1
        self.left_behind = asyncio.current_task()
        for _ in range(3):
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.log.append("swallowed")
        return "deaf"

    async def endpoint(self, websocket: WebSocket) -> None:
        assert websocket.context is not None
        await websocket.context.stopping
        self.log.append("endpoint told")

    async def life(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for end in ("startup", "shutdown"):
                await receive()
                self.log.append(end)
                await send({"type": f"lifespan.{end}.complete"})


def serving(work: Work, *, hosts: tuple[str, ...] = ("*",), **changes: Any) -> ServerThread:
    routes = (
        RouteSettings(at="/function", function="name:function"),
        RouteSettings(at="/hello", function="name:hello"),
        RouteSettings(at="/slow", function="name:slow"),
        RouteSettings(at="/deaf", function="name:deaf"),
        RouteSettings(at="/socket", websocket="name:endpoint"),
    )
    apps = (
        AppSettings(at="/asgi", asgi="name:asgi"),
        AppSettings(at="/wsgi", wsgi="name:wsgi", threads=8),
        AppSettings(at="/life", asgi="name:life"),
    )
    objects: dict[str, object] = {
        "name:function": of_a_function,
        "name:hello": lambda: "hello",
        "name:slow": work.slow,
        "name:deaf": work.deaf,
        "name:endpoint": work.endpoint,
        "name:asgi": of_asgi,
        "name:wsgi": of_wsgi,
        "name:life": work.life,
    }
    settings = Settings(server=server_settings(**changes), sites=(SiteSettings(hosts=hosts, routes=routes, apps=apps),))
    return ServerThread(settings, objects=objects)


def stop(server: ServerThread, *, idle: float = 0.0) -> None:
    server.call(lambda: server.server.stop(idle=idle))


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_pipeline_g06_ten_streams_end_politely_while_others_go_on(loop: str) -> None:
    work = Work()
    with serving(work, loop=loop, graceful_timeout=10) as server, RawClient(server.address) as slow:
        slow.send([get("/slow")])
        streams = [RawClient(server.address) for _ in range(10)]
        for number, client in enumerate(streams):
            client.send([get(("/function", "/asgi", "/wsgi")[number % 3])])
            assert client.has_answer()
        assert eventually(lambda: work.begun)
        began = time.monotonic()
        stop(server, idle=0.2)
        assert [client.read_answer().body for client in streams] == [FIRST + LAST] * 10
        assert time.monotonic() - began < 1
        server.call(work.gate.set)
        answer = slow.read_answer()
        assert (answer.body, answer.find(b"connection")) == (b"slow", b"close")
        server._thread.join(5)
        assert time.monotonic() - began < 2
        for client in streams:
            client.close()


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_pipeline_g06_endpoints_of_websockets_are_told(loop: str) -> None:
    work = Work()
    with serving(work, loop=loop, graceful_timeout=5) as server:
        host, port = server.address
        with connect(f"ws://{host}:{port}/socket") as client:
            stop(server)
            with pytest.raises(ConnectionClosedOK) as caught:
                client.recv(timeout=5)
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
        server._thread.join(5)
    assert work.log == ["startup", "endpoint told", "shutdown"]


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_who_cannot_know_of_the_stop_is_served_and_told(loop: str) -> None:
    with serving(Work(), loop=loop, graceful_timeout=10) as server:
        used = [RawClient(server.address) for _ in range(3)]
        for client in used:
            client.send([get("/hello")])
            assert client.read_answer().find(b"connection") is None
        late, silent, leaving = used
        began = time.monotonic()
        stop(server, idle=1.0)
        leaving.close()
        threading.Event().wait(0.6)  # it comes well within the second
        late.send([get("/hello")])
        answer = late.read_answer()
        assert (answer.body, answer.find(b"connection")) == (b"hello", b"close")
        assert late.read_end() == b""
        assert silent.read_end() == b""
        assert 0.95 < time.monotonic() - began < 3
        late.close()
        silent.close()
        server._thread.join(5)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_over_tls_it_is_the_same(loop: str, tmp_path: Path) -> None:
    authority = trustme.CA()
    path = tmp_path / "cert.pem"
    authority.issue_cert("shop.example").private_key_and_cert_chain_pem.write_to_path(str(path))
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    tls = TlsSettings(certificate=str(path), key=str(path))
    with serving(Work(), loop=loop, tls=tls, graceful_timeout=10) as server:
        late, silent = [
            trusting.wrap_socket(socket.create_connection(server.address, timeout=5), server_hostname="shop.example")
            for _ in range(2)
        ]
        for client in (late, silent):
            client.sendall(get("/hello"))
            assert client.recv(65_536).endswith(b"hello")
        stop(server, idle=0.4)
        threading.Event().wait(0.2)
        late.sendall(get("/hello"))
        answer = late.recv(65_536)
        assert b"connection: close" in answer
        assert answer.endswith(b"hello")
        for client in (late, silent):
            assert client.recv(1) == b""  # an end that was said, not a connection that was cut
            client.close()
        server._thread.join(5)


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_web_server_that_keeps_its_connection_is_served_once_more(loop: str) -> None:
    settings: dict[str, Any] = {"listen": ("fcgi://127.0.0.1:0",), "proxy": ProxySettings(trusted=("127.0.0.1",))}
    with serving(Work(), loop=loop, graceful_timeout=10, **settings) as server:
        with FastCgiClient(server.address) as late, FastCgiClient(server.address) as silent:
            for client in (late, silent):
                client.send(ask(parameters(target="/hello"), flags=KEEP_CONN))
                assert client.read_answer().body == b"hello"
            stop(server, idle=0.4)
            threading.Event().wait(0.2)
            late.send(ask(parameters(target="/hello"), flags=KEEP_CONN))
            assert late.read_answer().body == b"hello"
            assert late.is_closed()
            assert silent.is_closed()
        server._thread.join(5)


def test_silence_counts_from_the_last_byte() -> None:
    work = Work()
    with serving(work, graceful_timeout=10) as server, RawClient(server.address) as client:
        client.send([get("/function")])
        assert client.has_answer()
        stop(server, idle=0.5)
        assert client.read_answer().body == FIRST + LAST  # its head could not tell of the stop
        threading.Event().wait(0.25)
        client.send([get("/hello")])
        answer = client.read_answer()
        assert (answer.body, answer.find(b"connection")) == (b"hello", b"close")
        server._thread.join(5)


def test_pipeline_g07_the_stuck_are_cancelled_and_nobody_holds_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    work = Work()
    limits = LimitSettings(requests_inside=2)
    changes: dict[str, Any] = {"graceful_timeout": 0.5, "drain": DrainSettings(cancel=0.3), "limits": limits}
    with serving(work, **changes) as server:
        clients = [RawClient(server.address) for _ in range(3)]
        for client, path in zip(clients, ("/deaf", "/slow", "/hello"), strict=True):
            client.send([get(path)])
        assert eventually(lambda: server.runtime.statistics().queued == 1)
        began = time.monotonic()
        stop(server)
        refused = clients[2].read_answer()
        assert (refused.status, refused.find(b"retry-after")) == (503, b"1")
        assert 0.4 < time.monotonic() - began < 1.5
        server._thread.join(5)
        assert 0.7 < time.monotonic() - began < 2.5
        for client in clients:
            client.close()
    assert "2 requests did not end in time" in caplog.text
    # Who was left behind ends now, not while garbage is collected in the middle of another test.
    assert work.left_behind is not None
    work.left_behind._log_destroy_pending = False  # type: ignore[attr-defined]
    coroutine = work.left_behind.get_coro()
    assert isinstance(coroutine, Coroutine)
    coroutine.close()
    assert work.log[:3] == ["startup", "swallowed", "shutdown"]


def test_those_in_the_queue_are_served_while_there_is_time() -> None:
    work = Work()
    with serving(work, graceful_timeout=5, limits=LimitSettings(requests_inside=1)) as server:
        clients = [RawClient(server.address) for _ in range(3)]
        clients[0].send([get("/slow")])
        assert eventually(lambda: work.begun)
        for client in clients[1:]:
            client.send([get("/hello")])
        assert eventually(lambda: server.runtime.statistics().queued == 2)
        stop(server)
        server.call(work.gate.set)
        assert [client.read_answer().status for client in clients] == [200] * 3
        server._thread.join(5)
        for client in clients:
            client.close()


def test_probes_on_a_socket() -> None:
    health = HealthPathSettings(live="/live", ready="/ready")
    work = Work()
    with (
        serving(work, hosts=("a.example",), health=health, graceful_timeout=5) as server,
        RawClient(server.address) as client,
        RawClient(server.address) as busy,
    ):
        for path, method, status in (("/live", "GET", 200), ("/ready", "HEAD", 200), ("/ready", "POST", 405)):
            client.send([get(path, method=method)])
            assert client.read_answer(method).status == status
        client.send([get("/")])
        assert client.read_answer().status == 421
        busy.send([b"GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n"])
        assert eventually(lambda: work.begun)
        client.send([get("/live")])
        assert client.read_answer().body == b"ok\n"
        stop(server, idle=5.0)
        assert eventually(lambda: server.runtime.state.value == "draining")
        client.send([get("/ready")])
        answer = client.read_answer()
        assert (answer.status, answer.body) == (503, b"503 Service Unavailable: stopping\n")
        server.call(work.gate.set)
        assert busy.read_answer().status == 200
        server._thread.join(5)
