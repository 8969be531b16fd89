"""Deadlines: who waits inside is looked at ten times a second, and whose time is over is answered for (pipeline T-03)."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import HTTPError
from penstock.pipeline.error_report import describe

if TYPE_CHECKING:
    from penstock.intake.runtime import Runtime
    from penstock.pipeline.context import Context

logger = logging.getLogger("penstock")

_INTERVAL: Final = 0.1
# What was cancelled may clean up for so long; then the request is answered without it.
_GRACE: Final = 1.0


def start_sweeping(runtime: Runtime) -> None:
    """From now on those who wait inside are looked at; a request that never waits is never seen here."""
    runtime.sweeping = runtime.loop.call_later(_INTERVAL, sweep, runtime)


def sweep(runtime: Runtime) -> None:
    """Hold those inside to their deadlines; goes on as long as there is anybody."""
    now = runtime.loop.time()
    for context in tuple(runtime.inside.values()):
        _hold(context, now)
    runtime.sweeping = runtime.loop.call_later(_INTERVAL, sweep, runtime) if runtime.inside else None


def _hold(context: Any, now: float) -> None:
    seconds = context.plan.location.deadline
    if not context.worker_request.started:
        # Nobody has asked for its time: what waits for less than this is not timed at all.
        context.worker_request.started = now
    if not seconds or now < context.worker_request.started + seconds or context.response.is_started:
        return
    rest = context.rest
    if not rest.late_since:
        rest.late_since = now
        _end(context, seconds)
    elif now >= rest.late_since + _GRACE:
        rest.late_since = now
        _end_by_force(context)


def _end(context: Context, seconds: float) -> None:
    """End the step that runs: a thread is told, what is asynchronous is cancelled."""
    context.fail(HTTPError(504, f"no answer within {seconds:g} seconds"))
    _cancel(context)


def cut_off(context: Context) -> None:
    """End a request that is parked, at a hard stop: whoever has it comes too late."""
    context.fail(HTTPError(503, "the server is stopping"))
    _cancel(context)


def _end_by_force(context: Context) -> None:
    """A step has not let itself be cancelled, or another one hangs in front of the answer."""
    from penstock.pipeline.task import take_over  # here: a task begins the sweeping, so it must be importable first

    if context.rest.is_cancelled and context.task is not None:
        logger.error(
            "%s at %s does not let itself be cancelled: answered without it", context.module, describe(context)
        )
        context.rest.is_cancelled = False
        context.position = context.plan.detour_at
        take_over(context)
        return
    context.fail(HTTPError(504, "no answer in time"))
    _cancel(context)


def _cancel(context: Context) -> None:
    from penstock.pipeline.task import resume  # as above

    rest = context.rest
    on_deadline, rest.on_deadline = rest.on_deadline, None
    exchange, context.exchange = context.exchange, None  # what the application still sends comes too late
    on_deadline = on_deadline or getattr(exchange, "expire", None)
    if on_deadline is not None:
        on_deadline()
    if context.task is None or rest.waiter is not None:
        resume(context)  # it is parked: whoever has it comes too late
    else:
        rest.is_cancelled = True
        context.task.cancel()
