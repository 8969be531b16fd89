"""Operator: what the control socket and signals ask of the supervisor - to tell how it is, to reload, recycle, scale, drain."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import ConfigurationError, StartupError
from penstock.hosts.listener import BoundSocket, open_sockets, parse_bind
from penstock.settings import Settings
from penstock.settings.difference import Changes as Difference
from penstock.settings.difference import find_changes
from penstock.supervisor.control_model import (
    Change,
    Changes,
    ControlRefused,
    PoolOutcome,
    PoolStatus,
    ReloadOutcome,
    RequestStatus,
    ServerStatus,
    Unknown,
)
from penstock.supervisor.generation import DEFAULT, Generation
from penstock.supervisor.recycling import Reason
from penstock.supervisor.slot import Slot
from penstock.supervisor.start_failures import StartFailed
from penstock.supervisor.statuses import pool_status, requests_of, server_status
from penstock.supervisor.worker_pool import WorkerPool
from penstock.supervisor.worker_process import WorkerProcess

if TYPE_CHECKING:
    from penstock.supervisor.supervisor import Supervisor

logger = logging.getLogger("penstock")

# Seconds that a worker may take to answer; one that is stuck never does.
_PATIENCE: Final = 2.0


class Operator:
    """See `control_model.Controlled`."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        self._last_reload = ""
        self._is_reloading = False
        self._is_to_reload = False
        self._applying: asyncio.Task[Any] | None = None
        # What only a new start changes is as it was said then, whatever the settings say by now.
        self._at_start = supervisor.generation.settings
        self._restart_due: tuple[str, ...] = ()

    @property
    def settings(self) -> Settings:
        """Those that run."""
        return self._supervisor.generation.settings

    def status(self) -> ServerStatus:
        """How everything is at this moment."""
        return server_status(self._supervisor, last_reload=self._last_reload, needs_restart=self._restart_due)

    # -- reload --------------------------------------------------------------------------------------------------------

    async def diff(self) -> Changes:
        """What `reload` would change. Raises ConfigurationError with all mistakes of the file."""
        return self._told(find_changes(self.settings, loaded := self._supervisor.load()), loaded)

    async def reload(self, *, wait: bool) -> ReloadOutcome:
        """Read and check the site file, and start a new generation of the pools that it changes."""
        return await self._reload(wait=wait, everything=False)

    async def reload_all(self) -> None:
        """As `reload`, but all workers of all pools are replaced: what SIGHUP asks for, behind a reload that is under way.

        Mistakes are told in the log.
        """
        if self._is_to_reload:
            return  # it has not begun, and reads what is there by then
        self._is_to_reload = True
        while self._is_reloading and self._applying is not None:
            await asyncio.wait((self._applying,))
        self._is_to_reload = False
        with contextlib.suppress(ConfigurationError):
            await self._reload(wait=True, everything=True)

    async def _reload(self, *, wait: bool, everything: bool) -> ReloadOutcome:
        if self._is_reloading:
            raise ControlRefused("a reload is under way: try again when it is done")
        supervisor = self._supervisor
        supervisor.refuse_unless("running")
        try:
            settings = supervisor.load()
            difference = find_changes(self.settings, settings)
            opened = self._open_places(difference)
        except ConfigurationError as error:
            logger.error("the settings are not used, for they have mistakes; the old ones stay:\n%s", error)
            self._last_reload = "refused: the settings have mistakes"
            raise
        self._is_reloading = True
        generation = Generation(supervisor.next_generation, settings)
        work = self._applying = supervisor.run_behind(
            self._apply(generation, difference, opened, everything=everything)
        )
        if not wait:
            touched = self._touched(difference, generation, everything=everything)
            pools = tuple([PoolOutcome(pool=name, outcome="under_way") for name in touched])
            return ReloadOutcome(generation=generation.number, changed=self._told(difference, settings), pools=pools)
        outcomes: tuple[PoolOutcome, ...] = await work
        return ReloadOutcome(generation=generation.number, changed=self._told(difference, settings), pools=outcomes)

    async def _apply(
        self, generation: Generation, difference: Difference, opened: Sequence[BoundSocket], *, everything: bool
    ) -> tuple[PoolOutcome, ...]:
        supervisor = self._supervisor
        supervisor.state = "reloading"
        supervisor.notifier.reloading()
        outcomes: list[PoolOutcome] = []
        try:
            for name in self._touched(difference, generation, everything=everything):
                if name == DEFAULT and _failed(outcomes):
                    break  # it would ask pools that are not as it has been told
                outcomes.append(await self._renew(name, generation, everything=everything))
            if _failed(outcomes):
                # Who asks the pools goes on with the places it listens at; the next reload tries again what differs from that.
                supervisor.sockets.undo(opened)
            else:
                supervisor.sockets.close_leaving()
                gone = [name for name in supervisor.pools if name not in generation.pools]
                outcomes += [await self._close_pool(name) for name in gone]
                supervisor.generation = generation
                self._restart_due = find_changes(self._at_start, generation.settings).needs_restart
        finally:
            self._is_reloading = False
            if supervisor.state == "reloading":
                supervisor.state = "running"
                supervisor.notifier.ready()
        failed = _failed(outcomes)
        self._last_reload = f"failed for {', '.join(failed)}: the old workers go on" if failed else "done"
        logger.info("reload: %s", self._last_reload)
        return tuple(outcomes)

    def _touched(self, difference: Difference, generation: Generation, *, everything: bool) -> list[str]:
        """New pools first, so that they can be asked; the default pool last, when all that it asks is there."""
        pools = self._supervisor.pools
        # Those that a reload has replaced which failed for others: what is in the file by now need not be what they have.
        ahead = [name for name in pools if pools[name].generation.number > self._supervisor.generation.number]
        named = [
            *difference.added,
            *[name for name in pools if name in difference.pools or name in ahead or everything],
        ]
        kept = [name for name in dict.fromkeys(named) if name != DEFAULT and name in generation.pools]
        return [*kept, DEFAULT] if difference.default or DEFAULT in ahead or everything else kept

    async def _renew(self, name: str, generation: Generation, *, everything: bool) -> PoolOutcome:
        pool = self._supervisor.pools.get(name)
        if pool is None:
            return await self._open_pool(name, generation)
        reason = Reason.OPERATOR if everything else Reason.SETTINGS_CHANGED
        failure = await pool.replace_all(generation, reason.value)
        return _outcome(pool, failure)

    async def _open_pool(self, name: str, generation: Generation) -> PoolOutcome:
        try:
            await self._supervisor.open_pool(name, generation)
        except (ConfigurationError, StartupError) as error:
            logger.error("the new pool %s does not start: %s", name, error)
            return PoolOutcome(pool=name, outcome="failed", error=str(error))
        return PoolOutcome(pool=name, outcome="started", workers=_ids(self._supervisor.pools[name].workers))

    async def _close_pool(self, name: str) -> PoolOutcome:
        pool = self._supervisor.pools[name]
        gone = _ids(pool.workers)
        # Requests that old workers of the default pool still have are for it, too.
        await self._supervisor.pools[DEFAULT].wait_left()
        # Known until its last worker has ended: whose end is told to nobody is waited for in vain.
        await pool.stop()
        del self._supervisor.pools[name]
        self._supervisor.pool_sockets.close(name)
        return PoolOutcome(pool=name, outcome="stopped", workers=gone)

    def _open_places(self, difference: Difference) -> list[BoundSocket]:
        """Open the places that are new, and take those out that are gone. Raises ConfigurationError when one cannot be had."""
        sockets = self._supervisor.sockets
        backlog = self.settings.server.backlog
        opened = open_sockets([parse_bind(place) for place in difference.opened], backlog=backlog)
        sockets.change(opened, difference.closed)
        return opened

    def _told(self, difference: Difference, settings: Settings) -> Changes:
        changes = [Change(where=each.where, before=each.before, after=each.after) for each in difference.changes]
        due = find_changes(self._at_start, settings).needs_restart
        return Changes(changes=tuple(changes), pools=difference.touched, needs_restart=due)

    # -- one pool, one worker ------------------------------------------------------------------------------------------

    async def recycle(
        self, *, pool: str | None, worker: int | None, reason: str, wait: bool
    ) -> tuple[PoolOutcome, ...]:
        """Replace a worker, or those of a pool one by one, or with neither all of them."""
        logger.info("to be recycled: %s%s", _what(pool, worker), f" ({reason})" if reason else "")
        if worker is not None:
            return (await self._recycle_worker(worker, wait=wait),)
        pools = [self._find_pool(pool)] if pool is not None else [*self._supervisor.pools.values()]
        if not wait:
            for each in pools:
                self._supervisor.run_behind(each.replace_all(each.generation, Reason.OPERATOR.value))
            return tuple([_under_way(each) for each in pools])
        return tuple([_outcome(each, await each.replace_all(each.generation, Reason.OPERATOR.value)) for each in pools])

    async def _recycle_worker(self, number: int, *, wait: bool) -> PoolOutcome:
        worker = self._find_worker(number)
        pool = self._supervisor.pools[worker.pool]
        slot = next((slot for slot in pool.slots if slot.worker is worker), None)
        if slot is None:
            raise ControlRefused(f"worker {number} is leaving already")
        replacing = self._supervisor.run_behind(pool.replace(slot, pool.generation, Reason.OPERATOR.value))
        if not wait:
            return PoolOutcome(pool=pool.name, outcome="under_way", workers=(number,))
        failure: StartFailed | None = await replacing
        return _outcome(pool, failure, (number,))

    async def follow_code(self, pool: str, changed: Sequence[str], *, since: float) -> None:
        """Replace the workers of a pool one by one because files of its code have changed (pipeline G-02).

        Those that were started behind `since` (seconds since 1970) have the new code. A pool that is off is tried at once, for
        what kept it off may be gone; one that was drained by hand stays so.
        """
        found = self._supervisor.pools.get(pool)
        if (
            found is None
            or found.drained
            or found.is_stopping
            or not any(_is_older(slot, since) for slot in found.slots)
        ):
            return
        more = f" and {len(changed) - 1} more files have" if len(changed) > 1 else " has"
        logger.info("pool %s is recycled: %s%s changed", pool, changed[0], more)
        if found.guard.is_off and not found.serving:
            found.resume()
            return
        for slot in tuple(found.slots):
            if _is_older(slot, since) and await found.replace(slot, found.generation, Reason.FILE_CHANGE.value):
                return  # the others would not start either

    async def scale(self, pool: str, workers: int) -> PoolStatus:
        """Have so many workers (1 or more)."""
        self._supervisor.refuse_unless("running", "reloading")
        found = self._find_pool(pool)
        return await self._scale(found, found.scale(workers))

    async def scale_by(self, pool: str, step: int) -> PoolStatus:
        """Have so many more or fewer, and one at least."""
        self._supervisor.refuse_unless("running", "reloading")
        found = self._find_pool(pool)
        return await self._scale(found, found.scale_by(step))

    async def _scale(self, found: WorkerPool, scaling: Coroutine[Any, Any, None]) -> PoolStatus:
        pool = found.name
        try:
            await scaling
        except StartFailed as error:
            raise ControlRefused(f"pool {pool} stays at {found.wanted}: {error}") from error
        logger.info("pool %s has %d workers now", pool, found.wanted)
        return pool_status(self._supervisor, found)

    async def drain(self, pool: str) -> PoolStatus:
        """Answer everything for the pool with 503 from now on, let its requests end, and stop its workers."""
        found = self._find_pool(pool)
        await found.drain("it was drained by the operator")
        return pool_status(self._supervisor, found)

    async def resume(self, pool: str) -> PoolStatus:
        """End `drain`, or try a pool that is off at once."""
        found = self._find_pool(pool)
        found.resume()
        return pool_status(self._supervisor, found)

    async def requests(self, pool: str | None) -> tuple[RequestStatus, ...]:
        """What waits inside; a worker that does not answer within two seconds is left out."""
        pools = [self._find_pool(pool)] if pool is not None else self._supervisor.pools.values()
        return await requests_of([worker for each in pools for worker in each.workers], _PATIENCE)

    async def stacks(self, worker: int) -> str:
        """What runs where in a worker, also in one whose loop does not turn."""
        found = self._find_worker(worker)
        try:
            return str(await found.ask("stacks", _PATIENCE / 2))
        except (TimeoutError, ConnectionError):
            return await found.take_stacks(_PATIENCE)

    # -- the whole server ------------------------------------------------------------------------------------------------

    async def upgrade(self) -> None:
        """Check the new code, and become it soon. Raises ControlRefused with what is wrong."""
        await self._supervisor.begin_upgrade()

    def stop(self) -> None:
        """Drain everything and stop."""
        self._supervisor.stop()

    def reopen_logs(self) -> None:
        """Open the files of logs anew."""
        self._supervisor.reopen_logs()

    def _find_pool(self, name: str) -> WorkerPool:
        pool = self._supervisor.pools.get(name)
        if pool is None:
            raise Unknown("pool", name, tuple(self._supervisor.pools))
        return pool

    def _find_worker(self, number: int) -> WorkerProcess:
        workers = self._supervisor.workers
        found = next((worker for worker in workers if worker.number == number), None)
        if found is None:
            raise Unknown("worker", str(number), tuple([str(worker.number) for worker in workers]))
        return found


def _failed(outcomes: Sequence[PoolOutcome]) -> list[str]:
    return [each.pool for each in outcomes if each.outcome == "failed"]


def _is_older(slot: Slot, since: float) -> bool:
    return slot.worker is None or slot.worker.started <= since


def _outcome(pool: WorkerPool, failure: StartFailed | None, workers: tuple[int, ...] = ()) -> PoolOutcome:
    if failure is not None:
        return PoolOutcome(pool=pool.name, outcome="failed", error=str(failure))
    return PoolOutcome(pool=pool.name, outcome="replaced", workers=workers or _ids(pool.workers))


def _under_way(pool: WorkerPool) -> PoolOutcome:
    return PoolOutcome(pool=pool.name, outcome="under_way", workers=_ids(pool.workers))


def _ids(workers: Sequence[WorkerProcess]) -> tuple[int, ...]:
    return tuple([worker.number for worker in workers])


def _what(pool: str | None, worker: int | None) -> str:
    if worker is not None:
        return f"worker {worker}"
    return "all pools" if pool is None else f"pool {pool}"
