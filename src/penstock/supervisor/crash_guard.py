"""How a pool whose workers fail again and again is turned off, and tried again after a while: the crash-loop guard."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Final

# Seconds: the back-off is doubled up to here.
MOST_BACK_OFF: Final = 300.0


class CrashGuard:
    """Counts the failures of one pool: crashes, starts that failed or took too long, workers killed as stuck (pipeline W-05).

    `failures` of them `within` so many seconds turn the pool off. From `retry_at` on one worker may be tried (`begin_retry`);
    when it starts (`succeed`) the pool is on again, when it fails the wait is doubled, from `back_off` seconds up to 300. The
    wait is short again once nothing has failed for `within` seconds. A worker that is replaced in good order does not count.

    `clock` is in seconds and never goes back. `total` counts all failures there were, `reason` is what the last one was.
    """

    def __init__(
        self, failures: int, within: float, *, back_off: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._within = within
        self._back_off = min(back_off, MOST_BACK_OFF)
        self._clock = clock
        self._failures: deque[float] = deque()
        self._last = -math.inf
        self._wait = self._back_off
        self._is_trying = False
        self.retry_at: float | None = None
        self.reason = ""
        self.total = 0
        self.times_off = 0

    @property
    def is_off(self) -> bool:
        """Whether requests are to be answered with 503; also while one worker is tried."""
        return self.retry_at is not None

    @property
    def is_due(self) -> bool:
        """Whether the pool is off and may be tried now."""
        return self.retry_at is not None and not self._is_trying and self._clock() >= self.retry_at

    @property
    def retry_after(self) -> int:
        """Whole seconds until the next try, at least 1: for `Retry-After` (RFC 9110 section 10.2.3)."""
        left = 0.0 if self.retry_at is None else self.retry_at - self._clock()
        return max(1, math.ceil(left))

    @property
    def recent(self) -> int:
        """How many failures count now."""
        self._forget()
        return len(self._failures)

    def fail(self, reason: str) -> None:
        """One more failure; `reason` is for people."""
        self._forget()
        self._last = self._clock()
        self._failures.append(self._last)
        self.total += 1
        self.reason = reason
        if self._is_trying or (not self.is_off and len(self._failures) >= self._limit):
            self._turn_off()

    def begin_retry(self) -> None:
        """Begin the one try. Raises RuntimeError when the pool is on, or is tried already."""
        if self.retry_at is None or self._is_trying:
            raise RuntimeError("only a pool that is off is tried again, and once at a time")
        self._is_trying = True

    def succeed(self) -> None:
        """A worker has started: the pool is on again. What was counted while it was on still counts."""
        if self.is_off:
            self._failures.clear()
        self.retry_at = None
        self._is_trying = False

    def _turn_off(self) -> None:
        self.times_off += not self.is_off
        self._is_trying = False
        self.retry_at = self._last + self._wait
        self._wait = min(self._wait * 2, MOST_BACK_OFF)

    def _forget(self) -> None:
        """What lies too far back counts no more; after a quiet time the wait is the first one again."""
        now = self._clock()
        if not self.is_off and now - self._last > self._within:
            self._wait = self._back_off
        while self._failures and now - self._failures[0] > self._within:
            self._failures.popleft()
