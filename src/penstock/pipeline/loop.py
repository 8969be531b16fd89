"""The loop: leads a request through the steps of its plan, as far as it goes without waiting."""

from __future__ import annotations

from asyncio import CancelledError, current_task
from collections.abc import Awaitable
from types import CoroutineType
from typing import TYPE_CHECKING, Any

from penstock.errors import ContractError, ResponseComplete
from penstock.pipeline.handler import DONE, PARKED, Signal

if TYPE_CHECKING:
    from penstock.pipeline.context import Context


def advance(context: Context) -> Awaitable[Any] | Signal:
    """Run steps from where the request stands. Re-entrant: whoever interrupted it calls it to go on.

    Returns DONE behind the last step, PARKED when a step has handed the request on, else what must be awaited before
    `advance` is called again. A step's failure becomes the request's; only what is no Exception passes through.
    """
    while True:
        position = context.position
        context.position = position + 1
        try:
            result = context.plan.calls[position](context)  # a step may have led to another plan
        except BaseException as error:
            end_step(context, error)
            continue
        if result is None:
            continue
        # What nearly every awaitable is comes first: 17 ns in place of 64.
        if type(result) is CoroutineType or result is DONE or result is PARKED or hasattr(result, "__await__"):
            pending: Awaitable[Any] | Signal = result
            return pending
        context.fail(ContractError(f"a hook returns None or an awaitable, not {type(result).__name__!r}: {result!r}"))


def end_step(context: Context, error: BaseException) -> None:
    """A step has ended with `error`: the request is complete, or has failed.

    What a task group wraps around the only error of its children is taken off: the child has said what it means.
    """
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, ResponseComplete):
        context.complete()  # pipeline T-01
    else:
        context.fail(failure_of(error))


def is_stray(error: BaseException) -> bool:
    """Whether `error` is the cancelling of something else that a step let through: nobody has cancelled its own task."""
    task = current_task()
    return isinstance(error, CancelledError) and task is not None and not task.cancelling()


def failure_of(error: BaseException) -> Exception:
    """What a step raised, as the failure of its request. A request cannot end the server: only a person can (Ctrl-C)."""
    if isinstance(error, Exception):
        return error
    if isinstance(error, KeyboardInterrupt):
        raise error
    what = "with nothing left to end" if isinstance(error, ResponseComplete) else "which is for whoever runs the server"
    failure = ContractError(f"{type(error).__name__} was raised, {what}: {error}")
    failure.__cause__ = error
    return failure
