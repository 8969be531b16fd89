"""A middleware that accepts a WebSocket for itself; those behind it are in tests/flow/test_staged_websockets.py."""

from typing import Any

import pytest

from penstock import Stage
from penstock.pipeline_gateways.staged_middleware import StagedMiddleware
from penstock.testing import ClientWebSocket, WebSocketRefused
from tests.flow.asgi_socket_subject import closed, echo
from tests.flow.test_staged_websockets import Staged, echoing, noted, one_message, talked


def answering(middleware: Any) -> Staged:
    return Staged(Stage.AUTHENTICATE, StagedMiddleware(lambda app: middleware, name="own"))


async def own(scope: Any, receive: Any, send: Any) -> None:
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.accept", "headers": [(b"x-own", b"1")]})
    await echo(scope, receive, send)


def test_it_may_be_the_endpoint_itself() -> None:
    log: list[str] = []

    async def conversation(socket: ClientWebSocket) -> tuple[str, str | None]:
        return await one_message(socket), socket.response_headers.get("x-own")

    found = talked(echoing, conversation, answering(own), *noted(log, Stage.MAP_HANDLER, Stage.END))
    assert (found, log) == (("hello", "1"), ["END"])


def test_a_failure_closes_with_1011(caplog: pytest.LogCaptureFixture) -> None:
    async def failing(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        raise ValueError("meant")

    assert talked(echoing, closed, answering(failing))[0] == 1011
    assert "the middleware own failed in the WebSocket" in caplog.text


def test_one_that_says_nothing_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None: ...

    with pytest.raises(WebSocketRefused) as caught:
        talked(echoing, one_message, answering(silent))
    assert caught.value.response.status == 500
    assert "the middleware own returned without accepting or refusing the WebSocket" in caplog.text


def test_a_sub_protocol_that_was_not_offered_is_refused() -> None:
    async def choosing(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept", "subprotocol": "x"})

    with pytest.raises(WebSocketRefused):
        talked(echoing, one_message, answering(choosing))
