"""Sockets behind middleware in stages, as the pipeline keeps them; their journeys are in tests/flow/test_staged_websockets.py."""

import asyncio
from typing import Any

import pytest

from penstock import Context, Stage, WebSocket
from penstock.http.websocket_handshake import Handshake
from penstock.pipeline.attached_socket import end_outside, is_attached
from penstock.request_sockets.options import SocketRules
from penstock.request_sockets.upgrade import Upgrade
from penstock.testing import WebSocketRefused
from tests.flow.test_staged_websockets import native, noted, one_message, wrapping
from tests.pipeline.subject import open_site, run, settle
from tests.request_sockets.fake_transport import FakeTransport, open_socket


def test_websockets_7_4_one_is_attached_while_middleware_waits_for_it() -> None:
    found: list[bool] = []

    def handler(context: Context) -> None:
        async def endpoint(socket: WebSocket) -> None:
            found.append(is_attached(context))
            await socket.send(str(await socket.receive()))

        found.append(is_attached(context))
        context.accept_websocket(endpoint)

    async def journey() -> str:
        async with open_site(wrapping([], "a"), function=handler) as client, client.websocket("/") as socket:
            return await one_message(socket)

    assert run(journey) == "a(hello)"
    assert found == [False, True]


def test_what_is_deferred_is_closed_at_the_end_of_the_request() -> None:
    log: list[str] = []

    def handler(context: Context) -> None:
        async def endpoint(socket: WebSocket) -> None:
            await socket.send(str(await socket.receive()))
            log.append("endpoint ends")

        context.defer(lambda: log.append("deferred"))
        context.accept_websocket(endpoint)

    async def journey() -> Any:
        site = open_site(native(log), *noted(log, Stage.END), function=handler)
        async with site as client, client.websocket("/") as socket:
            return await one_message(socket)

    run(journey)
    assert log == ["native>", "endpoint ends", "native<", "END", "deferred"]


def test_websockets_dv22_a_101_without_an_accept_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    def handler(context: Context) -> None:
        context.response.status = 101

    async def journey() -> None:
        async with open_site(wrapping([], "a"), function=handler) as client, client.websocket("/"):
            pass

    with pytest.raises(WebSocketRefused) as caught:
        run(journey)
    assert caught.value.response.status == 500


class Counting:
    """The registry of open sockets, and the runtime and the context that lead to it."""

    def __init__(self) -> None:
        self.runtime = self.sockets = self
        self.did: list[str] = []

    def remove(self, socket: object, *, succeeded: bool) -> None:
        self.did.append(f"remove {succeeded}")

    def complete(self) -> None:
        self.did.append("complete")


def ending(failure: BaseException | None = None) -> tuple[list[str], Upgrade, FakeTransport, Any]:
    """What was counted, the upgrade, what was done to the connection, and the coroutine that ends it."""
    socket, transport = open_socket()
    counting: Any = Counting()
    upgrade = Upgrade(Handshake(b"key", (), origin=None, extensions=()), SocketRules())
    upgrade.socket = socket
    upgrade.release_place = lambda: counting.did.append("place")
    return counting.did, upgrade, transport, end_outside(counting, upgrade, failure, is_registered=True)


def test_websockets_py11_a_socket_is_counted_out_when_the_wait_for_its_close_is_cancelled() -> None:
    async def journey() -> None:
        did, upgrade, transport, end = ending()
        task = asyncio.ensure_future(end)
        await settle()
        assert (did, len(transport.closes)) == ([], 1)
        transport.loses = "at once"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert did == ["remove True", "place", "complete"]
        assert upgrade.socket is None

    run(journey)


def test_nothing_is_waited_for_when_the_coroutine_is_closed() -> None:
    async def journey() -> None:
        did, _, transport, end = ending(GeneratorExit())
        with pytest.raises(StopIteration):
            end.send(None)
        assert did == ["remove False", "place", "complete"]
        assert transport.log == ["abort"]

    run(journey)
