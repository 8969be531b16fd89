"""This file is a supervisor that there is none of: it remembers what it was asked, and tells of two pools and three workers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec.structs import replace

from penstock.settings import AppSettings, ModuleSettings, PoolSettings, ServerSettings, Settings, SiteSettings
from penstock.supervisor.control_model import (
    Change,
    Changes,
    PoolOutcome,
    PoolStatus,
    ReloadOutcome,
    RequestStatus,
    ServerStatus,
    WorkerStatus,
)
from penstock.supervisor.control_server import ControlServer

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def worker(number: int, pool: str = "default", slot: int = 0) -> WorkerStatus:
    """A worker that serves."""
    return WorkerStatus(
        id=number,
        slot=slot,
        pool=pool,
        generation=1,
        pid=4700 + number,
        state="serving",
        since=NOON,
        uptime=3725.0,
        requests=1200 * number,
        inside=number,
        connections=2 * number,
        rss=52_428_800,
        lag=0.0004,
        last_beat=0.4,
    )


class Subject:
    """A `Controlled`. What it was told is in `calls`; `failure`, when set, is what every call raises."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.failure: Exception | None = None
        self.outcome = "replaced"
        self.pools = [
            PoolStatus(
                name="default", state="running", generation=1, workers=2, serving=2, recycles={"RequestLimit": 3}
            ),
            PoolStatus(
                name="reports", state="off", generation=1, workers=1, serving=0, reason="5 crashes", retry_after=4.5
            ),
        ]
        self.workers = [worker(1), worker(2, slot=1), worker(3, pool="reports")]
        self.told = asyncio.Event()
        self.held: asyncio.Event | None = None
        self.settings = Settings(
            server=ServerSettings(),
            pools=(PoolSettings(name="reports", environment={"DATABASE_URL": "postgres://shop:hunter2@db/shop"}),),
            sites=(
                SiteSettings(
                    apps=(AppSettings(at="/", asgi="shop:app"),),
                    modules=(ModuleSettings(use="shop:Keys", settings={"api_key": "hunter2", "colour": "red"}),),
                ),
            ),
        )

    def status(self) -> ServerStatus:
        return ServerStatus(
            version="0.1.0",
            pid=4700,
            started=NOON,
            uptime=3725.0,
            state="running",
            site_file="/srv/shop/penstock.toml",
            generation=1,
            addresses=("http://127.0.0.1:8000",),
            rss=30_000_000,
            pools=tuple(self.pools),
            workers=tuple(self.workers),
            recycles={"RequestLimit": 3},
        )

    async def reload(self, *, wait: bool) -> ReloadOutcome:
        await self._tell("reload", wait)
        return ReloadOutcome(generation=2, changed=await self._changes(), pools=self._outcomes("default", wait=wait))

    async def diff(self) -> Changes:
        await self._tell("diff")
        return await self._changes()

    async def recycle(
        self, *, pool: str | None, worker: int | None, reason: str, wait: bool
    ) -> tuple[PoolOutcome, ...]:
        await self._tell("recycle", pool, worker, reason, wait)
        return self._outcomes(pool or "default", wait=wait)

    async def scale(self, pool: str, workers: int) -> PoolStatus:
        await self._tell("scale", pool, workers)
        return replace(self._pool(pool), workers=workers)

    async def drain(self, pool: str) -> PoolStatus:
        await self._tell("drain", pool)
        return replace(self._pool(pool), state="drained", serving=0)

    async def resume(self, pool: str) -> PoolStatus:
        await self._tell("resume", pool)
        return self._pool(pool)

    async def requests(self, pool: str | None) -> tuple[RequestStatus, ...]:
        await self._tell("requests", pool)
        inside = RequestStatus(
            worker=1,
            pid=4701,
            pool="default",
            method="GET",
            path="/slow\x1b[2J",
            client="192.0.2.7",
            stage="EXECUTE",
            age=2.5,
            trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
        )
        return (inside,) if pool in (None, "default") else ()

    async def stacks(self, worker: int) -> str:
        await self._tell("stacks", worker)
        return f"thread of worker {worker}\n  in sleep \ud800\n"

    async def upgrade(self) -> None:
        await self._tell("upgrade")

    def stop(self) -> None:
        self.calls.append(("stop",))

    def reopen_logs(self) -> None:
        self.calls.append(("reopen_logs",))

    async def _tell(self, *call: object) -> None:
        self.calls.append(call)
        self.told.set()
        if self.held is not None:
            await self.held.wait()
        if self.failure is not None:
            raise self.failure

    async def _changes(self) -> Changes:
        change = Change(where="server.limits.body", before="30000000", after="1000")
        return Changes(changes=(change,), pools=("default",), needs_restart=("server.listen: from :80 to :81",))

    def _outcomes(self, pool: str, *, wait: bool) -> tuple[PoolOutcome, ...]:
        if self.outcome == "failed":
            return (PoolOutcome(pool=pool, outcome="failed", error="Traceback: boom\n"),)
        return (PoolOutcome(pool=pool, outcome="replaced" if wait else "under_way", workers=(1, 2)),)

    def _pool(self, name: str) -> PoolStatus:
        return next(each for each in self.pools if each.name == name)


@asynccontextmanager
async def control_of(subject: Subject, folder: Path) -> AsyncIterator[ControlServer]:
    """A control socket of `subject` below `folder`, for as long as the block lasts."""
    server = ControlServer(subject, str(folder / "control.sock"))
    await server.open()
    try:
        yield server
    finally:
        await server.close()
