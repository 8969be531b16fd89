"""CancellationToken: how OWIN tells that a call, or a socket, has ended before its time (`owin.CallCancelled`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator
from typing import Any, Final

logger: Final = logging.getLogger("penstock")


class CancellationToken:
    """Fired once, by `cancel`. True when it has been; `await token` waits until it is, and cancelling that harms nobody."""

    __slots__ = ("_callbacks", "is_cancelled")

    def __init__(self) -> None:
        self.is_cancelled = False
        self._callbacks: list[Callable[[], object]] = []

    def register(self, callback: Callable[[], object]) -> None:
        """Call `callback()` when the token is fired; at once when it has been."""
        if self.is_cancelled:
            _call(callback)
        else:
            self._callbacks.append(callback)

    def cancel(self) -> None:
        """Fire the token; safe to call again. An error of a callback is logged (websockets KA-7)."""
        self.is_cancelled = True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            _call(callback)

    async def wait(self) -> None:
        """Wait until the token is fired."""
        if not self.is_cancelled:
            event = asyncio.Event()
            self._callbacks.append(event.set)
            await event.wait()

    def __await__(self) -> Generator[Any, Any, None]:
        return self.wait().__await__()

    def __bool__(self) -> bool:
        return self.is_cancelled


def _call(callback: Callable[[], object]) -> None:
    try:
        callback()
    except Exception:
        logger.exception("a callback of owin.CallCancelled failed")
