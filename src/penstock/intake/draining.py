"""The end of a runtime: those inside, and those in the queue, are waited for; what is left is cancelled (pipeline G-07)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from penstock.intake.runtime import Runtime

# Seconds in which cancelled requests may clean up before what they need is stopped, where nobody says another number.
LAST_WORDS: Final = 1.0


async def wait_empty(runtime: Runtime, within: float) -> bool:
    """Wait at most `within` seconds until nobody is inside or in the queue, nor at work behind an answer. Did all leave?"""
    if is_empty(runtime):
        return True
    runtime.emptied = runtime.loop.create_future()
    try:
        async with asyncio.timeout(within):
            await runtime.emptied
    except TimeoutError:
        return False
    return True


def is_empty(runtime: Runtime) -> bool:
    """Whether nobody is inside or in the queue, nor at work behind an answer."""
    admission = runtime.admission
    return admission.inside == 0 and not admission.queue and not runtime.background


def tell_if_empty(runtime: Runtime) -> None:
    """Somebody has left: end the waiting, if that was the last."""
    if runtime.emptied is not None and not runtime.emptied.done() and is_empty(runtime):
        runtime.emptied.set_result(None)


async def cancel_inside(runtime: Runtime, within: float) -> None:
    """Cancel what is left, WebSockets too, which has `within` seconds to clean up: who does not end then is left behind.

    They pass the stages that always run while modules and applications are still there (pipeline A-06).
    """
    for each in tuple(runtime.inside.values()):
        if each.task is None:
            each.cut_off()
    tasks = runtime.background.union([each.task for each in runtime.inside.values() if each.task is not None])
    for task in tasks:
        task.cancel()
    # Both at once: neither may use up the time of the other.
    await asyncio.gather(_wait_tasks(tasks, within), runtime.sockets.stop(within))


async def _wait_tasks(tasks: set[asyncio.Task[None]], within: float) -> None:
    if tasks:
        await asyncio.wait(tasks, timeout=within)
