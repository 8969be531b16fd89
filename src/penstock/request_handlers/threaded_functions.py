"""Plain functions that block: they run in threads of their own, so that the loop goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from penstock.errors import RequestRejected
from penstock.pipeline.context import Context
from penstock.pipeline.handler import Handler, respond

# As many wait for a thread as for those of a WSGI application; the next one is answered with 503.
QUEUE: Final = 1000
_RETRY_AFTER: Final = ((b"retry-after", b"1"),)


class ThreadedFunction:
    """Runs `handler` in at most `threads` threads. `execute` is the step of stage EXECUTE."""

    __slots__ = ("_capacity", "_handler", "_inside", "_pool", "_threads")

    def __init__(self, handler: Handler, threads: int) -> None:
        self._handler = handler
        self._threads = threads
        self._capacity = threads + QUEUE
        self._inside = 0
        self._pool: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Make the pool; its threads come with the first requests."""
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="penstock-function")

    def stop(self) -> None:
        """Let go of the pool; a function that is stuck is left behind."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def execute(self, context: Context) -> Awaitable[None]:
        """Hand the request to a thread. Raises RequestRejected (503) when too many wait already."""
        if self._inside >= self._capacity:
            raise RequestRejected(503, "all threads of this function are busy", headers=_RETRY_AFTER)
        self._inside += 1
        # The thread sees the request's context variables; what it changes stays its own, for the loop goes on with the request.
        call = context.variables.copy().run
        done = context.runtime.loop.run_in_executor(self._pool, call, self._handler, context)
        done.add_done_callback(self._leave)
        return _respond(context, done)

    def _leave(self, _: asyncio.Future[object]) -> None:
        self._inside -= 1


async def _respond(context: Context, done: asyncio.Future[object]) -> None:
    value = await done
    if isinstance(value, Awaitable):
        value = await value  # an async function: it was called in the thread, and runs on the loop
    respond(context, value)
