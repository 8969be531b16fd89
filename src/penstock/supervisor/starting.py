"""How a worker of a pool gets ready, and how it is seen off; whoever has no slot is known here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from penstock.errors import ConfigurationError
from penstock.supervisor.generation import Generation
from penstock.supervisor.launching import Launcher
from penstock.supervisor.messages import Advice, Failed
from penstock.supervisor.start_failures import StartFailed, failure_of
from penstock.supervisor.worker_process import WorkerProcess, WorkerState

logger = logging.getLogger("penstock")


class Starting:
    """Starts workers for the pool `name`, and knows those that start or leave (`others`)."""

    def __init__(
        self,
        name: str,
        launcher: Launcher,
        *,
        on_end: Callable[[WorkerProcess], None],
        on_advice: Callable[[WorkerProcess, Advice], None],
    ) -> None:
        self._name = name
        self._launcher = launcher
        self._on_end = on_end
        self._on_advice = on_advice
        self.others: set[WorkerProcess] = set()
        self._all: set[WorkerProcess] = set()
        self._patience: dict[WorkerProcess, asyncio.TimerHandle] = {}

    @property
    def unready(self) -> list[WorkerProcess]:
        """Those that have not got ready yet."""
        return [worker for worker in self.others if worker.state in (WorkerState.STARTING, WorkerState.READY)]

    async def start(
        self,
        slot: int,
        count: int,
        generation: Generation,
        *,
        unavailable: str = "",
        retry_after: int = 0,
        requests: int = 0,
    ) -> WorkerProcess:
        """A worker for one of `count` slots that is ready and does not serve yet. Raises StartFailed.

        `unavailable` makes it a stand-in that answers everything with 503.
        """
        limit = generation.terms(self._name).recycle.start_timeout
        launched = self._launcher.launch(
            self._name, slot, count, generation, unavailable=unavailable, retry_after=retry_after, requests=requests
        )
        try:
            worker = await launched
        except ConfigurationError as error:
            raise StartFailed(str(error), Failed(code=2, problems=tuple(error.problems))) from error
        except OSError as error:
            raise StartFailed(f"a worker of pool {self._name} cannot be started: {error}") from error
        self.adopt(worker)
        self.others.add(worker)
        try:
            async with asyncio.timeout(limit):
                is_ready = await asyncio.shield(worker.ready)
        except TimeoutError:
            worker.kill()
            raise StartFailed(f"{worker} was not ready within {limit:g} s, and is killed") from None
        except asyncio.CancelledError:
            worker.kill()
            raise
        if not is_ready or worker.is_ended:  # it may have ended in the moment in which it got ready
            raise failure_of(worker)
        if not unavailable:
            self.others.discard(worker)
        return worker

    async def start_stand_in(
        self, slot: int, count: int, generation: Generation, *, reason: str, retry_after: int
    ) -> WorkerProcess | None:
        """One that serves, and answers everything with 503; None when not even that can be started."""
        try:
            stand_in = await self.start(slot, count, generation, unavailable=reason, retry_after=retry_after)
        except StartFailed as error:
            logger.critical("nobody answers for pool %s: %s", self._name, error)
            return None
        stand_in.serve()
        return stand_in

    def adopt(self, worker: WorkerProcess) -> None:
        """Hear of what becomes of it."""
        self._all.add(worker)
        worker.on_end = self._notice_end
        worker.on_advice = self._on_advice

    def see_off(self, worker: WorkerProcess, patience: float) -> None:
        """It was told to drain: kill it when it is still there after so many seconds."""
        self.others.add(worker)
        if worker not in self._patience:
            loop = asyncio.get_running_loop()
            self._patience[worker] = loop.call_later(patience, self._lose_patience, worker, patience)

    def forget(self, worker: WorkerProcess) -> None:
        """Wait for it no longer, whatever becomes of it."""
        self._all.discard(worker)
        self.others.discard(worker)
        handle = self._patience.pop(worker, None)
        if handle is not None:
            handle.cancel()

    async def wait_left(self) -> None:
        """Wait until every process has ended that was told to by now, or killed."""
        if leaving := [asyncio.shield(worker.ended) for worker in self.others if worker.state is WorkerState.DRAINING]:
            await asyncio.wait(leaving)

    async def wait_all_ended(self) -> None:
        """Wait until every process has ended; each was told to, or killed."""
        while self._all:
            await asyncio.wait([asyncio.shield(worker.ended) for worker in self._all])

    def _notice_end(self, worker: WorkerProcess) -> None:
        self.forget(worker)
        self._on_end(worker)

    def _lose_patience(self, worker: WorkerProcess, patience: float) -> None:
        logger.error("%s has not ended within %.0f s, and is killed", worker, patience)
        worker.kill()
