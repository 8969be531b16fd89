"""One pure ASGI middleware, for a stage of a site or around an application: it copies the scope and adds a header to every answer."""

from collections.abc import Awaitable, Callable, MutableMapping
from importlib import import_module
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def build() -> Application:
    """The application of the bench that greets, behind it."""
    return AddHeader(import_module("hello_asgi").hello)


class AddHeader:
    """Written on raw bytes, so that little of what it costs is its own."""

    def __init__(self, app: Application) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)

        async def add(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-served-by", b"bench")]}
            await send(message)

        return await self.app({**scope}, receive, add)
