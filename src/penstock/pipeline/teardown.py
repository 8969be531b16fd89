"""Teardown: what is done when the answer was handed over, in this order and whatever fails (pipeline P-19)."""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from penstock.pipeline.error_report import describe
from penstock.pipeline.handler import DONE, Signal
from penstock.pipeline.loop import failure_of, is_stray

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.pipeline.rest import Rest

logger = logging.getLogger("penstock")

Action = Callable[[], object]

# So many causes of an error lose their tracebacks.
_DEEPEST: Final = 10


def tear_down(context: Context, rest: Rest) -> Signal:
    """Response, callbacks, handlers, counters, what was deferred: each stands alone, an error is logged.

    All of it is done at once, unless something has to be waited for: the rest of it is then done behind the answer.
    """
    response = context.response
    status, headers = response.status_code, response.logged_headers
    response.release()
    actions: list[Action] = [partial(callback, context) for callback in rest.completed or ()]
    actions += [partial(release, handler) for release, handler in rest.releases or ()]
    actions.append(partial(count_out, context, status, headers))
    actions += [_closing(resource) for resource in reversed(rest.deferred or ())]
    rest.completed = rest.releases = rest.deferred = None
    if rest.errors is not None:
        actions.append(partial(forget_tracebacks, rest))
    _run(context, actions)
    return DONE


def forget_tracebacks(rest: Rest) -> None:
    """Take the tracebacks off the errors of a request that has left.

    Their frames hold the request, a cycle that only the garbage collector could end; nobody will read them.
    """
    for error in rest.errors or ():
        cause: BaseException | None = error
        for _ in range(_DEEPEST):  # causes may lead back to where they began
            if cause is None:
                break
            cause.__traceback__ = None
            cause = cause.__cause__ or cause.__context__


def call_completed(context: Context, rest: Rest) -> None:
    """Call those who wanted to know that the answer was handed over, in front of the 101 (websockets SW-37)."""
    callbacks, rest.completed = rest.completed, None
    for callback in callbacks or ():
        _call(context, partial(callback, context))


def release_handlers(context: Context, rest: Rest) -> None:
    """Release the handlers of a request that goes on as a socket."""
    releases, rest.releases = rest.releases, None
    if releases:
        _run(context, [partial(release, handler) for release, handler in releases])


async def close_deferred(context: Context, rest: Rest) -> None:
    """Close what was deferred to the end of a socket (websockets SW-38), one after another.

    Who is cancelled closes the rest without waiting.
    """
    deferred, rest.deferred = rest.deferred, None
    if deferred:
        await _run_behind(context, None, [_closing(resource) for resource in reversed(deferred)])


def count_out(context: Context, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    """The runtime counts the request out, and it is written down."""
    context.runtime.leave(context.worker_request, status, headers, context.plan.access_log)


def _run(context: Context, actions: list[Action]) -> None:
    while actions:
        pending = _call(context, actions.pop(0))
        if pending is not None:
            task = context.runtime.loop.create_task(_run_behind(context, pending, actions), context=context.variables)
            context.runtime.run_behind(task)
            return


async def _run_behind(context: Context, pending: Awaitable[Any] | None, actions: list[Action]) -> None:
    try:
        while pending is not None or actions:
            if pending is not None:
                await _wait(context, pending)
            pending = _call(context, actions.pop(0)) if actions else None
    finally:
        # Only when it is cancelled is anything left: it is done without waiting, for the request must be counted out.
        while actions:
            rest = _call(context, actions.pop(0))
            if rest is not None and hasattr(rest, "close"):
                rest.close()


async def _wait(context: Context, pending: Awaitable[Any]) -> None:
    try:
        await pending
    except BaseException as error:
        if isinstance(error, (CancelledError, GeneratorExit)) and not is_stray(error):
            raise
        _log(context, failure_of(error))


def _call(context: Context, action: Action) -> Awaitable[Any] | None:
    try:
        result = action()
    except BaseException as error:
        _log(context, failure_of(error))
        return None
    return result if isinstance(result, Awaitable) else None


def _closing(resource: Any) -> Action:
    return partial(_close, resource)


def _close(resource: Any) -> object:
    close: Action = getattr(resource, "aclose", None) or getattr(resource, "close", None) or resource
    return close()


def _log(context: Context, error: Exception) -> None:
    logger.error("failed behind the answer to %s", describe(context), exc_info=error)
