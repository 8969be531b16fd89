"""WebSockets of applications in pools: handshakes, messages and ends, as they are in process."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from penstock.http.websocket_handshake import accept_value
from penstock.server.thread import ServerThread
from penstock.settings import LocationSettings, WebSocketSettings
from tests.request_handlers.pool_subject import REFERENCE, Pooled, pooled, settings_for
from tests.request_handlers.test_pool_handler import Scripted, read_head, read_until
from tests.wire.raw_client import RawClient


async def talk(scope: Any, receive: Any, send: Any) -> None:
    """Tell the scope, then echo; paths say what else."""
    if scope["type"] == "lifespan":
        return
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b"no socket"})
        return
    assert (await receive())["type"] == "websocket.connect"
    if scope["path"] == "/denied":
        await send({"type": "websocket.close"})
        return
    chosen = scope["subprotocols"][-1] if scope["subprotocols"] else None
    await send({"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-own", b"1")]})
    if scope["path"] == "/broken":
        raise RuntimeError("broken")
    scope.pop("extensions")
    await send({"type": "websocket.send", "text": repr(scope)})
    while True:
        message = await receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("text") == "bye":
            await send({"type": "websocket.close", "code": 4001, "reason": "as you wish"})
            return
        await send({"type": "websocket.send", "bytes": message.get("bytes"), "text": message.get("text")})


KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
HANDSHAKE = (
    b"GET /x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %b\r\n\r\n" % KEY
)
RULES = WebSocketSettings(origins=("https://good.example",), max_message=100_000, compression=True)
SETTINGS = settings_for(locations=(LocationSettings(at="/", websockets=RULES),))


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pooled]:
    with pooled(talk, tmp_path_factory.mktemp("pool"), SETTINGS) as subject:
        yield subject


@contextmanager
def talking(server: ServerThread, path: str = "/chat", **keys: Any) -> Iterator[ClientConnection]:
    host, port = server.address
    with connect(f"ws://{host}:{port}{path}", open_timeout=5, close_timeout=5, **keys) as websocket:
        yield websocket


def test_pipeline_w01_the_application_sees_the_handshake_of_the_client(subject: Pooled) -> None:
    """Keys differ, and so do ports; all else is the same as in process."""
    told = []
    in_process = replace(SETTINGS, sites=tuple([_without_pools(site) for site in SETTINGS.sites]), pools=())
    with ServerThread(in_process, objects={REFERENCE: talk}) as inside:
        for server in (inside, subject.front):
            with talking(server, "/a?b", subprotocols=[Subprotocol("v1"), Subprotocol("v2")]) as websocket:
                assert websocket.subprotocol == "v2"
                assert websocket.response is not None
                assert websocket.response.headers["x-own"] == "1"
                ours = websocket.local_address[1]
                sent = websocket.request.headers["Sec-WebSocket-Key"] if websocket.request else ""
                text = websocket.recv(5)
                assert isinstance(text, str)
                told.append(
                    text.replace(sent, "KEY").replace(str(ours), "CLIENT").replace(str(server.address[1]), "SERVER")
                )
    assert told[0] == told[1]
    assert "'type': 'websocket'" in told[1]


def _without_pools(site: Any) -> Any:
    return replace(site, apps=tuple([replace(app, pool="") for app in site.apps]))


def test_messages_of_every_kind_come_and_go_compressed_or_not(subject: Pooled) -> None:
    for compression in ("deflate", None):
        with talking(subject.front, compression=compression) as websocket:
            websocket.recv(5)
            for message in ("", "Käse", b"", b"\0\xff", "x" * 90_000):
                websocket.send(message)
                assert websocket.recv(5) == message


def test_ends_pass_both_ways(subject: Pooled) -> None:
    with talking(subject.front) as websocket:
        websocket.recv(5)
        websocket.send("bye")
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(5)
        assert closed.value.rcvd is not None
        assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4001, "as you wish")
    with talking(subject.front, "/broken") as websocket, pytest.raises(ConnectionClosed) as closed:
        websocket.recv(5)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1011


def test_what_is_refused_is_refused(subject: Pooled) -> None:
    with pytest.raises(InvalidStatus) as refused, talking(subject.front, "/denied"):
        pass
    assert refused.value.response.status_code == 403
    with pytest.raises(InvalidStatus) as refused, talking(subject.front, origin="https://evil.example"):
        pass
    assert refused.value.response.status_code == 403


def test_a_message_that_is_too_long_for_the_location_closes_with_1009(subject: Pooled) -> None:
    with talking(subject.front) as websocket:
        websocket.recv(5)
        websocket.send(b"x" * 200_000)
        with pytest.raises(ConnectionClosed) as closed:
            websocket.recv(5)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def test_pipeline_w01_a_worker_that_dies_closes_its_sockets_with_1014(tmp_path: Path) -> None:
    with Scripted(tmp_path) as script, RawClient(script.front.address) as client:
        client.send([HANDSHAKE])
        with script.accepted() as worker:
            head = read_head(worker)
            assert b"sec-websocket-key: " + KEY in head
            worker.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
                b"sec-websocket-accept: %b\r\n\r\n" % accept_value(KEY)
            )
            assert client.read_answer().status == 101
        read_until(client, b"\x88\x02" + (1014).to_bytes(2, "big"))


def test_pipeline_w01_a_worker_that_dies_in_a_handshake_is_a_502(tmp_path: Path) -> None:
    with Scripted(tmp_path) as script, RawClient(script.front.address) as client:
        client.send([HANDSHAKE])
        with script.accepted() as worker:
            read_head(worker)
        assert client.read_answer().status == 502
