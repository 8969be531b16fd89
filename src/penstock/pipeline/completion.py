"""Completion: how code that calls back, from whatever thread, says that it is done (pipeline M-02, M-03)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from threading import Lock
from typing import Any

from penstock.errors import ContractError, ResponseComplete


class Completion:
    """Awaited by a step, completed once by somebody else. The request goes on on its own loop, never in a foreign thread.

    Whoever comes second is ignored, and told to `on_repeat`. Nobody need wait yet when it is completed.
    """

    __slots__ = ("_future", "_is_called", "_lock", "_loop", "_on_repeat")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_repeat: Callable[[], None] | None = None) -> None:
        self._loop = loop
        self._future: asyncio.Future[Any] = loop.create_future()
        self._lock = Lock()
        self._is_called = False
        self._on_repeat = on_repeat

    def complete(self, value: object = None) -> None:
        """Let the step go on; its `await` gives `value`. From any thread."""
        self._call(value, None)

    def fail(self, error: Exception) -> None:
        """Let the step fail with `error`. From any thread."""
        self._call(None, _usable(error))

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._future.__await__()

    def _call(self, value: object, error: BaseException | None) -> None:
        with self._lock:
            is_repeated, self._is_called = self._is_called, True
        if not is_repeated:
            self._loop.call_soon_threadsafe(self._resolve, value, error)
        elif self._on_repeat is not None:
            self._on_repeat()

    def _resolve(self, value: object, error: BaseException | None) -> None:
        if self._future.done():
            return  # the wait was cancelled
        if error is None:
            self._future.set_result(value)
        else:
            self._future.set_exception(error)


def _usable(error: object) -> BaseException:
    # pipeline Z-13: a future refuses whatever else there is, and the step would wait for ever.
    if isinstance(error, (Exception, ResponseComplete)) and not isinstance(error, StopIteration):
        return error
    return ContractError(f"a completion fails with an exception, not with {error!r}")
