"""The steps that plans have without a module: refusing, sending, counting out."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from penstock.errors import HTTPError
from penstock.pipeline.error_answer import write_bare_answer
from penstock.pipeline.error_report import report
from penstock.pipeline.handler import DONE, Signal
from penstock.pipeline.loop import failure_of
from penstock.pipeline.rerouting import come_in_again
from penstock.pipeline.teardown import forget_tracebacks, tear_down

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.pipeline.step import Step

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
            worker_request.send(response, response.content, False)
        except Exception:
            response.reopen()
            if context.error is None:
                raise
        else:
            return leave(context)
    if response.status_code == 101:
        from penstock.pipeline.socket_phase import begin_socket

        if begin_socket(context) is DONE:
            return DONE
    if response.is_started:
        if context.error is not None:
            # The client has half an answer, which must not pass for a whole one (pipeline X-07).
            worker_request.abort()
            return None
        return response.finish()
    try:
        pending = response.finish()
    except BaseException as raised:
        response.reopen()
        error = failure_of(raised)
        if context.error is None:
            context.fail(error)
            return None
        # The answer to the first error could not be sent either; what is sent now holds nothing of it (pipeline E-11).
        context.errors.append(error)
        report(context, error)
        write_bare_answer(context, error)
        pending = response.finish()
    return pending if response.has_file else leave(context)


def leave(context: Context) -> Signal:
    """Count the request out. It has passed the last stage."""
    response = context.response
    worker_request = context.worker_request
    context.position = context.plan.over_at
    if not worker_request.has_sent_all:
        worker_request.abort()
    runtime = context.runtime
    if context.exchange is not None:
        if context.task is not None:
            # Until it ends: an application may go on behind its answer, and finds that the request is no longer led by it.
            runtime.background.add(context.task)
            context.task = None
        context.exchange = None  # what remains of the request goes without waiting for the garbage collector
    rest = context.known
    if rest is not None:
        if rest.error is not None and not rest.is_answered:
            report(context, rest.error)  # recorded while the answer left, as by a callback of on_sending_headers
        if rest.request is not None:
            rest.request.release()
        if rest.websockets is not None:
            rest.websockets.lose(f"the request was answered with {response.status_code}")
        if rest.completed or rest.releases or rest.deferred:
            return tear_down(context, rest)
        if rest.errors is not None:
            forget_tracebacks(rest)
    headers = response.raw_headers if response.extras is None else response.logged_headers
    runtime.leave(worker_request, response.status_code, headers, context.plan.access_log)
    response.release()
    return DONE


def over(context: Context) -> Signal:
    """The request has left already; whoever comes back to it finds nothing to do."""
    context.position -= 1
    return DONE


def skip_when_complete(context: Context) -> None:
    """Behind RELEASE_STATE: a request that is complete or has failed goes on to LOG, past UPDATE_CACHE (pipeline P-08).

    One that was re-dispatched has released what it had acquired, and comes in again (H-13).
    """
    rest = context.known
    if rest is None:
        return
    if rest.is_complete or rest.error is not None:
        context.position = max(context.plan.log_at, context.position)
    elif rest.redispatch is not None:
        come_in_again(context)


def unwind(context: Context) -> Signal | None:
    """In front of END: the request goes back through the middleware that waits for it in stages (middleware G2, G11)."""
    rest = context.known
    if rest is None or not rest.frames:
        return None
    if context.response.status_code == 101:
        from penstock.pipeline.attached_socket import begin_attached  # imported by the first socket

        begin_attached(context)
    return DONE  # and the request is in END, wherever middleware entered it (middleware R-SG-31)


def unwind_further(context: Context) -> Signal | None:
    """Behind `unwind`: it is where a middleware finds the request again, and where the one around it does."""
    signal = unwind(context)
    if signal is not None:
        context.position -= 1
    return signal


def require_principal(context: Context) -> None:
    """Behind AUTHENTICATE: a request that a module has answered with a refusal ends here (pipeline P-20)."""
    response = context.response
    if response.status_code <= 200:
        return
    if response.status_code == 401 and not response.body:
        response.body = b"401 Unauthorized\n"
        response.headers.setdefault("content-type", "text/plain; charset=utf-8")
    context.complete()


def keep_headers(context: Context) -> None:
    """In front of what answers: the headers that modules have set stay, also on an error answer (pipeline X-07)."""
    if context.response.raw_headers:
        context.rest.kept_headers = context.response.raw_headers.copy()


def refuse_access(context: Context) -> None:
    """Raises HTTPError (403) in place of what answers: the location does not grant the right it needs (pipeline H-09)."""
    raise HTTPError(403, f"nothing here may {context.plan.target.needs}")


# -- development ---------------------------------------------------------------------------------------------------------


def watched(step: Step, call: Callable[[Context], Any]) -> Callable[[Context], Any]:
    """`call`, which in development is named when it holds the loop for more than 50 ms."""
    if not step.module:
        return call

    def watch(context: Context) -> Any:
        started = time.perf_counter()
        try:
            return call(context)
        finally:
            seconds = time.perf_counter() - started
            if seconds > SLOW_STEP:
                logger.warning(
                    "%s held the loop for %.0f ms at %s: everybody waited; make it async or give it threads",
                    step.module,
                    seconds * 1000,
                    step.stage.name,
                )

    return watch
