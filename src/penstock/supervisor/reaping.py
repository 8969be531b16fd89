"""How the dead are buried that nobody else buries: children of others that this process, as process 1, has inherited."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Final

# Seconds that whoever has started a child may take to ask how it has ended.
PATIENCE: Final = 5.0


class Reaper:
    """Reaps children that are not ours, so that they do not pile up, and never one that is (gunicorn #3220, #3353).

    When a process dies, its children become those of process 1. Those are waited for by nobody, and each keeps a number and a
    place in the table of processes for as long as the container runs. `is_ours` tells the workers by their number: they are
    left to their owner. A child that was started by somebody in this process, such as the program of a check, is left alone for
    `patience` seconds, in which its owner will have asked for it.
    """

    def __init__(
        self,
        is_ours: Callable[[int], bool],
        *,
        patience: float = PATIENCE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._is_ours = is_ours
        self._patience = patience
        self._clock = clock
        self._seen: dict[int, float] = {}
        self.total = 0

    def reap(self) -> float | None:
        """Reap what has been dead for long enough. Seconds after which this is to be called again; None when nothing is left."""
        now = self._clock()
        dead = {process for process in _children() if not self._is_ours(process) and _find_dead(process)}
        self._seen = {process: self._seen.get(process, now) for process in dead}
        due = [process for process, since in self._seen.items() if now - since >= self._patience]
        for process in due:
            del self._seen[process]
            self.total += _bury(process)
        return self._patience - (now - min(self._seen.values())) if self._seen else None


def inherits_orphans() -> bool:
    """Whether children of others become those of this process when they are left alone: as process 1, or a "subreaper"."""
    return os.getpid() == 1 or _is_subreaper()


def _children() -> list[int]:
    """The children of this process, dead or alive; without /proc only one of those that are dead."""
    try:
        # proc(5): each thread has its own list.
        return [child for thread in os.listdir("/proc/self/task") for child in _children_of(thread)]
    except OSError:
        found = _find_dead(None)
        return [] if found is None else [found]


def _children_of(thread: str) -> list[int]:
    with open(f"/proc/self/task/{thread}/children", "rb") as file:
        return [int(number) for number in file.read().split()]


def _find_dead(process: int | None) -> int | None:
    """That child if it has ended; for None, any that has. It is not buried: WNOWAIT leaves it to whoever asks next."""
    dead: int | None = None
    if sys.platform == "linux":
        try:
            kind = os.P_ALL if process is None else os.P_PID
            told = os.waitid(kind, process or 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            dead = None if told is None else told.si_pid
        except ChildProcessError:
            pass  # it was no child, or its owner was first
    return dead


def _bury(process: int) -> bool:
    try:
        return os.waitpid(process, getattr(os, "WNOHANG", 0))[0] == process
    except ChildProcessError:
        return False


def _is_subreaper() -> bool:
    answer = 0
    if sys.platform == "linux":
        import ctypes

        told = ctypes.c_int(0)
        # prctl(2): PR_GET_CHILD_SUBREAPER is 37
        ctypes.CDLL(None).prctl(37, ctypes.byref(told), 0, 0, 0)
        answer = told.value
    return bool(answer)
