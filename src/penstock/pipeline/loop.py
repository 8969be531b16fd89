"""The loop: leads a request through the steps of its plan, with a task only when a step waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

from penstock.errors import ContractError, HTTPError
from penstock.pipeline.error_answer import describe
from penstock.pipeline.handler import DONE, PARKED, Signal

if TYPE_CHECKING:
    from penstock.pipeline.context import Context

logger = logging.getLogger("penstock")


def advance(context: Context) -> Awaitable[Any] | Signal:
    """Run steps from where the request stands. Re-entrant: whoever interrupted it calls it to go on.

    Returns DONE behind the last step, PARKED when a step has handed the request on, else what must be awaited before
    `advance` is called again. A step's failure becomes the request's; only what is no Exception passes through.
    """
    calls = context.plan.calls
    while True:
        position = context.position
        context.position = position + 1
        try:
            result = calls[position](context)
        except BaseException as error:
            context.fail(failure_of(error))
            continue
        if result is None:
            continue
        if result is DONE or result is PARKED or hasattr(result, "__await__"):
            pending: Awaitable[Any] | Signal = result
            return pending
        context.fail(ContractError(f"a hook returns None or an awaitable, not {type(result).__name__!r}: {result!r}"))


def begin(context: Context) -> None:
    """Lead a new request into its plan, in its own context variables; gives it a task at its first awaitable."""
    result = context.variables.run(advance, context)
    if result is not DONE and result is not PARKED:
        task = context.runtime.start_task(drive(context, result), context.variables)
        if not task.done():
            if context.is_over:
                context.runtime.run_behind(task)
            else:
                context.task = task


def resume(context: Context) -> None:
    """Go on with a parked request; called on the loop by the step that parked it, once."""
    waiter = None if context.task is None else context.rest.waiter
    if waiter is not None:
        if not waiter.done():
            waiter.set_result(None)
        return
    begin(context)


async def drive(context: Context, pending: Awaitable[Any] | Signal) -> None:
    """Await what `advance` returned and go on, until the request is done. The request's one task runs this."""
    while pending is not DONE:
        try:
            if pending is PARKED:
                await _wait_parked(context)
            else:
                await pending  # type: ignore[misc]
        except asyncio.CancelledError:
            _abandon(context, HTTPError(503, "the server is stopping"))
            raise
        except GeneratorExit as error:
            _abandon(context, failure_of(error))  # thrown in by close(), which allows no more waiting
            return
        except BaseException as error:
            failure = failure_of(error)
            if context.is_over:
                logger.error("an application failed behind its answer to %s", describe(context), exc_info=failure)
                return
            context.fail(failure)
        if context.position == context.plan.over_at:
            return
        pending = advance(context)


def failure_of(error: BaseException) -> Exception:
    """What a step raised, as the failure of its request. A request cannot end the server: only a person can (Ctrl-C)."""
    if isinstance(error, Exception):
        return error
    if isinstance(error, KeyboardInterrupt):
        raise error
    failure = ContractError(f"{type(error).__name__} was raised, which is for whoever runs the server: {error}")
    failure.__cause__ = error
    return failure


async def _wait_parked(context: Context) -> None:
    rest = context.rest
    rest.waiter = context.runtime.loop.create_future()
    try:
        await rest.waiter
    finally:
        rest.waiter = None


def _abandon(context: Context, error: Exception) -> None:
    """The task ends early, as at a hard stop: answer if nothing was, and run what always runs without waiting."""
    if context.is_over:
        return
    context.fail(error)
    while (pending := advance(context)) is not DONE:
        if pending is not PARKED and hasattr(pending, "close"):
            pending.close()
