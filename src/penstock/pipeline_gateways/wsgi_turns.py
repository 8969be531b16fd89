"""How many threads of a pool take requests at once: all of them, but one alone while they only take turns at computing.

Threads that compute hold the interpreter in turn, so several are no faster than one; but each time the event loop wants it,
it stands in line behind all of them. Measured with four threads that compute, on one core: an ASGI route of the same worker
answered with a p99 of 18 ms, behind one thread with 4 ms, at the same 5 000 requests a second.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from threading import Thread
from typing import Final

# Seconds between two judgements, and until a crowd that was told to stand in line may show whether it still has to.
INTERVAL: Final = 0.02
_PATIENCE: Final = 30.0

# Shares of one processor: all of it is used, yet no more (what leaves the interpreter free would use several), ...
_ALL: Final = 0.9
_MORE: Final = 1.2
# ... and the threads use this much of it.
_COMPUTING: Final = 0.3
# Below these, threads wait for something else than each other.
_ROOM: Final = 0.8
_WAITING: Final = 0.2


class Turns:
    """Judges what the threads of a pool do, from the processor time that they and the process have used."""

    __slots__ = ("_judged_at", "_lowered_at", "_of_process", "_of_threads")

    def __init__(self) -> None:
        self._judged_at = 0.0
        self._lowered_at = 0.0
        self._of_process = 0.0
        self._of_threads = 0.0

    def is_due(self, now: float) -> bool:
        """Whether it is not too early to judge again; `now` is in seconds."""
        return now - self._judged_at >= INTERVAL

    def judge(self, now: float, limit: int, used: tuple[float, float], *, threads: int, inside: int) -> int:
        """How many of `threads` may take requests from now on, when `limit` did and `inside` requests are there.

        `used` are the seconds of processor time that the process and the threads have used in all.
        """
        seconds = now - self._judged_at
        of_process, of_threads = used
        total = (of_process - self._of_process) / seconds
        share = (of_threads - self._of_threads) / seconds
        self._judged_at, self._of_process, self._of_threads = now, of_process, of_threads
        if seconds > 10 * INTERVAL:
            return limit  # nobody has looked for a long time: what was used since says nothing about now
        if limit > 1 and inside > 1 and _ALL < total < _MORE and share > _COMPUTING:
            self._lowered_at = now
            return 1
        if limit < threads and (total < _ROOM or share < _WAITING or now - self._lowered_at > _PATIENCE):
            return threads
        return limit


def processor_time(threads: Sequence[Thread]) -> tuple[float, float]:
    """Seconds of processor time that the process, and those `threads` of it, have used; 0.0 where nobody tells."""
    seconds = 0.0
    if sys.platform == "linux":
        for thread in threads:
            if thread.ident is not None and thread.is_alive():
                seconds += time.clock_gettime(time.pthread_getcpuclockid(thread.ident))
    return time.process_time(), seconds
