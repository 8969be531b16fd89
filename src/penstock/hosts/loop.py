"""The event loop: uvloop where there is one; on Python 3.11 with a way to start a task at once, which 3.12 has built in.

This file stays interpreted: a compiled class cannot inherit from a loop of another extension.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any

from penstock.errors import ConfigurationError, Problem


def new_event_loop(kind: str = "auto") -> asyncio.AbstractEventLoop:
    """A new loop: "uvloop", "asyncio", or "auto", which is uvloop where it is installed.

    Raises ConfigurationError when uvloop is asked for and missing.
    """
    if kind != "asyncio":
        try:
            return _new_uvloop()
        except ImportError:
            if kind == "uvloop":
                raise ConfigurationError(
                    [Problem("uvloop is not installed: pip install uvloop, or loop = 'auto'")]
                ) from None
    return asyncio.new_event_loop()


def _new_uvloop() -> asyncio.AbstractEventLoop:
    import uvloop

    if sys.version_info >= (3, 12):
        return uvloop.new_event_loop()
    return _eager_class(uvloop.Loop)()


def _eager_class(base: type[asyncio.AbstractEventLoop]) -> type[asyncio.AbstractEventLoop]:
    """`base` with `start_eagerly`. A task hands its first step to `call_soon`; here it is handed back to the task's maker.

    The step then runs in the caller's stack, with `current_task()` set, before anything else: no turn of the loop is lost.
    `call_soon` itself is replaced only while a task is being made, so that all others call the loop's own.
    """
    run = Context.run
    # `asyncio.current_task` is a Python function on 3.11; this is the table it looks into.
    current_tasks: dict[Any, Any] = asyncio.tasks._current_tasks  # type: ignore[attr-defined]  # noqa: SLF001
    task_class = asyncio.Task
    taken: list[Callable[[], object]] = []

    def take(callback: Callable[[], object], *, context: Context) -> None:
        taken.append(callback)

    class EagerLoop(base):  # type: ignore[valid-type, misc]
        def start_eagerly(self, coroutine: Coroutine[Any, Any, None], variables: Context) -> asyncio.Task[None]:
            """Start `coroutine` in a task whose context is `variables`; its first step has run when this returns."""
            if current_tasks.get(self) is not None:
                return self.create_task(coroutine, context=variables)  # type: ignore[no-any-return]
            self.call_soon = take
            try:
                # A name given is a name not made: Python would format "Task-12345" for every request.
                task = task_class(coroutine, loop=self, name="penstock-request", context=variables)
            finally:
                del self.call_soon
            run(variables, taken.pop())
            return task

    return EagerLoop
