"""ASGI applications with WebSockets, and one client that talks to them: the subject of their journeys."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from penstock import WebSocketDisconnect
from penstock.testing import ClientResponse, ClientWebSocket
from tests.pipeline.subject import ask, open_app, run

Scope = dict[str, Any]
Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[..., Awaitable[object]]

ACCEPT: Message = {"type": "websocket.accept"}
CLOSE: Message = {"type": "websocket.close"}
LOST: Message = {"type": "websocket.disconnect", "code": 1006}

HANDSHAKE = {
    "connection": "Upgrade",
    "upgrade": "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
}


def sockets_only(application: Application) -> Application:
    async def asgi(scope: Scope, receive: Receive, send: Send) -> object:
        if scope["type"] != "websocket":
            raise RuntimeError("WebSockets only")
        return await application(scope, receive, send)

    return asgi


def accepting(application: Application) -> Application:
    """An application that is called when it has been asked to connect, and has accepted."""

    async def asgi(scope: Scope, receive: Receive, send: Send) -> object:
        assert await receive() == {"type": "websocket.connect"}
        await send(ACCEPT)
        return await application(scope, receive, send)

    return sockets_only(asgi)


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


def talk(
    application: Application,
    conversation: Callable[[ClientWebSocket], Awaitable[Any]],
    *modules: object,
    loop: str = "asyncio",
    path: str = "/",
    **opening: Any,
) -> Any:
    """What `conversation` returns of one socket of `application`, which has ended then."""

    async def journey() -> Any:
        async with open_app(application, *modules) as client, client.websocket(path, **opening) as socket:
            return await conversation(socket)

    return run(journey, loop)


def refusal_of(application: Application, *modules: object, loop: str = "asyncio", **question: Any) -> ClientResponse:
    """What a handshake is answered with that `application` does not accept."""
    return ask(open_app(application, *modules), headers={**HANDSHAKE, **question}, loop=loop)


async def closed(socket: ClientWebSocket) -> tuple[int, str]:
    """The Close that the server sends, behind its messages."""
    with pytest.raises(WebSocketDisconnect) as raised:
        while True:
            await socket.receive()
    return raised.value.code, raised.value.reason
