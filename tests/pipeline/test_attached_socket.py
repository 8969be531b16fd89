"""Sockets behind middleware in stages, as the pipeline keeps them; their journeys are in tests/flow/test_staged_websockets.py."""

from typing import Any

import pytest

from penstock import Context, Stage, WebSocket
from penstock.pipeline.attached_socket import is_attached
from penstock.testing import WebSocketRefused
from tests.flow.test_staged_websockets import native, noted, one_message, wrapping
from tests.pipeline.subject import open_site, run


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
