"""One event loop in a thread of its own for the whole process: where ASGI applications run that are called from threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, Final

_lock: Final = threading.Lock()
_loops: Final[list[asyncio.AbstractEventLoop]] = []
# What runs there: a loop knows its tasks by weak references only.
_running: Final[set[Any]] = set()


def begin_on_loop(coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
    """Let the coroutine run there. From any thread but its own."""
    begun = asyncio.run_coroutine_threadsafe(coroutine, the_loop())
    keep(begun)
    return begun


def keep(running: Any) -> None:
    """Let nobody collect a task, or the future of one, before it is done."""
    _running.add(running)
    running.add_done_callback(_running.discard)


def the_loop() -> asyncio.AbstractEventLoop:
    """That loop, which runs from the first time it is asked for."""
    with _lock:
        if not _loops:
            loop = asyncio.new_event_loop()
            threading.Thread(target=loop.run_forever, name="penstock-asgi", daemon=True).start()
            _loops.append(loop)
        return _loops[0]
