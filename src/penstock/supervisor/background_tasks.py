"""BackgroundTasks: what goes on beside the caller, until whoever has begun it ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from penstock.errors import PenstockError

logger = logging.getLogger("penstock")


class BackgroundTasks:
    """Tasks of the running loop. What they raise is logged as a failure of `owner`."""

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._tasks: set[asyncio.Task[Any]] = set()

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin a task."""
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._end_task)
        return task

    async def stop(self) -> None:
        """Cancel all of them but the one that calls this, and wait until they have ended."""
        tasks = self._tasks - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _end_task(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled() or (error := task.exception()) is None:
            return
        if isinstance(error, PenstockError):
            logger.error("%s", error)
        else:
            logger.critical("%s failed in what it was asked to do", self._owner, exc_info=error)
