"""This file is the FastAPI service: water levels, read and written as JSON, and a way into the chat room."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Annotated

from fastapi import BackgroundTasks, FastAPI, HTTPException, Path, Request, WebSocket, WebSocketDisconnect
from fastapi.responses import StreamingResponse
from fastapi_offline import FastAPIOffline
from pydantic import BaseModel, Field

from tour.chat import ROOM


class Level(BaseModel):
    mill: str = Field(min_length=1, max_length=80, examples=["Long Weir"])
    metres: float = Field(ge=0, le=20, examples=[1.23])


class Report(BaseModel):
    id: int
    mill: str
    state: str


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
    """What one worker keeps from its start to its stop; every request finds it as `request.state`."""
    levels = {"Long Weir": 1.2, "Stone Bridge": 1.45, "Upper Sluice": 1.7}
    yield {"levels": levels, "reports": []}


# The documentation page comes with its own script and style sheet, so that it needs no other server.
app = FastAPIOffline(
    title="Water levels",
    description="A FastAPI service mounted at `/api` by the tour's site file.",
    version="1.0",
    docs_url="/docs",
    redoc_url=None,
    lifespan=lifespan,
)


@app.get("/levels", tags=["levels"])
async def every_level(request: Request) -> list[Level]:
    """Every mill and how high the water stands there."""
    return [Level(mill=mill, metres=metres) for mill, metres in request.state.levels.items()]


@app.get("/levels/stream", tags=["levels"])
async def level_stream(request: Request) -> StreamingResponse:
    """Three server-sent events, half a second apart: an answer that is sent while it is made."""
    return StreamingResponse(_events(dict(request.state.levels)), media_type="text/event-stream")


async def _events(levels: dict[str, float]) -> AsyncIterator[str]:
    for mill, metres in list(levels.items())[:3]:
        yield f"event: level\ndata: {mill} {metres:.2f}\n\n"
        await asyncio.sleep(0.5)


@app.get("/levels/{mill}", tags=["levels"])
async def one_level(request: Request, mill: Annotated[str, Path(examples=["Long Weir"])]) -> Level:
    """How high the water stands at one mill."""
    if mill not in request.state.levels:
        raise HTTPException(404, f"no mill is called {mill!r}")
    return Level(mill=mill, metres=request.state.levels[mill])


@app.post("/levels", status_code=201, tags=["levels"])
async def set_level(request: Request, level: Level) -> Level:
    """Note a new level."""
    request.state.levels[level.mill] = level.metres
    return level


@app.post("/reports/{mill}", status_code=202, tags=["reports"])
async def start_report(request: Request, mill: str, background: BackgroundTasks) -> Report:
    """Begin a report that takes two seconds. The answer does not wait for it."""
    report = Report(id=len(request.state.reports) + 1, mill=mill, state="being written")
    request.state.reports.append(report)
    background.add_task(_write, report)
    return report


async def _write(report: Report) -> None:
    await asyncio.sleep(2)
    report.state = "written"


@app.get("/reports", tags=["reports"])
async def every_report(request: Request) -> list[Report]:
    """Every report, and whether it is written yet."""
    return list(request.state.reports)


@app.websocket("/chat")
async def chat(websocket: WebSocket) -> None:
    """The way into the chat room by a FastAPI socket."""
    await websocket.accept()
    with ROOM.enter("FastAPI") as told:
        telling = asyncio.create_task(_pass_on(told, websocket))
        try:
            async for text in websocket.iter_text():
                if (problem := ROOM.hear("FastAPI", text)) is not None:
                    await websocket.send_text(problem)
        except WebSocketDisconnect:
            pass  # they left while they were told something
        finally:
            telling.cancel()


async def _pass_on(told: asyncio.Queue[str], websocket: WebSocket) -> None:
    with suppress(WebSocketDisconnect):
        while True:
            await websocket.send_text(await told.get())
