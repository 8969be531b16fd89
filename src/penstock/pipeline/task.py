"""The task of a request: how it gets one when a step waits, and how it goes on.

Measured: a task that is begun at once, in the stack of the bytes that asked for it, is no faster for a bare ASGI application, and
costs a Starlette application about 40 us a request in place of 34. Probably because all heads that have come are now read, then all
applications run, each crowd with its own code in the processor's caches.
"""

# Not compiled: a task shows the stack of its outermost coroutine only if that is Python's own.

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any

from penstock.errors import AcceptLost, ClientGone, HTTPError
from penstock.pipeline import deadlines
from penstock.pipeline.detour import answer_at_once
from penstock.pipeline.error_report import describe
from penstock.pipeline.handler import DONE, PARKED, Signal
from penstock.pipeline.loop import advance, end_step, failure_of, is_stray
from penstock.pipeline.started import leave_started

if TYPE_CHECKING:
    from penstock.pipeline.context import Context

logger = logging.getLogger("penstock")


def begin(context: Context) -> None:
    """Lead a new request into its plan, in its own context variables; gives it a task at its first awaitable.

    The task exists before the awaitable's first step: `asyncio.timeout`, `current_task()` and anyio need one.
    """
    result = context.variables.run(advance, context)
    if result is DONE:
        return
    # From here on others can see it: the list of those inside, the deadline, and a client that leaves.
    runtime = context.runtime
    runtime.inside[context.worker_request] = context
    if runtime.sweeping is None:
        deadlines.start_sweeping(runtime)
    if context.plan.target.cancel_on_disconnect:
        context.worker_request.on_disconnect(partial(_leave_early, context))
    if result is not PARKED:
        context.task = new_task(context, drive(context, result, is_the_task=True))


def new_task(context: Context, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task for `coroutine`, in the context variables of the request."""
    # A name given is a name not made: Python would format "Task-12345" for every request.
    return asyncio.Task(coroutine, loop=context.runtime.loop, name="penstock-request", context=context.variables)


def take_over(context: Context) -> asyncio.Task[None] | None:
    """Go on in a task of its own, while the one that led the request so far goes on behind it; None when nothing had to wait."""
    if context.task is not None:
        context.runtime.run_behind(context.task)
    pending = context.variables.run(advance, context)
    if pending is DONE:
        return None
    context.task = new_task(context, drive(context, pending, is_the_task=True))
    return context.task


def resume(context: Context) -> None:
    """Go on with a parked request; called on the loop by the step that parked it, once."""
    waiter = None if context.task is None else context.rest.waiter
    if waiter is not None:
        if not waiter.done():
            waiter.set_result(None)
        return
    begin(context)


async def go_on(context: Context) -> None:
    """Called by what answers, in the middle of its own step: lead the request on to its end."""
    if context.task is not None and asyncio.current_task() is not context.task:
        task = take_over(context)  # beyond the cancelling of a task of the application's own
        if task is not None:
            await asyncio.shield(task)
    else:
        await drive(context, advance(context))


async def drive(context: Context, pending: Awaitable[Any] | Signal, *, is_the_task: bool = False) -> None:
    """Await what `advance` returned and go on, until the request is done, or another task has taken it over.

    `is_the_task`: this is the outermost coroutine of the request's one task, which draining waits for.
    """
    task = context.task
    try:
        while pending is not DONE:
            try:
                if pending is PARKED:
                    await _wait_parked(context)
                else:
                    await pending  # type: ignore[misc]
            except BaseException as error:
                if is_the_task and _is_endpoint(context, task):
                    await _end_endpoint(context, error)
                    return
                if _is_the_end(context, error, task):
                    return
            if context.task is not task:
                if is_the_task and _is_endpoint(context, task):
                    await _end_endpoint(context, None)
                return
            pending = advance(context)
    finally:
        if is_the_task and task is not None:
            context.runtime.end_behind(task)


def _is_endpoint(context: Context, task: asyncio.Task[None] | None) -> bool:
    """Whether the step that has ended was the endpoint of a WebSocket, accepted and awaited in this task."""
    websockets = None if context.known is None else context.known.websockets
    return websockets is not None and task is not None and websockets.is_endpoint(task)


async def _end_endpoint(context: Context, failure: BaseException | None) -> None:
    from penstock.pipeline.socket_phase import end_endpoint  # imported by the first socket

    await end_endpoint(context, failure)


def _is_the_end(context: Context, error: BaseException, task: asyncio.Task[None] | None) -> bool:
    """Judge what came out of a step that was awaited; whether nothing is left to do. Raises it if it is a cancellation."""
    if _has_frames(context) and _keep_failure(context, error):
        return True
    if isinstance(error, asyncio.CancelledError):
        if context.task is task and _was_meant(context):
            return False
        if task is not None and context.task is task and is_stray(error) and not context.is_over:
            end_step(context, error)  # nobody has cancelled this request: a step let the end of something else through
            return False
        if _has_frames(context):
            _abandon(context, HTTPError(504, "cancelled by the middleware around it"))
        else:
            _abandon(context, HTTPError(503, "the server is stopping"))
        raise error
    if isinstance(error, GeneratorExit):
        _abandon(context, failure_of(error))  # thrown in by close(), which allows no more waiting
        return True
    if context.is_over or context.task is not task:
        level = logging.DEBUG if isinstance(error, AcceptLost) else logging.ERROR  # it has been told already
        logger.log(
            level, "an application failed behind its answer to %s", describe(context), exc_info=failure_of(error)
        )
        return True
    end_step(context, error)
    return False


def _keep_failure(context: Context, error: BaseException) -> bool:
    """Whether it was the endpoint of a socket behind middleware that has failed: they see to its end, one by one."""
    from penstock.pipeline.attached_socket import is_attached

    if not is_attached(context):
        return False
    if not isinstance(error, Exception):
        raise error
    context.rest.endpoint_failure = error
    return True


def _has_frames(context: Context) -> bool:
    """Whether middleware in stages waits for this request."""
    return context.known is not None and bool(context.known.frames)


def _was_meant(context: Context) -> bool:
    """Whether it is the pipeline that cancelled the step, for the deadline or for a client that left; then it goes on."""
    rest = context.known
    if rest is None or not rest.is_cancelled or context.task is None:
        return False
    rest.is_cancelled = False
    context.task.uncancel()
    return True


def _leave_early(context: Context) -> None:
    if context.is_over or context.task is None:
        return
    context.fail(ClientGone("the client left, and its handler wants to be cancelled then"))
    context.rest.is_cancelled = True
    context.task.cancel()


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
    answer_at_once(context)
    leave_started(context)
    while (pending := advance(context)) is not DONE:
        if pending is not PARKED and hasattr(pending, "close"):
            pending.close()
        leave_started(context)
