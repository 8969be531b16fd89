"""This file is the acceptance site's FastAPI application."""

from collections.abc import AsyncIterator
from urllib.parse import parse_qs

from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import RedirectResponse, StreamingResponse
from pydantic import BaseModel

application = FastAPI()


class Mill(BaseModel):
    """A mill, as JSON."""

    name: str
    wheels: int = 1


@application.get("/mills/{number}")
async def mill(number: int, response: Response) -> Mill:
    response.set_cookie("seen", str(number))
    response.set_cookie("kind", "mill")
    return Mill(name=f"mill {number}")


@application.put("/mills/{number}")
def rename(number: int, mill: Mill) -> Mill:
    return mill


@application.post("/form")
async def form(request: Request) -> dict[str, list[str]]:
    return parse_qs((await request.body()).decode())


@application.get("/long")
async def long() -> list[str]:
    return ["water and wood"] * 200


@application.get("/count")
async def count() -> StreamingResponse:
    async def pieces() -> AsyncIterator[str]:
        for number in range(5):
            yield f"{number}\n"

    return StreamingResponse(pieces(), media_type="text/plain")


@application.get("/leave")
async def leave() -> RedirectResponse:
    return RedirectResponse("/api/mills/1", status_code=307)


@application.get("/fail")
async def fail() -> None:
    raise RuntimeError("meant to fail")


@application.websocket("/echo")
async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect:
        pass
