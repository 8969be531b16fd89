"""How the one task of a request begins: at once, in the stack that asked for it, wherever Python allows (Python 3.12 does)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextvars import Context as Variables
from typing import Any

Starter = Callable[[Coroutine[Any, Any, None], Variables], "asyncio.Task[None]"]


def find_starter(loop: asyncio.AbstractEventLoop) -> Starter:
    """What starts a coroutine in a task of its own, with given context variables, its first step before it returns.

    On a loop that cannot start a task eagerly, or inside another task on Python 3.11, the first step comes in the next
    iteration. Either way the coroutine never runs without a task: `asyncio.timeout`, `current_task()` and anyio need one.
    """
    own: Starter | None = getattr(loop, "start_eagerly", None)
    if own is not None:
        return own

    def start(coroutine: Coroutine[Any, Any, None], variables: Variables) -> asyncio.Task[None]:
        if sys.version_info >= (3, 12):
            return asyncio.Task(coroutine, loop=loop, name="penstock-request", context=variables, eager_start=True)
        return loop.create_task(coroutine, context=variables)

    return start
