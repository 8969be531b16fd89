"""Middleware in stages over real sockets: requests kept alive, and WebSockets with a client of somebody else's."""

import asyncio
import http.client
from typing import Any

import websockets

from penstock.server import ServerThread
from penstock.settings import AppSettings, MiddlewareSettings, SiteSettings


class Marking:
    """Marks texts, and heads."""

    def __init__(self, app: Any, name: str) -> None:
        self.app, self.name = app, name

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def wrapped(message: Any) -> None:
            if message.get("text"):
                message = {**message, "text": f"{self.name}({message['text']})"}
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (self.name.encode(), b"1")]}
            await send(message)

        await self.app(scope, receive, wrapped)


async def application(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        body = b""
        while (message := await receive())["more_body"]:
            body += message["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body + message["body"]})
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({**message, "type": "websocket.send"})
    else:
        raise RuntimeError("no lifespan")


OBJECTS: dict[str, object] = {"m:Marking": Marking, "m:app": application}
SITE = SiteSettings(
    middleware=(
        MiddlewareSettings(use="m:Marking", stage="authenticate", settings={"name": "a"}),
        MiddlewareSettings(use="m:Marking", name="second", settings={"name": "b"}),
    ),
    apps=(AppSettings(at="/", asgi="m:app"),),
)


def test_requests_of_one_connection() -> None:
    with ServerThread(SITE, objects=OBJECTS) as server:
        connection = http.client.HTTPConnection(*server.address, timeout=10)
        for size in (0, 5, 300_000, 1):
            connection.request("POST", "/", body=b"x" * size)
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (200, b"x" * size)
            assert (answer.headers["a"], answer.headers["b"]) == ("1", "1")
        connection.close()


def test_middleware_15_8_messages_of_a_websocket_pass_both_ways() -> None:
    async def talk(url: str) -> None:
        async with websockets.connect(f"{url}/x") as socket:
            for number in range(5):
                await socket.send(f"hello {number}")
                assert await socket.recv() == f"a(b(hello {number}))"
            await socket.send(b"x" * 300_000)
            assert len(await socket.recv()) == 300_000

    async def journey(url: str) -> None:
        async with asyncio.timeout(20):
            await asyncio.gather(*[talk(url) for _ in range(5)])

    with ServerThread(SITE, objects=OBJECTS) as server:
        asyncio.run(journey(server.url.replace("http", "ws")))
