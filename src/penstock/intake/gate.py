"""The gate in front of the sites: open, held shut while a new generation starts, or turning requests away (pipeline E-02)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from math import ceil
from typing import Final

logger = logging.getLogger("penstock")

# Seconds between two questions whether what runs may still answer; nobody asks while no request comes.
CHECK_INTERVAL: Final = 1.0


class Gate:
    """`is_shut` is all that a request on the short way looks at; it is also set when it is time to ask the guard again."""

    __slots__ = (
        "_guard",
        "_interval",
        "_is_due",
        "_loop",
        "_refused_until",
        "_timer",
        "is_holding",
        "is_running",
        "is_shut",
        "reason",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._guard: Callable[[], None] | None = None
        self._interval = CHECK_INTERVAL
        self._is_due = False
        self._refused_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.is_running = False
        self.is_holding = False
        self.is_shut = True
        self.reason = ""

    @property
    def retry_after(self) -> int:
        """Whole seconds until those turned away may be let in."""
        return max(1, ceil(self._refused_until - self._loop.time()))

    def ask(self, guard: Callable[[], None], interval: float) -> None:
        """Call `guard()` when a request comes, at most every `interval` seconds: it may hold or turn requests away."""
        self._guard = guard
        self._interval = interval
        self._is_due = True
        self.update()

    def set_running(self, is_running: bool) -> None:
        """Open it for the first time, or shut it for the last."""
        self.is_running = is_running
        if not is_running and self._timer is not None:
            self._timer.cancel()
        self.update()

    def check(self) -> None:
        """Ask the guard, if it is time."""
        if self._guard is None or not self._is_due or self.is_holding or self.reason:
            return
        self._is_due = False
        self._set_timer(self._interval)
        try:
            self._guard()
        except Exception:
            logger.exception("whether requests may go in could not be found out: they go in")
        self.update()

    def hold(self) -> None:
        """From now on requests wait."""
        self.is_holding = True
        self.update()

    def open(self) -> None:
        """Requests go in again."""
        self.is_holding = False
        self.reason = ""
        self.update()

    def turn_away(self, reason: str, seconds: float) -> None:
        """For so many seconds requests are answered with 503; then the guard is asked again."""
        self.is_holding = False
        self.reason = reason
        self._refused_until = self._loop.time() + seconds
        self._set_timer(seconds)
        self.update()

    def update(self) -> None:
        """Work out `is_shut`."""
        is_asked = self._is_due and self._guard is not None
        self.is_shut = not self.is_running or self.is_holding or bool(self.reason) or is_asked

    def _set_timer(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(seconds, self._be_due)

    def _be_due(self) -> None:
        self._is_due = True
        self.reason = ""
        self.update()
