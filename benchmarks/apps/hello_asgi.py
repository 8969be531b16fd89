"""The ASGI applications of the bench: each does as little as its case needs."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

GREETING = b"Hello, world!"
LARGE = b"0123456789abcdef" * 640
PLAIN = (b"content-type", b"text/plain; charset=utf-8")
EVENT = b'event: tick\ndata: {"text": "Hello, world!"}\n\n'
ROOM: list[Send] = []  # everybody who hears what is broadcast


def head(length: int) -> Message:
    headers = [PLAIN, (b"content-length", b"%d" % length)]
    return {"type": "http.response.start", "status": 200, "headers": headers}


async def lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Thirteen bytes."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    await send(head(len(GREETING)))
    await send({"type": "http.response.body", "body": GREETING})
    return None


async def large(scope: Scope, receive: Receive, send: Send) -> None:
    """Ten kilobytes."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    await send(head(len(LARGE)))
    await send({"type": "http.response.body", "body": LARGE})
    return None


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """What was sent, back again."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    pieces = []
    more = True
    while more:
        message = await receive()
        pieces.append(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"".join(pieces)
    await send(head(len(body)))
    await send({"type": "http.response.body", "body": body})
    return None


async def upload(scope: Scope, receive: Receive, send: Send) -> None:
    """How many bytes were sent; none of them is kept."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    size = 0
    more = True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    body = b"%d" % size
    await send(head(len(body)))
    await send({"type": "http.response.body", "body": body})
    return None


async def wait_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def events(scope: Scope, receive: Receive, send: Send) -> None:
    """Server-sent events, as many as the client takes, until it leaves; the loop has its turn after each."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    gone = asyncio.ensure_future(wait_disconnect(receive))
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    try:
        while not gone.done():
            await send({"type": "http.response.body", "body": EVENT, "more_body": True})
            await asyncio.sleep(0)
    except OSError:
        pass  # the ASGI specification: sending to a client that has left may raise this
    finally:
        gone.cancel()
    return None


async def echo_messages(scope: Scope, receive: Receive, send: Send) -> None:
    """A WebSocket: every message, back again."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        if (data := message.get("bytes")) is not None:
            await send({"type": "websocket.send", "bytes": data})
        else:
            await send({"type": "websocket.send", "text": message["text"]})
    return None


async def broadcast(scope: Scope, receive: Receive, send: Send) -> None:
    """A WebSocket: every text goes to everybody, one after the other, in the order in which they came."""
    if scope["type"] == "lifespan":
        return await lifespan(receive, send)
    await receive()
    await send({"type": "websocket.accept"})
    ROOM.append(send)
    try:
        while (message := await receive())["type"] == "websocket.receive":
            for each in ROOM:
                await each({"type": "websocket.send", "text": message["text"]})
    except OSError:
        pass  # somebody has left meanwhile
    finally:
        ROOM.remove(send)
    return None
