"""This file is a pool whose workers are no processes: they get ready, fail, hang and die as a test says."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

from penstock.settings import PoolSettings, RecycleSettings, ServerSettings, Settings
from penstock.supervisor.generation import DEFAULT, Generation
from penstock.supervisor.launching import Launcher
from penstock.supervisor.messages import Beat, Failed, Ready
from penstock.supervisor.slots import Listening
from penstock.supervisor.worker_pool import WorkerPool
from penstock.supervisor.worker_process import WorkerProcess

# Far beyond what anything here takes.
PATIENCE = 10.0


class Scripted(WorkerProcess):
    """A worker without a process. It leaves when it is told to, unless `is_stubborn`."""

    is_stubborn = False
    killed = False
    unavailable = ""

    def get_ready(self) -> None:
        """As if it had started."""
        self._receive(Ready(lines=("  /  ASGI app:app",)))

    def fail(self, text: str) -> None:
        """As if its application had failed in its start."""
        self._receive(Failed(code=3, traceback=text))
        self.end(3)

    def end(self, code: int) -> None:
        """As if its process had ended."""
        if not self.is_ended:
            self.exit_code = code
            self._finish()

    def look(self) -> bool:
        """No process ends."""
        return self.is_ended

    def send_beat(self, **numbers: Any) -> None:
        """As if a second had passed on its loop."""
        self._receive(Beat(**numbers))

    def drain(self, *, leave_waiting: bool, idle: float, reason: str = "") -> None:
        """Leave, in the loop's next turn."""
        super().drain(leave_waiting=leave_waiting, idle=idle, reason=reason)
        if not self.is_stubborn:
            asyncio.get_running_loop().call_soon(self.end, 0)

    def kill(self, number: int = 9) -> None:
        """Leave at once."""
        self.killed = True
        self.end(-number)

    async def take_stacks(self, within: float) -> str:
        """What the log shows of one that is stuck."""
        return 'File "app.py", line 1, in app'


class ScriptedLauncher:
    """Makes `Scripted` workers; `script(worker)` says what becomes of each, at once."""

    def __init__(self) -> None:
        self.all: list[Scripted] = []
        self.script: Callable[[Scripted], None] = Scripted.get_ready
        self.listening: list[Listening] = []
        self.key = "ab" * 32

    @property
    def last_number(self) -> int:
        """The last one that was given to a worker."""
        return len(self.all)

    def sockets(self, pool: str, slot: int, count: int) -> Sequence[Listening]:
        """Those of the test."""
        return self.listening

    async def launch(
        self,
        pool: str,
        slot: int,
        count: int,
        generation: Generation,
        *,
        unavailable: str = "",
        retry_after: int = 0,
        requests: int = 0,
    ) -> WorkerProcess:
        """See `Launcher`."""
        worker = Scripted(
            len(self.all) + 1,
            pool=pool,
            slot=slot,
            generation=generation.number,
            requests=requests,
            is_stand_in=bool(unavailable),
        )
        worker.unavailable = unavailable
        worker.pid = 1000 + worker.number
        self.all.append(worker)
        asyncio.get_running_loop().call_soon(Scripted.get_ready if unavailable else self.script, worker)
        return worker


class Subject:
    """A pool, and the launcher behind it."""

    def __init__(self, *, workers: int, recycle: RecycleSettings, pool: PoolSettings | None = None) -> None:
        server = ServerSettings(workers=workers, recycle=recycle)
        self.settings = Settings(server=server, pools=() if pool is None else (pool,))
        self.launcher = ScriptedLauncher()
        self.generation = Generation(1, self.settings)
        name = DEFAULT if pool is None else pool.name
        self.pool = WorkerPool(name, self.generation, cast(Launcher, self.launcher))

    @property
    def serving(self) -> list[int]:
        """The ids of those that have a slot and serve."""
        return [slot.worker.number for slot in self.pool.slots if slot.worker is not None and slot.is_serving]

    def worker(self, number: int) -> Scripted:
        """That with this id."""
        return self.launcher.all[number - 1]

    async def wait(self, condition: Callable[[], Any]) -> None:
        """Until it is so."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 (it may be anything)
                await asyncio.sleep(0.005)


@asynccontextmanager
async def a_pool(
    *,
    workers: int = 2,
    start: bool = True,
    recycle: RecycleSettings = RecycleSettings(stagger=0),  # noqa: B008 (frozen)
    pool: PoolSettings | None = None,
) -> AsyncIterator[Subject]:
    """A pool that has started, until the block ends."""
    subject = Subject(workers=workers, recycle=recycle, pool=pool)
    if start:
        await subject.pool.start()
    try:
        yield subject
    finally:
        for worker in subject.launcher.all:
            worker.is_stubborn = False
        async with asyncio.timeout(PATIENCE):
            await subject.pool.stop(0.0)
