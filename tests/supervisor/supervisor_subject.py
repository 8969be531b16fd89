"""This file is a supervisor whose workers are no processes, and whose settings are what a test says."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

from msgspec.structs import replace

from penstock.settings import ControlSettings, PoolSettings, RecycleSettings, ServerSettings, Settings
from penstock.supervisor.launching import Launcher
from penstock.supervisor.operator import Operator
from penstock.supervisor.supervisor import Supervisor
from tests.supervisor.pool_subject import PATIENCE, Scripted, ScriptedLauncher

REPORTS = PoolSettings(name="reports", start="always", recycle=RecycleSettings(stagger=0), app_dirs=())


class Supervising:
    """The supervisor. `saved` is what its site file says at this moment, an error for one with mistakes."""

    def __init__(self, settings: Settings, target: str) -> None:
        self.saved: Settings | Exception = settings
        self.settings = settings
        self.supervisor = Supervisor(settings, self._load, target=target)
        self.launcher = ScriptedLauncher()
        self.supervisor.launcher = cast(Launcher, self.launcher)

    def _load(self) -> Settings:
        if isinstance(self.saved, Exception):
            raise self.saved
        return self.saved

    @property
    def operator(self) -> Operator:
        """What is asked of it."""
        return self.supervisor._operator

    def change(self, *, pools: tuple[PoolSettings, ...] | None = None, **server: Any) -> None:
        """Write other settings into the file."""
        changed = replace(self.settings, server=replace(self.settings.server, **server))
        self.saved = changed if pools is None else replace(changed, pools=pools)

    def serving(self, pool: str = "default") -> list[int]:
        """The ids of those that serve."""
        slots = self.supervisor.pools[pool].slots
        return [slot.worker.number for slot in slots if slot.worker is not None and slot.is_serving]

    def worker(self, number: int) -> Scripted:
        """That with this id."""
        return self.launcher.all[number - 1]

    async def wait(self, condition: Callable[[], Any]) -> None:
        """Until it is so."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 (it may be anything)
                await asyncio.sleep(0.005)


@asynccontextmanager
async def a_supervisor(
    *,
    workers: int = 2,
    pools: tuple[PoolSettings, ...] = (),
    script: Callable[[Scripted], None] = Scripted.get_ready,
    target: str = "",
    **server: Any,
) -> AsyncIterator[Supervising]:
    """One that runs until the block ends. `server` are more keys of [server]."""
    with tempfile.TemporaryDirectory(prefix="penstock-test-") as folder:
        said = {
            "listen": ("127.0.0.1:0",),
            "recycle": RecycleSettings(stagger=0),
            "control": ControlSettings(socket=os.path.join(folder, "control.sock")),
            "app_dirs": (),
        }
        subject = Supervising(
            Settings(server=ServerSettings(workers=workers, **{**said, **server}), pools=pools), target
        )
        subject.launcher.script = script
        running = asyncio.create_task(subject.supervisor.run())
        try:
            await subject.wait(lambda: running.done() or subject.supervisor.state != "starting")
            if not running.done():
                yield subject
        finally:
            for worker in subject.launcher.all:
                if worker.is_stubborn:
                    worker.end(0)
            subject.supervisor.stop()
            async with asyncio.timeout(PATIENCE):
                await running
