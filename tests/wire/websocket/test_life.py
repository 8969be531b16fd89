"""The life of many sockets at once: opened, killed in every way, stopped; nothing is left of them (websockets T-17, O-9, O-10)."""

import asyncio
import gc
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from penstock import AcceptLost, Context, WebSocket, WebSocketDisconnect
from penstock.settings import LocationSettings
from penstock.settings.websocket_model import WebSocketSettings
from tests.wire.listener_subject import eventually, server_settings
from tests.wire.websocket.frames_client import CLOSE, TEXT, FramesClient, close_frame, frame, handshake
from tests.wire.websocket.subject import SocketServer, accepting, echo, serving

# One process holds both ends.
COUNT = min(1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 - 100)
LOOPS = ("asyncio", "uvloop")


def count_descriptors() -> int:
    gc.collect()
    return len(os.listdir("/dev/fd"))


def tasks_of(server: SocketServer) -> int:
    """The tasks on the server's loop that belong to requests and sockets."""
    return int(
        server.thread.call(
            lambda: len([task for task in asyncio.all_tasks() if task.get_name().startswith("penstock-websocket")])
        )
    )


@contextmanager
def opened(server: SocketServer, count: int, target: str = "/echo") -> Iterator[list[FramesClient]]:
    clients: list[FramesClient] = []
    try:
        for _ in range(count):
            clients.append(server.connect())
            clients[-1].open(target)
        yield clients
    finally:
        for client in clients:
            client.close()


