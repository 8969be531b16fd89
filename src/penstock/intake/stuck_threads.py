"""Threads that hold a request beyond its deadline: named, counted, and a recycle asked for when there are many (pipeline T-03)."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Callable
from threading import Thread
from typing import Final

logger = logging.getLogger("penstock")

# How many frames of a stuck thread are shown, the innermost.
_FRAMES: Final = 30


class StuckThreads:
    """Those of one process. Nothing is thrown into a thread: it is left alone, and another takes its place."""

    __slots__ = ("_is_asked_for", "_limit", "_recycle", "threads")

    def __init__(self, limit: int, recycle: Callable[[str], None]) -> None:
        """When `limit` threads are stuck at once, `recycle` is called with a reason; again only after some have come back."""
        self._limit = limit
        self._recycle = recycle
        self._is_asked_for = False
        self.threads: set[Thread] = set()

    def add(self, thread: Thread, doing: str) -> None:
        """`thread` is stuck in the request `doing`; the log gets the place in the code. Called on the loop."""
        self.threads.add(thread)
        logger.error("thread %s is stuck in %s and was left behind:\n%s", thread.name, doing, _stack_of(thread))
        if len(self.threads) >= self._limit and not self._is_asked_for:
            self._is_asked_for = True
            self._recycle(f"{len(self.threads)} threads are stuck")

    def discard(self, thread: Thread) -> None:
        """`thread` has come back after all. Called on the loop."""
        if thread in self.threads:
            self.threads.discard(thread)
            self._is_asked_for = len(self.threads) >= self._limit
            logger.warning("thread %s, which was stuck, has come back", thread.name)


def _stack_of(thread: Thread) -> str:
    frame = sys._current_frames().get(thread.ident or 0)  # noqa: SLF001  its documented name
    return "".join(traceback.format_stack(frame, _FRAMES)) if frame is not None else "it has ended"
