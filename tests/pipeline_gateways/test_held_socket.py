"""A middleware that accepts a WebSocket for itself; those behind it are in tests/flow/test_staged_websockets.py."""

from typing import Any

import pytest

from penstock import Stage
from penstock.pipeline_gateways.staged_middleware import StagedMiddleware
from penstock.server import open_client
from penstock.settings import (
    AppSettings,
    LimitSettings,
    LocationSettings,
    MiddlewareSettings,
    ServerSettings,
    SiteSettings,
    WebSocketSettings,
)
from penstock.testing import ClientWebSocket, WebSocketRefused
from tests.flow.asgi_socket_subject import closed, echo
from tests.flow.test_staged_websockets import Staged, echoing, noted, one_message, talked
from tests.pipeline.subject import run, settle


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


class Own:
    """A middleware that accepts every socket itself, until it is told to let go."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await own(scope, receive, send)
        else:
            await self.app(scope, receive, send)


@pytest.mark.parametrize(("limits", "status"), [({"sockets": 1}, 503), ({"per_client": 1}, 429)])
def test_websockets_dv8_what_it_accepts_itself_takes_a_place(limits: dict[str, int], status: int) -> None:
    rules = WebSocketSettings(per_client=limits.get("per_client", 0))
    site = SiteSettings(
        middleware=(MiddlewareSettings(use="the:Own", stage="authenticate"),),
        locations=(LocationSettings(at="/", websockets=rules),),
    )
    server = ServerSettings(limits=LimitSettings(sockets=limits.get("sockets", 10)))

    async def journey() -> None:
        async with open_client(site, server=server, objects={"the:Own": Own}) as client:
            for _ in range(2):  # what the first has given back is there for the second
                async with client.websocket("/") as socket:
                    with pytest.raises(WebSocketRefused) as caught:
                        await client.websocket("/").__aenter__()
                    assert caught.value.response.status == status
                    await socket.send("hello")
                    assert await socket.receive() == "hello"
                await settle()
            assert client.runtime.sockets.statistics().executing == 0

    run(journey)


def test_what_is_accepted_behind_it_takes_one_place() -> None:
    settings = SiteSettings(
        middleware=(MiddlewareSettings(use="the:Passing"),),
        apps=(AppSettings(at="/", asgi="the:echoing"),),
        locations=(LocationSettings(at="/", websockets=WebSocketSettings(per_client=1)),),
    )
    objects = {"the:Passing": Passing, "the:echoing": echoing}

    async def journey() -> str:
        async with open_client(settings, objects=objects) as client, client.websocket("/") as socket:
            return await one_message(socket)

    assert run(journey) == "hello"


class Passing:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self.app(scope, receive, send)
