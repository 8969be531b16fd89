"""How everything is at this moment, for the control socket: what the supervisor knows as the structs of the API."""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from penstock.supervisor.control_model import (
    PoolState,
    PoolStatus,
    RequestStatus,
    ServerState,
    ServerStatus,
    WorkerStatus,
)
from penstock.supervisor.generation import DEFAULT
from penstock.supervisor.resident_memory import find_resident_memory
from penstock.supervisor.worker_pool import WorkerPool
from penstock.supervisor.worker_process import WorkerProcess
from penstock.version import VERSION

if TYPE_CHECKING:
    from penstock.supervisor.supervisor import Supervisor


def server_status(supervisor: Supervisor, *, last_reload: str, needs_restart: tuple[str, ...]) -> ServerStatus:
    """The whole server. `needs_restart` are the settings that hold from its next start on only."""
    pools = tuple([pool_status(supervisor, pool) for pool in supervisor.pools.values()])
    recycles: Counter[str] = Counter()
    for pool in supervisor.pools.values():
        recycles.update(pool.recycles)
    return ServerStatus(
        version=VERSION,
        pid=os.getpid(),
        started=datetime.fromtimestamp(supervisor.started, UTC),
        uptime=time.time() - supervisor.started,
        state=cast(ServerState, supervisor.state),
        site_file=os.path.abspath(supervisor.target) if supervisor.target.endswith(".toml") else "",
        generation=supervisor.generation.number,
        addresses=tuple(supervisor.sockets.urls),
        rss=find_resident_memory() or 0,
        pools=pools,
        workers=tuple([status for pool in supervisor.pools.values() for status in worker_statuses(pool)]),
        recycles=dict(recycles),
        last_reload=last_reload,
        needs_restart=needs_restart,
    )


def pool_status(supervisor: Supervisor, pool: WorkerPool) -> PoolStatus:
    """One pool."""
    settings = pool.terms.pool
    return PoolStatus(
        name=pool.name,
        state=_state_of(pool),
        reason=pool.drained or (pool.guard.reason if pool.guard.is_off else ""),
        retry_after=float(pool.guard.retry_after) if pool.guard.is_off else 0.0,
        start="on_demand" if pool.terms.is_on_demand else "always",
        generation=pool.generation.number,
        workers=pool.wanted,
        serving=pool.serving,
        python="" if settings is None else settings.python,
        user="" if settings is None else settings.user,
        socket="" if pool.name == DEFAULT else supervisor.pool_sockets.places.get(pool.name, ""),
        failures=pool.guard.recent,
        recycles=dict(pool.recycles),
    )


def _state_of(pool: WorkerPool) -> PoolState:
    if pool.is_stopping:
        return "stopping"
    if pool.drained:
        return "drained"
    if pool.guard.is_off:
        return "off"
    if pool.demand.is_watching:
        return "idle"
    return "running" if pool.serving else "starting"


def worker_statuses(pool: WorkerPool) -> list[WorkerStatus]:
    """All workers of a pool; those that have a slot first."""
    reasons = {slot.worker: tuple(slot.reasons) for slot in pool.slots if slot.worker is not None}
    now = time.monotonic()
    return [_worker_status(worker, now, reasons.get(worker, ())) for worker in pool.workers]


def _worker_status(worker: WorkerProcess, now: float, reasons: tuple[str, ...]) -> WorkerStatus:
    beat = worker.beat
    return WorkerStatus(
        id=worker.number,
        slot=worker.slot,
        pool=worker.pool,
        generation=worker.generation,
        pid=worker.pid,
        state=cast(Any, worker.state.value),
        since=datetime.fromtimestamp(worker.since, UTC),
        uptime=time.time() - worker.started,
        requests=beat.total,
        failed=beat.failed,
        inside=beat.executing,
        queued=beat.queued,
        background=beat.background,
        sockets=beat.sockets,
        connections=beat.connections,
        rss=beat.resident,
        lag=beat.lag,
        last_beat=now - worker.last_beat if worker.last_beat else None,
        reason=worker.reason or ("answers 503 for its pool" if worker.is_stand_in else ""),
        last_reasons=reasons,
    )


async def requests_of(workers: Sequence[WorkerProcess], within: float) -> tuple[RequestStatus, ...]:
    """What waits inside all of them; who does not answer in time is left out."""
    found = await asyncio.gather(*[_ask(worker, within) for worker in workers])
    return tuple([each for requests in found for each in requests])


async def _ask(worker: WorkerProcess, within: float) -> list[RequestStatus]:
    try:
        told = await worker.ask("requests", within)
    except (TimeoutError, ConnectionError):
        return []
    return [RequestStatus(worker=worker.number, pid=worker.pid, pool=worker.pool, **each) for each in told]
