"""Stopping: the early word that no more new requests come, for streams and long polls that would hold up the drain (pipeline G-06)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator
from typing import Any


class Stopping:
    """True from the beginning of the drain on. `await` it to wait until then; it never raises, and cancelling the wait harms nobody.

    One for all requests of a site. It may be asked in any thread, and awaited on any loop. `for_threads` waits in a thread.
    """

    __slots__ = ("_is_set", "_waiters", "for_threads")

    def __init__(self) -> None:
        self.for_threads = StoppingForThreads()
        self._is_set = False
        # Of those who wait; a set, because ten thousand streams may give up waiting, each once a second.
        self._waiters: set[asyncio.Future[None]] = set()

    def __bool__(self) -> bool:
        return self._is_set

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.wait().__await__()

    def __deepcopy__(self, memo: object) -> Stopping:
        return self  # it is in the scopes of applications, which middleware may copy

    def is_set(self) -> bool:
        """Whether the drain has begun."""
        return self._is_set

    async def wait(self) -> None:
        """Wait until the drain begins."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            if not self._is_set:
                await waiter
        finally:
            self._waiters.discard(waiter)

    def set(self) -> None:
        """The drain begins. Used by the site."""
        self._is_set = True
        self.for_threads.event.set()
        for waiter in tuple(self._waiters):
            try:
                waiter.get_loop().call_soon_threadsafe(_resolve, waiter)
            except RuntimeError:
                pass  # its loop is closed

    def reset(self) -> None:
        """The site starts, perhaps once more. Used by the site."""
        self._is_set = False
        self.for_threads.event.clear()


class StoppingForThreads:
    """The same for code that blocks. Used from any thread; `event` is the site's."""

    __slots__ = ("event",)

    def __init__(self) -> None:
        self.event = threading.Event()

    def __bool__(self) -> bool:
        return self.event.is_set()

    def __deepcopy__(self, memo: object) -> StoppingForThreads:
        return self

    def is_set(self) -> bool:
        """Whether the drain has begun."""
        return self.event.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the drain begins, for at most `timeout` seconds; whether it has begun."""
        return self.event.wait(timeout)


def _resolve(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
