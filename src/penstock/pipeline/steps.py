"""The steps that every plan has without a module: scopes, sending, counting out, and making an answer of an error."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any

from penstock.errors import ClientGone, HTTPError
from penstock.pipeline.error_answer import report, write_answer
from penstock.pipeline.handler import DONE, Signal
from penstock.pipeline.response import Response
from penstock.pipeline.stages import Stage

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.pipeline.module import Scope

logger = logging.getLogger("penstock")

# A plain function that holds the loop longer than this is named in development; asyncio's own slow_callback_duration is 100 ms.
SLOW_STEP = 0.05


def send(context: Context) -> Awaitable[None] | Signal | None:
    """Send what has not left: the whole of a buffered answer in one call, the end of a streamed one. Then count it out."""
    worker_request = context.worker_request
    if worker_request.has_sent_all:
        return None
    response = context.response
    if not response.is_special and not context.plan.headers:
        # What nearly every answer is: whole, and nothing to be done to it.
        response.is_started = response.is_special = True
        try:
            worker_request.send(response, response.body, False)
        except Exception:
            response.reopen()
            if context.error is None:
                raise
        else:
            return leave(context)
    if response.is_started:
        if context.error is not None:
            # The client has half an answer, which must not pass for a whole one (pipeline X-07).
            worker_request.abort()
            return None
        return response.finish()
    try:
        pending = response.finish()
    except Exception as error:
        response.reopen()
        if context.error is None:
            raise
        # The answer to the first error could not be sent either; what is sent now holds nothing of it (pipeline E-11).
        context.errors.append(error)
        report(context, error)
        write_answer(context, error)
        pending = response.finish()
    return pending if response.has_file else leave(context)


def leave(context: Context) -> Signal:
    """Count the request out. It has passed the last stage."""
    response = context.response
    worker_request = context.worker_request
    context.position = context.plan.over_at
    context.exchange = None  # what remains of the request goes without waiting for the garbage collector
    if not worker_request.has_sent_all:
        worker_request.abort()
    runtime = context.runtime
    if context.task is not None:
        runtime.background.add(context.task)  # until it ends: an application may go on behind its answer
    runtime.leave(worker_request, response.status, response.raw_headers, context.plan.access_log)
    response.release()
    return DONE


def over(context: Context) -> Signal:
    """The request has left already; whoever comes back to it finds nothing to do."""
    context.position -= 1
    return DONE


def recover(context: Context) -> Awaitable[None] | None:
    """Make an answer of the first error, at the end of the failing stage (pipeline X-03), then go where the request must."""
    rest = context.rest
    error = context.error
    context.position = rest.resume
    if error is None:
        return None
    report(context, error)
    if isinstance(error, HTTPError):
        # Its traceback holds this request's frames, a cycle that only the garbage collector could end; nobody will read it.
        error.__traceback__ = None
    if isinstance(error, ClientGone):
        context.worker_request.abort()
        return None
    if context.response.is_started:
        return None
    return _ask_error_hooks(context, 0)


def _ask_error_hooks(context: Context, start: int) -> Awaitable[None] | None:
    hooks = context.plan.error_hooks
    for at in range(start, len(hooks)):
        try:
            answer = hooks[at](context)
        except Exception as error:
            context.errors.append(error)
            report(context, error)
            continue
        if isinstance(answer, Response):
            context.response.replace_with(answer)
            return None
        if answer is not None:
            return _ask_async_hook(context, answer, at)
    write_answer(context)
    return None


async def _ask_async_hook(context: Context, awaitable: Awaitable[Response | None], at: int) -> None:
    answer: Response | None = None
    try:
        answer = await awaitable
    except Exception as error:
        context.errors.append(error)
        report(context, error)
    if isinstance(answer, Response):
        context.response.replace_with(answer)
        return
    pending = _ask_error_hooks(context, at + 1)
    if pending is not None:
        await pending


def skip_when_complete(context: Context) -> None:
    """Behind RELEASE_STATE: a request that is complete or has failed goes on to LOG, past UPDATE_CACHE (pipeline P-08)."""
    if context.is_complete or context.error is not None:
        context.position = max(context.plan.log_at, context.position)


# -- scopes ------------------------------------------------------------------------------------------------------------


def enter_scope(scope: Scope, last: Stage) -> Callable[[Context], Awaitable[None] | None]:
    """The step that enters `scope`, to be left behind the stage `last`."""

    def enter(context: Context) -> Awaitable[None] | None:
        opened: Any = scope(context)
        rest = context.rest
        if rest.scopes is None:
            rest.scopes = []
        if hasattr(opened, "__aenter__"):
            return _enter_async(opened, rest.scopes, last)
        opened.__enter__()
        rest.scopes.append((last, opened))
        return None

    return enter


async def _enter_async(
    opened: AbstractAsyncContextManager[object], scopes: list[tuple[Stage, Any]], last: Stage
) -> None:
    await opened.__aenter__()
    scopes.append((last, opened))


def leave_scopes_until(stage: Stage) -> Callable[[Context], Awaitable[None] | None]:
    """The step that leaves, in reverse order, every entered scope that ends at `stage` or before."""

    def leave_scopes(context: Context) -> Awaitable[None] | None:
        scopes = context.rest.scopes
        while scopes and scopes[-1][0] <= stage:
            opened: AbstractContextManager[object] | AbstractAsyncContextManager[object] = scopes.pop()[1]
            if isinstance(opened, AbstractAsyncContextManager):
                return _leave_async(context, opened, leave_scopes)
            _leave_scope(context, opened)
        return None

    return leave_scopes


def _leave_scope(context: Context, opened: AbstractContextManager[object]) -> None:
    error = context.error
    # What a scope says about an error is its own business: it cannot make a failed request go on (pipeline X-04), nor keep
    # other scopes from being left (pipeline P-12).
    try:
        if error is None:
            opened.__exit__(None, None, None)
        else:
            opened.__exit__(type(error), error, error.__traceback__)
    except Exception as raised:
        if raised is not error:
            context.fail(raised)


async def _leave_async(
    context: Context,
    opened: AbstractAsyncContextManager[object],
    leave_rest: Callable[[Context], Awaitable[None] | None],
) -> None:
    error = context.error
    try:
        if error is None:
            await opened.__aexit__(None, None, None)
        else:
            await opened.__aexit__(type(error), error, error.__traceback__)
    except Exception as raised:
        if raised is not error:
            context.fail(raised)
    pending = leave_rest(context)
    if pending is not None:
        await pending


leave_scopes_before_release = leave_scopes_until(Stage.EXECUTE)
leave_scopes_before_log = leave_scopes_until(Stage.UPDATE_CACHE)


# -- development ---------------------------------------------------------------------------------------------------------


def watched(call: Callable[[Context], Any], module: str, stage: Stage) -> Callable[[Context], Any]:
    """`call`, which in development is named when it holds the loop for more than 50 ms."""
    if not module:
        return call

    def step(context: Context) -> Any:
        started = time.perf_counter()
        try:
            return call(context)
        finally:
            seconds = time.perf_counter() - started
            if seconds > SLOW_STEP:
                logger.warning(
                    "%s held the loop for %.0f ms at %s: everybody waited; make it async or give it threads",
                    module,
                    seconds * 1000,
                    stage.name,
                )

    return step
