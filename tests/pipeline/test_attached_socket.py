"""Sockets behind middleware in stages, as the pipeline keeps them; their journeys are in tests/flow/test_staged_websockets.py."""

import asyncio
from typing import Any, cast

import pytest

from penstock import Context, Stage, WebSocket
from penstock.pipeline.attached_socket import end_outside, is_attached
from penstock.request_sockets.upgrade import Upgrade
from penstock.testing import WebSocketRefused
from tests.flow.test_staged_websockets import native, noted, one_message, wrapping
from tests.pipeline.subject import open_site, run, settle


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


class Halted:
    """A socket whose end nobody waits for long enough."""

    def __init__(self, *, halts: str) -> None:
        self.halts = halts
        self.context: Any = self
        self.did: list[str] = []

    async def finish(self, code: int, reason: str, seconds: float) -> None:
        await self.wait(f"finish {code}")

    async def abort_async(self) -> None:
        await self.wait("abort")

    async def wait(self, what: str) -> None:
        self.did.append(what)
        if what.startswith(self.halts):
            await asyncio.Event().wait()

    def abort(self) -> None:
        self.did.append("drop")

    def dispose(self) -> None:
        self.did.append("dispose")


class Counting:
    """The registry of open sockets, and the runtime and the context that lead to it."""

    def __init__(self) -> None:
        self.runtime = self.sockets = self
        self.did: list[str] = []

    def remove(self, socket: object, *, succeeded: bool) -> None:
        self.did.append(f"remove {succeeded}")

    def complete(self) -> None:
        self.did.append("complete")


def ending(socket: Halted, failure: BaseException | None = None) -> tuple[Counting, Upgrade, Any]:
    counting: Any = Counting()
    upgrade = Upgrade(cast("Any", None), cast("Any", None))
    upgrade.socket = cast("Any", socket)
    upgrade.release_place = lambda: counting.did.append("place")
    return counting, upgrade, end_outside(counting, upgrade, failure, is_registered=True)


@pytest.mark.parametrize("halts", ["finish", "abort"])
def test_websockets_py11_a_socket_is_counted_out_when_the_wait_for_its_end_is_cancelled(halts: str) -> None:
    socket = Halted(halts=halts)
    counting, upgrade, end = ending(socket)

    async def journey() -> None:
        task = asyncio.ensure_future(end)
        await settle()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(journey)
    assert counting.did == ["remove True", "place", "complete"]
    assert socket.did == ["finish 1000", "dispose", "abort"]
    assert upgrade.socket is None


def test_nothing_is_waited_for_when_the_coroutine_is_closed() -> None:
    socket = Halted(halts="finish")
    counting, _, end = ending(socket, GeneratorExit())
    with pytest.raises(StopIteration):
        end.send(None)
    assert (counting.did, socket.did) == (["remove False", "place", "complete"], ["drop", "dispose"])
