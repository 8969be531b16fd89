"""The same conversations behind a native endpoint and behind an ASGI application, for clients that must not see a difference."""

from typing import Any

from penstock import AcceptOptions, Context, WebSocket, WebSocketDisconnect
from tests.wire.echo_application import Message, Receive, Scope, Send, live
from tests.wire.websocket.subject import accepting, echo, echo_in_fragments


class Closed:
    """With which codes and reasons clients have closed, whatever face they met."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, str]] = []

    async def endpoint(self, websocket: WebSocket) -> None:
        try:
            while True:
                await websocket.receive()
        except WebSocketDisconnect as error:
            self.seen.append((error.code, error.reason))


async def close_with_4001(websocket: WebSocket) -> None:
    await websocket.receive()
    await websocket.close(4001, "enough")


async def fail(websocket: WebSocket) -> None:
    await websocket.receive()
    raise ValueError("meant to fail")


def choose(context: Context) -> None:
    """Accepts chat.v2 where it is offered."""
    offered = context.websockets.requested_protocols or ()
    context.accept_websocket(echo, AcceptOptions("chat.v2" if "chat.v2" in offered else None))


def native_routes(closed: Closed) -> dict[str, Any]:
    return {
        "/native/echo": accepting(echo),
        "/native/fragments": accepting(echo_in_fragments),
        "/native/deflate": accepting(echo, compression=True),
        "/native/closed": accepting(closed.endpoint),
        "/native/close": accepting(close_with_4001),
        "/native/fail": accepting(fail),
        "/native/choose": choose,
    }


class AsgiFaces:
    """An ASGI application that does what the native endpoints do, by path."""

    def __init__(self, closed: Closed) -> None:
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await live(receive, send)
            return
        assert scope["type"] == "websocket"
        assert (await receive())["type"] == "websocket.connect"
        path = scope["path"].rpartition("/")[2]
        accept: Message = {"type": "websocket.accept"}
        if path == "choose" and "chat.v2" in scope["subprotocols"]:
            accept["subprotocol"] = "chat.v2"
        await send(accept)
        await self._converse(path, receive, send)

    async def _converse(self, path: str, receive: Receive, send: Send) -> None:
        while (message := await receive())["type"] == "websocket.receive":
            if path == "close":
                await send({"type": "websocket.close", "code": 4001, "reason": "enough"})
                return
            if path == "fail":
                raise ValueError("meant to fail")
            if path != "closed":
                await send({**message, "type": "websocket.send"})
        if path == "closed":
            self._closed.seen.append((message["code"], message["reason"]))
