"""This file is the acceptance site's functions, WebSockets and its module: what Penstock answers by itself."""

import asyncio
import hashlib

from penstock import AcceptOptions, Context, Hooks, HTTPError, Request, Response, Stage, WebSocket, WebSocketDisconnect

events: list[str] = []
gate = asyncio.Event()


class SiteName:
    """A field on every answer, whoever made it."""

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.BEGIN, self._begin)

    def _begin(self, context: Context) -> None:
        context.response.on_sending_headers(self._name)
        if context.request.path == "/reason":
            # Here, outside of the middleware in stages: ASGI has no reason phrases.
            context.response.on_sending_headers(self._give_reason)

    def _give_reason(self, response: Response) -> None:
        response.reason = "Nobody Home"

    def _name(self, response: Response) -> None:
        response.headers["x-site"] = "acceptance"


def hello(name: str) -> str:
    if name == "nobody":
        raise HTTPError(404, "nobody is not here")
    return f"Hello, {name}!"


async def form(request: Request) -> dict[str, object]:
    read = await request.form()
    return {"name": read["name"], "colours": read.get_all("colour")}


async def upload(request: Request) -> dict[str, object]:
    size, digest = 0, hashlib.sha256()
    async for piece in request.stream():
        size += len(piece)
        digest.update(piece)
    return {"size": size, "sha256": digest.hexdigest()}


def cookies(context: Context, request: Request) -> dict[str, str]:
    context.response.set_cookie("first", "1", path="/", httponly=True)
    context.response.set_cookie("second", "2", path="/", samesite="Lax")
    return dict(request.cookies)


def moved() -> Response:
    return Response(b"", status=303, headers={"location": "/hello/there?a=1"})


def nothing() -> Response:
    return Response(b"", status=204)


def fails() -> str:
    raise RuntimeError("meant to fail")


async def stream(context: Context) -> None:
    context.response.headers["content-type"] = "text/plain; charset=utf-8"
    for number in range(5):
        context.response.write(f"{number}\n")
        await context.response.flush()


async def begun(context: Context) -> None:
    """One piece, and the other when somebody has opened the gate."""
    gate.clear()
    context.response.headers["content-type"] = "text/plain"
    context.response.write("one,")
    await context.response.flush()
    await gate.wait()
    context.response.write("two")


def open_gate() -> str:
    gate.set()
    return "open"


async def first_piece(request: Request) -> str:
    async for piece in request.stream():
        return f"{len(piece) > 0}"
    return "none"


async def watching(context: Context) -> None:
    """Until the client has left, or, where nobody notices that, the gate is opened."""
    gate.clear()
    events.append("watching")
    left, opened = asyncio.ensure_future(_notice(context)), asyncio.ensure_future(gate.wait())
    await asyncio.wait((left, opened), return_when=asyncio.FIRST_COMPLETED)
    left.cancel()
    opened.cancel()


async def _notice(context: Context) -> None:
    await context.disconnected
    events.append("noticed")


def tell() -> list[str]:
    return events


async def extras(context: Context) -> str:
    context.response.early_hints({"link": ["</style.css>; rel=preload; as=style"]})
    context.response.trailers({"server-timing": "total;dur=12"})
    return "extras"


def reason() -> Response:
    return Response(b"nobody", status=404, content_type="text/plain")


async def echo(websocket: WebSocket) -> None:
    try:
        while True:
            await websocket.send(await websocket.receive())
    except WebSocketDisconnect as error:
        events.append(f"closed with {error.code}")


def accept_with_fields(context: Context) -> None:
    context.accept_websocket(echo, AcceptOptions(headers={"x-style": "later"}))


async def close_with_4001(websocket: WebSocket) -> None:
    await websocket.receive()
    await websocket.close(4001, "enough")


def refuse() -> Response:
    return Response(b"not today", status=403, headers={"x-refused": "yes"}, content_type="text/plain")
