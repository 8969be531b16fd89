"""WorkerPool: the workers of one pool - started, kept at their number, replaced one by one, drained and stopped."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Coroutine
from typing import Any, Final

from penstock.supervisor.background_tasks import BackgroundTasks
from penstock.supervisor.crash_guard import CrashGuard
from penstock.supervisor.demand import Demand
from penstock.supervisor.due_workers import DueWorkers
from penstock.supervisor.generation import Generation
from penstock.supervisor.launching import Launcher
from penstock.supervisor.messages import Advice
from penstock.supervisor.recycling import RecyclePolicy
from penstock.supervisor.rolling import replace_all
from penstock.supervisor.slot import Slot
from penstock.supervisor.start_failures import StartFailed, in_a_line
from penstock.supervisor.starting import Starting
from penstock.supervisor.worker_process import WorkerProcess, WorkerState, end_text

logger = logging.getLogger("penstock")

# Seconds between a start that failed and the next try, while the guard allows one.
_PAUSE: Final = 0.5


class WorkerPool:
    """The workers of `name`. Everything is called on the supervisor's loop; `launcher` makes the processes."""

    def __init__(self, name: str, generation: Generation, launcher: Launcher) -> None:
        self.name = name
        self.generation = generation
        self.terms = generation.terms(name)
        self.slots: list[Slot] = []
        self.recycles: Counter[str] = Counter()
        self.drained = ""
        self.is_stopping = False
        self.wanted = self.terms.workers
        self.guard = _guard_of(generation, name)
        self.demand = Demand(lambda: launcher.sockets(name, 0, 1), self._wake)
        self._starting = Starting(name, launcher, on_end=self._notice_end, on_advice=self._take_advice)
        self._policy = RecyclePolicy(self.terms.recycle)
        self._tasks = BackgroundTasks(f"pool {name}")
        self._alone: set[WorkerProcess] = set()
        self.due = DueWorkers(self)
        self._turn = asyncio.Lock()
        self._scaling = asyncio.Lock()
        self._may_try = asyncio.Event()

    @property
    def workers(self) -> list[WorkerProcess]:
        """All processes: those that have a slot, those that start, and those that are on their way out."""
        return [*[slot.worker for slot in self.slots if slot.worker is not None], *self._starting.others]

    @property
    def serving(self) -> int:
        """How many take requests."""
        return sum(slot.is_serving for slot in self.slots)

    # -- start and stop ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Start all workers; those of a pool on demand start with the first connection.

        Raises StartFailed when one does not get ready; then all are stopped.
        """
        if self.terms.is_on_demand:
            self.demand.watch()
            return
        self.slots = [Slot(number) for number in range(self.wanted)]
        try:
            async with asyncio.TaskGroup() as group:
                for slot in self.slots:
                    group.create_task(self._occupy(slot))
        except* StartFailed as failures:
            await self.stop()
            raise failures.exceptions[0] from None
        for slot in self.slots:
            self._put_to_work(slot)

    async def _occupy(self, slot: Slot) -> None:
        slot.worker = await self._start_worker(slot, self.generation)

    def _put_to_work(self, slot: Slot) -> None:
        worker, slot.worker = slot.worker, None
        if worker is not None and not worker.is_ended:
            self._install(slot, worker)
        if slot.worker is None:
            slot.changed.set()
        self.run(self._keep(slot))

    def adopt(self, workers: list[WorkerProcess], *, wanted: int, drained: str) -> None:
        """Take over the workers that an earlier program of this process has started, and what it was told by hand."""
        self.wanted, self.drained = wanted, drained
        for worker in workers:
            self._starting.adopt(worker)
        if self.terms.is_on_demand and not workers and not drained:
            self.demand.watch()
            return
        serving = [each for each in workers if each.state is WorkerState.SERVING and not each.is_stand_in]
        self.slots = [Slot(number) for number in range(wanted)]
        for worker in workers:
            if worker in serving and worker.slot < wanted:
                worker.age = self._policy.begin()
                self.slots[worker.slot].worker = worker
            else:
                self._dismiss(worker)
        for slot in self.slots:
            if slot.worker is None:
                slot.changed.set()
            self.run(self._keep(slot))

    async def stop(self, idle: float | None = None) -> None:
        """Drain every worker, and kill what outlives its time. `idle` None is what the settings say."""
        self.is_stopping = True
        self.demand.stop()
        await self._tasks.stop()
        gone, self.slots = self.slots, []
        for worker in [slot.worker for slot in gone if slot.worker is not None]:
            self._dismiss(worker, leave_waiting=False, idle=idle)
        for worker in self._starting.unready:
            worker.kill()
        await self._starting.wait_all_ended()

    async def wait_left(self) -> None:
        """Wait until all have ended that were told to."""
        await self._starting.wait_left()

    def cut_off(self) -> None:
        """End every worker now."""
        for worker in self.workers:
            worker.kill()

    # -- a slot --------------------------------------------------------------------------------------------------------

    async def _keep(self, slot: Slot) -> None:
        """Have a worker in the slot, as long as there is a slot."""
        while not slot.is_removed:
            await slot.changed.wait()
            slot.changed.clear()
            while slot.worker is None and not slot.is_removed:
                await self._fill(slot)

    async def _fill(self, slot: Slot) -> None:
        """One try to get a worker into a slot that has none."""
        if self._is_shut:
            await self._stand_in(slot)
            return
        async with slot.lock:
            if slot.worker is not None or slot.is_removed or self._is_shut:
                return
            if self.guard.is_due:
                self.guard.begin_retry()
            try:
                worker = await self._start_worker(slot, self.generation)
            except StartFailed as error:
                logger.error("%s", error)
                self.count_failure(str(error))
            else:
                self._install(slot, worker)
                return
        if not self.guard.is_off:
            await asyncio.sleep(_PAUSE)

    @property
    def _is_shut(self) -> bool:
        return bool(self.drained) or (self.guard.is_off and not self.guard.is_due)

    async def _stand_in(self, slot: Slot) -> None:
        """The pool is off, or drained: somebody says so in its place until it may be tried (pipeline W-05)."""
        self._may_try.clear()
        retry_after = 60 if self.drained else self.guard.retry_after
        stand_in = await self._starting.start_stand_in(
            slot.number, self.wanted, self.generation, reason=self.drained or self.guard.reason, retry_after=retry_after
        )
        may_try = asyncio.create_task(self._may_try.wait())
        awaited: list[asyncio.Future[Any]] = [may_try] if stand_in is None else [may_try, stand_in.ended]
        try:
            timeout = None if self.drained else retry_after
            await asyncio.wait(awaited, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        finally:
            may_try.cancel()
            if stand_in is not None:
                self._dismiss(stand_in, idle=0.0)

    async def _start_worker(self, slot: Slot, generation: Generation, *, count: int = 0) -> WorkerProcess:
        age = self._policy.begin()
        worker = await self._starting.start(slot.number, count or self.wanted, generation, requests=age.request_limit)
        worker.age = age
        return worker

    def _notice_end(self, worker: WorkerProcess) -> None:
        slot = next((slot for slot in self.slots if slot.worker is worker), None)
        if slot is None:
            if worker.exit_code and worker.ready.result() and not self.is_stopping and not worker.is_killed:
                logger.error("%s %s when it was to end by itself", worker, end_text(worker.exit_code))
            return
        slot.worker = None
        slot.changed.set()
        if not self.is_stopping:
            text = f"{worker} {end_text(worker.exit_code)}"
            inside = worker.beat.executing
            logger.error("%s, with %d requests inside when it was last heard of: another one is started", text, inside)
            slot.remember(end_text(worker.exit_code))
            self.count_failure(text)

    def count_failure(self, text: str) -> None:
        """A worker has crashed, was stuck, or did not start (pipeline W-05)."""
        before = self.guard.times_off
        self.guard.fail(in_a_line(text))
        if self.guard.times_off > before:
            logger.critical("pool %s is off for %d s: %s", self.name, self.guard.retry_after, self.guard.reason)

    # -- replacing -----------------------------------------------------------------------------------------------------

    def _install(self, slot: Slot, worker: WorkerProcess) -> None:
        """Let it serve, unless its slot has gone while it started, or the pool was drained."""
        self.guard.succeed()
        self._may_try.set()
        if slot.is_removed or self.is_stopping or self.drained:
            self._dismiss(worker, idle=0.0)
            return
        slot.worker = worker
        worker.serve()

    def leave_alone(self, worker: WorkerProcess) -> None:
        """Neither wait for it nor kill it, whatever becomes of it."""
        self._starting.forget(worker)
        worker.on_end = self._alone.discard
        self._alone.add(worker)

    async def replace(self, slot: Slot, generation: Generation, reason: str, *, count: int = 0) -> StartFailed | None:
        """Start a successor, let it serve, drain who was there (pipeline W-03, G-04).

        Returns why the successor did not start - then who was there goes on -, None when it did. `count` is how many slots there
        are to be.
        """
        async with self._turn, slot.lock:
            if slot.is_removed or self.is_stopping or self.drained:
                return None
            if generation.number < self.generation.number:
                generation = self.generation  # a reload has ended while this waited for its turn
            try:
                successor = await self._start_worker(slot, generation, count=count)
            except StartFailed as error:
                logger.error("%s; the worker that was to be replaced goes on", error)
                self.count_failure(str(error))
                return error
            before = slot.worker
            self._install(slot, successor)
            if before is not None:
                self._dismiss(before, reason=reason)
            self.recycles[reason] += 1
            slot.remember(reason)
            return None

    async def replace_all(self, generation: Generation, reason: str) -> StartFailed | None:
        """Replace all one by one with workers of `generation`, and have as many as it says. Returns why they do not start."""
        return await replace_all(self, generation, reason)

    def adopt_terms(self, generation: Generation) -> None:
        """What starts from now on is of `generation`."""
        was_on_demand = self.terms.is_on_demand
        if generation.terms(self.name).recycle != self.terms.recycle:
            self.guard = _guard_of(generation, self.name)
        self.generation, self.terms = generation, generation.terms(self.name)
        self._policy = RecyclePolicy(self.terms.recycle)
        self._may_try.set()
        if was_on_demand and not self.terms.is_on_demand and not self.slots:
            self.demand.stop()
            self._wake()

    async def scale(self, count: int) -> None:
        """Have `count` workers from now on. Raises StartFailed when one that is needed does not start."""
        async with self._scaling:
            await self._scale(count)

    async def scale_by(self, step: int) -> None:
        """Have so many more, or fewer, than were asked for until now, and one at least. Raises as `scale`."""
        async with self._scaling:
            await self._scale(max(1, self.wanted + step))

    async def _scale(self, count: int) -> None:
        before, self.wanted = len(self.slots), count
        if not self.slots:
            return
        if count < before:
            # Slot 0 accepts at the sockets of slots that go, too: who waits there, and whom the kernel still sends there.
            failure = await self.replace(self.slots[0], self.generation, "Scaled", count=count)
            if failure is not None:
                self.wanted = before
                raise failure
            self._may_try.set()  # stand-ins, too, are for so many slots
            gone, self.slots = self.slots[count:], self.slots[:count]
            for slot in gone:
                self._remove(slot, "Scaled")
        for number in range(before, count):
            slot = Slot(number)
            try:
                if not self.drained:
                    await self._occupy(slot)
            except StartFailed:
                self.wanted = len(self.slots)
                raise
            self.slots.append(slot)
            self._put_to_work(slot)

    def _remove(self, slot: Slot, reason: str) -> None:
        slot.is_removed = True
        slot.changed.set()
        if slot.worker is not None:
            self._dismiss(slot.worker, reason=reason)
            slot.worker = None

    def _dismiss(
        self, worker: WorkerProcess, *, leave_waiting: bool = True, idle: float | None = None, reason: str = ""
    ) -> None:
        if not worker.is_ended:
            silence = self.terms.drain.idle if idle is None else idle
            worker.drain(leave_waiting=leave_waiting, idle=silence, reason=reason)
            self._starting.see_off(worker, silence + self.terms.patience)

    # -- what beats say ------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Look at every worker; called once a second."""
        for alone in tuple(self._alone):
            alone.look()  # still a child of ours: a dead one stays in the table of processes until it is asked
        for slot in self.slots:
            worker = slot.worker
            if worker is not None and slot.is_serving and worker.age is not None:
                self.due.judge(slot, worker, worker.age)
        if self.terms.is_on_demand and self.terms.idle and self._has_been_idle():
            self._go_idle()

    def _take_advice(self, worker: WorkerProcess, advice: Advice) -> None:
        self.due.ask(worker, advice.kind, advice.text)

    # -- on demand -----------------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Somebody has connected: the workers that start accept what waits (pipeline W-01)."""
        self.slots = [Slot(number) for number in range(self.wanted)]
        for slot in self.slots:
            self._put_to_work(slot)

    def _has_been_idle(self) -> bool:
        return bool(self.slots) and all(
            slot.is_serving and slot.worker is not None and slot.worker.idle > self.terms.idle for slot in self.slots
        )

    def _go_idle(self) -> None:
        logger.info("pool %s has had no request for %g s: its workers stop", self.name, self.terms.idle)
        gone, self.slots = self.slots, []
        self.recycles["Idle"] += len(gone)
        for slot in gone:
            self._remove(slot, "Idle")
        self.demand.watch()

    # -- by hand -------------------------------------------------------------------------------------------------------

    async def drain(self, reason: str) -> None:
        """Answer 503 from now on, and let the workers end."""
        self.drained = reason
        self.demand.stop()
        if not self.slots:
            self._wake()
        for slot in self.slots:
            async with slot.lock:
                if slot.worker is not None:
                    before, slot.worker = slot.worker, None
                    slot.changed.set()
                    await asyncio.sleep(0)
                    self._dismiss(before, reason=reason)

    def resume(self) -> None:
        """End `drain`; try at once what is off."""
        self.drained = ""
        self.guard = _guard_of(self.generation, self.name)
        self._may_try.set()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task that ends with the pool."""
        return self._tasks.run(coroutine)


def _guard_of(generation: Generation, name: str) -> CrashGuard:
    recycle = generation.terms(name).recycle
    return CrashGuard(recycle.failures, recycle.within, back_off=recycle.back_off)
