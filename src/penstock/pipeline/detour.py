"""The detour: what a request goes through when a step did not simply end, before it goes on with the right one.

A step was interrupted when, while it ran, work was started, an error recorded, the request completed or led elsewhere. In
this order: the work is waited for, the first error becomes the answer (pipeline X-03), and the request goes on with the next
step, with the stages that always run (P-08), or at AUTHORIZE of another plan (H-13).
"""

from __future__ import annotations

import logging
from asyncio import CancelledError
from collections.abc import Awaitable
from typing import TYPE_CHECKING

from penstock.errors import ClientGone, HTTPError, ResponseComplete
from penstock.pipeline.error_answer import answer_with, write_answer, write_bare_answer, write_built_in_answer
from penstock.pipeline.error_report import describe, report
from penstock.pipeline.loop import failure_of, is_stray
from penstock.pipeline.rerouting import come_in_again
from penstock.pipeline.response import Response
from penstock.pipeline.stages import Stage
from penstock.pipeline.started import wait_started

if TYPE_CHECKING:
    from penstock.pipeline.context import Context

logger = logging.getLogger("penstock")


def detour(context: Context) -> Awaitable[None] | None:
    """The step that an interrupted request takes next."""
    context.position = context.plan.detour_at  # whatever fails on the way is judged by another detour
    if context.rest.started is not None:
        return _settle(context)
    pending = _answer_first_error(context)
    if pending is not None:
        return _settle(context, pending)
    _go_on(context)
    return None


def answer_at_once(context: Context) -> None:
    """Make the first error the answer without asking anybody, for there is no time to wait."""
    rest = context.rest
    if rest.error is None or rest.is_answered:
        return
    rest.is_answered = True
    report(context, rest.error)
    if isinstance(rest.error, ClientGone):
        context.worker_request.abort()
    elif not context.response.is_started:
        write_built_in_answer(context, rest.error)


async def _settle(context: Context, answering: Awaitable[None] | None = None) -> None:
    try:
        if answering is not None:
            await _answer(context, answering)
        while context.rest.started is not None:
            await wait_started(context)
            pending = _answer_first_error(context)
            if pending is not None:
                await _answer(context, pending)
    finally:
        _go_on(context)  # also when the wait is cancelled: the request stands at a step again


async def _answer(context: Context, pending: Awaitable[None]) -> None:
    try:
        await pending
    except BaseException:
        if context.error is not None and not context.response.is_started:
            write_built_in_answer(context, context.error)  # whoever was asked for one has taken too long
        raise


def _answer_first_error(context: Context) -> Awaitable[None] | None:
    rest = context.rest
    error = rest.error
    if error is None or rest.is_answered:
        return None
    rest.is_answered = True
    try:
        return _begin_answer(context, error)
    except BaseException as raised:
        failure = failure_of(raised)
        # Even to tell of this error failed, as where its text cannot be made: the client gets an answer without it.
        logger.error("no answer to %s could be made of %s", describe(context), type(error).__name__, exc_info=failure)
        if not context.response.is_started:
            write_bare_answer(context, failure)
        return None


def _begin_answer(context: Context, error: Exception) -> Awaitable[None] | None:
    report(context, error)
    if isinstance(error, HTTPError):
        # Its traceback holds this request's frames, a cycle that only the garbage collector could end; nobody will read it.
        error.__traceback__ = None
    if isinstance(error, ClientGone):
        context.worker_request.abort()
        return None
    if context.response.is_started:
        return None  # sending finds it so, and cuts the connection
    return _ask_error_hooks(context, 0)


def _go_on(context: Context) -> None:
    """Choose the step that follows the interrupted one."""
    rest = context.rest
    plan = context.plan
    at = rest.at
    stage = Stage.BEGIN if at < 0 else plan.stages[at]
    if rest.started is not None or (rest.error is not None and not rest.is_answered):
        context.position = plan.detour_at  # the wait was cancelled for an error, or an error hook has started work
    elif at == plan.send_at and not rest.is_resent:
        rest.is_resent = True  # the answer to the first error that sending met is sent, too; there is no third (E-11)
        context.position = at
    elif stage >= Stage.LOG:
        context.position = at + 1  # each step of the final stages stands alone (pipeline P-11)
    elif rest.error is not None or rest.is_complete:
        rest.redispatch = None
        context.position = plan.position_after_completion(at)
    elif rest.redispatch is None:
        context.position = at + 1
    elif stage >= Stage.ACQUIRE_STATE and plan.release_at != plan.log_at:
        context.position = plan.release_at  # what was acquired is released before it is acquired anew
    else:
        come_in_again(context)


# -- error hooks ---------------------------------------------------------------------------------------------------------


def _ask_error_hooks(context: Context, start: int) -> Awaitable[None] | None:
    hooks = context.plan.error_hooks
    for at in range(start, len(hooks)):
        try:
            answer = hooks[at](context)
        except BaseException as error:
            answer = _judge_hook(context, error)
        if isinstance(answer, Response):
            answer_with(context, answer)
            return None
        if answer is not None:
            return _ask_async_hook(context, answer, at)
    return write_answer(context)


async def _ask_async_hook(context: Context, awaitable: Awaitable[Response | None], at: int) -> None:
    answer: Response | None = None
    try:
        answer = await awaitable
    except BaseException as error:
        if isinstance(error, (CancelledError, GeneratorExit)) and not is_stray(error):
            raise  # its time is over
        answer = _judge_hook(context, error)
    if isinstance(answer, Response):
        answer_with(context, answer)
        return
    pending = _ask_error_hooks(context, at + 1)
    if pending is not None:
        await pending


def _judge_hook(context: Context, error: BaseException) -> Response | None:
    """What an error hook raised: the refusal it has written (pipeline T-01), or one more error."""
    if isinstance(error, ResponseComplete) and context.response.status_code >= 400:
        return context.response
    context.fail(failure_of(error))
    return None