@pytest.mark.parametrize("loop", LOOPS)
def test_websockets_t17_a_thousand_sockets_half_of_them_killed_then_the_server_stops(loop: Any) -> None:
    with serving(server=server_settings(loop=loop)):
        pass  # what a loop opens once, and keeps
    before = count_descriptors()
    with serving(server=server_settings(loop=loop)) as server, opened(server, COUNT) as clients:
        runtime = server.thread.runtime
        assert eventually(lambda: server.open_count() == COUNT)
        for number, client in enumerate(clients[: COUNT // 2]):
            kill(client, number)
        assert eventually(lambda: server.open_count() == COUNT - COUNT // 2, seconds=10)
        assert eventually(lambda: tasks_of(server) == COUNT - COUNT // 2)
        for client in clients[-3:]:
            client.echo()
        host = server.thread.server._host
        server.thread.stop()
        # Each that is left is told 1001, and its connection ends.
        for client in clients[COUNT // 2 :]:
            client.seconds = 15
            found = client.read_frame()
            assert found is not None
            assert (found.opcode, found.payload[:2]) == (CLOSE, (1001).to_bytes(2, "big"))
            client.send([close_frame(1001)])
            assert client.read_frame() is None
        server.thread._thread.join(10)
        assert host is not None
        assert not host._service.connections
        assert not host._service.sockets
        counted = runtime.sockets.statistics()
        assert (counted.total, counted.executing) == (COUNT, 0)
        assert counted.succeeded + counted.failed == COUNT
        assert counted.failed <= COUNT // 2
        assert runtime.statistics().executing == 0
    assert eventually(lambda: count_descriptors() <= before), (count_descriptors(), before)


def kill(client: FramesClient, number: int) -> None:
    """End a connection in one of six ways."""
    ways: list[Callable[[], object]] = [
        client.reset,
        client.close,
        client.leave,
        client.send_end,
        lambda: client.send([frame(TEXT, b"half a message", fin=False)[:9]]),
        lambda: client.send([frame(3)]),
    ]
    ways[number % len(ways)]()
    client.close()


class Phases:
    """Endpoints that can be held in every phase of their life, until the gate opens."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.told: list[str] = []

    async def before_accept(self, context: Context) -> None:
        await self.gate.wait()
        context.accept_websocket(echo)

    async def inline(self, context: Context) -> None:
        await self.gate.wait()
        try:
            await self.note(await context.websockets.accept())
        except AcceptLost:
            self.told.append("AcceptLost")
            raise

    async def note(self, websocket: WebSocket) -> None:
        try:
            while True:
                await websocket.receive()
        except (WebSocketDisconnect, OSError) as error:
            self.told.append(type(error).__name__)

    async def held_endpoint(self, websocket: WebSocket) -> None:
        await self.gate.wait()
        await self.note(websocket)

    async def sending(self, websocket: WebSocket) -> None:
        while True:
            await websocket.send(b"x" * 60_000)

    async def closing(self, websocket: WebSocket) -> None:
        await websocket.close(4000, "bye")


@pytest.fixture
def phases() -> Phases:
    return Phases()


def routes(phases: Phases) -> dict[str, Callable[..., object]]:
    return {
        "/echo": accepting(echo),
        "/before-accept": phases.before_accept,
        "/inline": phases.inline,
        "/held": accepting(phases.held_endpoint),
        "/sending": accepting(phases.sending),
        "/closing": accepting(phases.closing),
    }


@pytest.mark.parametrize("target", ["/before-accept", "/inline", "/held", "/sending", "/closing"])
@pytest.mark.parametrize("is_reset", [True, False], ids=["reset", "closed"])
def test_websockets_o12_a_client_that_leaves_in_any_phase(phases: Phases, target: str, is_reset: bool) -> None:
    with serving(routes(phases)) as server:
        for _ in range(10):
            client = server.connect()
            client.send([handshake(target)])
            server.take_turn()
            (client.reset if is_reset else client.close)()
        server.take_turn()
        server.thread.call(phases.gate.set)
        assert eventually(lambda: server.open_count() == 0)
        assert eventually(lambda: server.thread.runtime.statistics().executing == 0)
        with server.connect() as client:
            client.open("/echo")
            client.echo()
            client.leave()


@pytest.mark.parametrize("target", ["/before-accept", "/inline", "/held", "/sending", "/closing", "/echo"])
def test_websockets_py12_the_server_stops_in_any_phase(phases: Phases, target: str) -> None:
    with serving(routes(phases)) as server:
        runtime = server.thread.runtime
        clients = [server.connect() for _ in range(5)]
        for client in clients:
            client.send([handshake(target)])
        server.take_turn()
        server.thread.stop()
        server.thread._thread.join(15)
        assert not server.thread._thread.is_alive()
        assert runtime.sockets.statistics().executing == 0
        assert runtime.statistics().executing == 0
        for client in clients:
            client.close()


def test_websockets_cw08_a_client_may_have_so_many_sockets_and_gets_its_places_back() -> None:
    rules = LocationSettings(at="/", websockets=WebSocketSettings(per_client=2))
    with serving({"/echo": accepting(echo), "/veto": veto}, locations=(rules,)) as server:
        for _ in range(3):
            with server.connect() as client:
                client.send([handshake("/veto")])
                assert client.read_answer().status == 409
        with opened(server, 2) as clients:
            with server.connect() as third:
                third.send([handshake("/echo")])
                answer = third.read_answer()
                assert answer.status == 429
                assert answer.find(b"retry-after") is not None
            clients[0].leave()
            assert eventually(lambda: server.open_count() == 1)
            with server.connect() as third:
                third.open("/echo")
                third.leave()


def veto(context: Context) -> None:
    context.accept_websocket(echo)
    context.response.status = 409


def test_websockets_o10_close_abort_and_loss_at_once_are_one_end(phases: Phases) -> None:
    ended: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        closing = [asyncio.ensure_future(websocket.close(4000 + number)) for number in range(3)]
        await websocket.receive()
        websocket.abort()
        await asyncio.gather(*closing, return_exceptions=True)
        ended.append("once")

    with serving({"/race": accepting(endpoint)}) as server:
        for number in range(30):
            client = server.connect()
            client.open("/race")
            client.send([frame(TEXT, b"go")])
            (client.reset if number % 2 else client.close)()
        assert eventually(lambda: len(ended) + server.thread.runtime.sockets.statistics().failed >= 30)
        assert eventually(lambda: server.open_count() == 0)
