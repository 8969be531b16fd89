"""Plain functions that block: they run in threads of their own, so that the loop goes on."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from functools import partial
from threading import get_ident
from typing import TYPE_CHECKING, Final

from penstock.errors import RequestRejected
from penstock.pipeline.context import Context
from penstock.pipeline.error_report import describe
from penstock.pipeline.handler import Handler, respond
from penstock.request_handlers.function_threads import FunctionThreads, Job

if TYPE_CHECKING:
    from threading import Thread

    from penstock.intake.runtime import Runtime

logger = logging.getLogger("penstock")

# As many wait for a thread as for those of a WSGI application; the next one is answered with 503.
QUEUE: Final = 1000
_RETRY_AFTER: Final = ((b"retry-after", b"1"),)


class ThreadedFunction:
    """Runs `handler` in at most `threads` threads. `execute` is the step of stage EXECUTE.

    A request whose deadline passes is answered for; the thread that is stuck in it is left behind, and another takes its
    place (pipeline T-03).
    """

    __slots__ = ("_capacity", "_handler", "_pool", "_runtime", "_threads")

    def __init__(self, handler: Handler, threads: int) -> None:
        self._handler = handler
        self._threads = threads
        self._capacity = threads + QUEUE
        self._pool: FunctionThreads | None = None
        self._runtime: Runtime | None = None

    def start(self) -> None:
        """Make the pool; its threads come with the first requests."""
        self._pool = FunctionThreads(self._threads, self._come_back)

    async def stop(self) -> None:
        """Let the threads end; a function that is stuck is left behind, which is logged."""
        pool, self._pool = self._pool, None
        if pool is not None and (busy := await pool.stop()):
            logger.warning("%d threads of a function are still busy: left behind", busy)

    def execute(self, context: Context) -> Awaitable[None]:
        """Hand the request to a thread. Raises RequestRejected (503) when too many wait already."""
        pool = self._pool
        assert pool is not None
        if pool.jobs >= self._capacity:
            raise RequestRejected(503, "all threads of this function are busy", headers=_RETRY_AFTER)
        self._runtime = context.runtime
        # The thread sees the request's context variables; what it changes stays its own, for the loop goes on with the request.
        job = pool.submit(partial(_run, self._handler, context), context.variables.copy())
        context.rest.on_deadline = partial(self._give_up, pool, job, context)
        return _respond(context, job)

    def _give_up(self, pool: FunctionThreads, job: Job, context: Context) -> None:
        thread = pool.abandon(job)
        if thread is not None:
            context.runtime.stuck.add(thread, describe(context))

    def _come_back(self, thread: Thread) -> None:
        if self._runtime is not None:
            self._runtime.stuck.discard(thread)


def _run(handler: Handler, context: Context) -> object:
    context.rest.thread = get_ident()  # it may work on this request: the verifier lets it
    return handler(context)


async def _respond(context: Context, job: Job) -> None:
    value = await job.done
    context.rest.on_deadline = None
    if isinstance(value, Awaitable):
        value = await value  # an async function: it was called in the thread, and runs on the loop
    respond(context, value)
