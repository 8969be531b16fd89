"""How the one task of a request begins: at once, in the stack that asked for it, wherever Python allows (Python 3.12 does)."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from contextvars import Context as Variables
from typing import Any

_HAS_EAGER_TASKS = sys.version_info >= (3, 12)


def start_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, None], variables: Variables
) -> asyncio.Task[None]:
    """Start `coroutine` in a task of its own whose context is `variables`, its first step before this returns.

    On a loop that cannot start a task eagerly, or inside another task on Python 3.11, the first step comes in the next
    iteration. Either way the coroutine never runs without a task: `asyncio.timeout`, `current_task()` and anyio need one.
    """
    start = getattr(loop, "start_eagerly", None)
    if start is not None:
        task: asyncio.Task[None] = start(coroutine, variables)
        return task
    if _HAS_EAGER_TASKS:
        return asyncio.Task(coroutine, loop=loop, context=variables, eager_start=True)  # type: ignore[call-arg, unused-ignore]
    return loop.create_task(coroutine, context=variables)
