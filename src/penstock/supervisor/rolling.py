"""How all workers of a pool are replaced, one by one: all or none (pipeline W-03, G-04)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.supervisor.generation import Generation
from penstock.supervisor.slot import Slot
from penstock.supervisor.start_failures import StartFailed

if TYPE_CHECKING:
    from penstock.supervisor.worker_pool import WorkerPool


async def replace_all(pool: WorkerPool, generation: Generation, reason: str) -> StartFailed | None:
    """Replace all one by one with workers of `generation`, and have as many as it says.

    All or none: if one does not start, those that were replaced go back to the generation before. Returns why.
    """
    before, terms = pool.generation, generation.terms(pool.name)
    replaced: list[Slot] = []
    # With other settings their number of workers holds again; without, those that were added by `scale` are replaced, too.
    for slot in [slot for slot in pool.slots if generation is before or slot.number < terms.workers]:
        failure = await pool.replace(slot, generation, reason)
        if failure is not None:
            for earlier in replaced:
                await pool.replace(earlier, before, "RolledBack")
            return failure
        replaced.append(slot)
    if generation is before:
        return None
    pool.adopt_terms(generation)
    try:
        await pool.scale(terms.workers)
    except StartFailed as error:
        return error
    return await _catch_up(pool, reason)


async def _catch_up(pool: WorkerPool, reason: str) -> StartFailed | None:
    """Replace those that were started for the generation before while others were replaced: one had crashed, say."""
    failure = None
    for slot in tuple(pool.slots):
        async with slot.lock:  # held by whoever starts one
            worker = slot.worker
        if worker is not None and worker.generation != pool.generation.number:
            failure = await pool.replace(slot, pool.generation, reason) or failure
    return failure
