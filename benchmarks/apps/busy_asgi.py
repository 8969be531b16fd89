"""The application of the row of workers: half a millisecond of Python for each answer, so that the load is nothing beside it."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from hello_asgi import GREETING, head, lifespan

Message = MutableMapping[str, Any]


async def busy(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    """Thirteen bytes, after some thinking."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    sum(range(40_000))
    await send(head(len(GREETING)))
    await send({"type": "http.response.body", "body": GREETING})
    return None
