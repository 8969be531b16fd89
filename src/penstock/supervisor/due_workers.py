"""DueWorkers: which workers of a pool are to be replaced, and their turn: one after the other (pipeline W-02, W-04)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from penstock.supervisor.control_model import ControlRefused
from penstock.supervisor.recycling import Reason, WorkerAge
from penstock.supervisor.slot import Slot
from penstock.supervisor.worker_process import WorkerProcess, WorkerState

if TYPE_CHECKING:
    from penstock.supervisor.worker_pool import WorkerPool

logger = logging.getLogger("penstock")

# Seconds between a start that failed and the next try.
_PAUSE: Final = 0.5
# Seconds for the stacks of a worker that is stuck.
_FOR_STACKS: Final = 2.0


class DueWorkers:
    """Those of `pool` that wait for their successors."""

    def __init__(self, pool: WorkerPool) -> None:
        self._pool = pool
        self._due: dict[int, str] = {}
        self._replacing: asyncio.Task[None] | None = None

    def ask(self, worker: WorkerProcess, reason: str, text: str) -> None:
        """Replace `worker` in its turn; asked again, nothing more happens (pipeline G-03)."""
        if worker.number in self._due or self._pool.is_stopping or worker.state is not WorkerState.SERVING:
            return
        logger.info("%s is replaced: %s", worker, text)
        self._due[worker.number] = reason
        if self._replacing is None or self._replacing.done():
            self._replacing = self._pool.run(self._replace_all())

    def judge(self, slot: Slot, worker: WorkerProcess, age: WorkerAge) -> None:
        """Look whether there is a reason; called once a second."""
        reason = (age.find_reason(worker.beat) if worker.take_beat() else age.find_stuck()) or age.find_due()
        if reason is Reason.STUCK:
            self._begin_stuck(slot, worker)
        elif reason is not None:
            self.ask(worker, reason.value, reason.text)

    async def _replace_all(self) -> None:
        pool = self._pool
        while self._due:
            number, reason = next(iter(self._due.items()))
            slot = next((slot for slot in pool.slots if slot.worker and slot.worker.number == number), None)
            if slot is not None and await pool.replace(slot, pool.generation, reason):
                # It goes on with what it has, and is judged again.
                await asyncio.sleep(pool.guard.retry_after if pool.guard.is_off else _PAUSE)
            self._due.pop(number, None)
            await asyncio.sleep(pool.terms.recycle.stagger if self._due else 0)

    def _begin_stuck(self, slot: Slot, worker: WorkerProcess) -> None:
        """Its loop does not turn: a successor serves who waits at its sockets, and it is killed (pipeline W-04)."""
        if worker.number not in self._due:
            self._due[worker.number] = Reason.STUCK.value
            self._pool.run(self._replace_stuck(slot, worker))

    async def _replace_stuck(self, slot: Slot, worker: WorkerProcess) -> None:
        pool = self._pool
        logger.error("%s: its event loop does not turn; what runs there:\n%s", worker, await _stacks_of(worker))
        pool.count_failure(f"{worker} was stuck")
        await pool.replace(slot, pool.generation, Reason.STUCK.value)
        self._due.pop(worker.number, None)
        orphan = pool.terms.recycle.orphan
        if not orphan:
            worker.kill()
            return
        # Left as it is for whoever wants to look into it (pipeline W-06).
        logger.warning("%s is left alone, and %s is run", worker, orphan)
        pool.leave_alone(worker)
        looking = await asyncio.create_subprocess_exec(orphan, str(worker.pid))
        await looking.wait()


async def _stacks_of(worker: WorkerProcess) -> str:
    try:
        return await worker.take_stacks(_FOR_STACKS)
    except ControlRefused as error:
        return str(error)
