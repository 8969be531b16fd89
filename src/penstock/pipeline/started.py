"""Work that belongs to a request: begun by a step, waited for before the next one (pipeline M-04 to M-06)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.errors import ContractError, ResponseComplete
from penstock.pipeline.error_report import report
from penstock.pipeline.loop import failure_of

if TYPE_CHECKING:
    from penstock.pipeline.context import Context


def start_work(context: Context, work: Awaitable[Any] | Callable[[], Awaitable[Any]]) -> asyncio.Task[Any]:
    """A task for `work` in the context variables of the request. Raises ContractError in a foreign thread, TypeError."""
    refusal = _refusal(context)
    if refusal:
        if asyncio.iscoroutine(work):
            work.close()  # nobody is going to await it
        raise ContractError(refusal)
    awaitable = work() if callable(work) and not hasattr(work, "__await__") else work
    if not isinstance(awaitable, Awaitable):
        raise TypeError(f"start takes an awaitable, or what gives one, not {type(awaitable).__name__!r}")
    task = asyncio.Task(
        _work(context, awaitable), loop=context.runtime.loop, name="penstock-work", context=context.variables
    )
    rest = context.rest
    rest.started = [*(rest.started or ()), task]
    return task


def _refusal(context: Context) -> str:
    if context.at >= context.plan.send_at:
        return "the answer leaves, or has left: work of the request is started in END at the latest"
    if threading.get_ident() != context.runtime.thread:
        return "work of a request is started on its loop; a thread has context.completion() to say it is done"
    return ""


async def wait_started(context: Context) -> None:
    """Wait for all work that was started, and for what it started; its errors are the request's."""
    rest = context.rest
    while rest.started:
        tasks, rest.started = rest.started, None
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:
            _cancel(context, tasks)
            raise
        for task in tasks:
            error = None if task.cancelled() else task.exception()
            if isinstance(error, Exception):
                context.fail(error)


def leave_started(context: Context) -> None:
    """Cancel the work that was started: nobody is going to wait for it."""
    tasks, context.rest.started = context.rest.started, None
    _cancel(context, tasks or [])


def _cancel(context: Context, tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
        task.add_done_callback(partial(_report_late, context))
        context.runtime.run_behind(task)


def _report_late(context: Context, task: asyncio.Task[Any]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        report(context, failure_of(error))


async def _work(context: Context, awaitable: Awaitable[Any]) -> Any:
    try:
        return await awaitable
    except ResponseComplete:
        context.complete()
    except (Exception, asyncio.CancelledError):
        raise
    except BaseException as error:
        raise failure_of(error) from error  # asyncio would end the server
