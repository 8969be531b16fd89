"""Why and when a worker is replaced: the reasons, and the rules of `[server.recycle]` for each worker's age."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from enum import Enum
from typing import Final

from penstock.settings import RecycleSettings
from penstock.supervisor.messages import Beat
from penstock.supervisor.schedule import find_next_time

# IIS responseDeadlockInterval: three minutes (pipeline W-07).
DEADLOCK: Final = 180.0
# Seconds between two looks at a worker. If there were more, the supervisor itself stood still, and the rest does not count.
_MOST_BETWEEN_LOOKS: Final = 2.0


class Reason(Enum):
    """Why a worker is replaced. The value is what logs, counters and the control socket show; `text` is for people."""

    REQUEST_LIMIT = "RequestLimit"
    AGE = "Age"
    SCHEDULE = "Schedule"
    MEMORY = "Memory"
    STUCK = "Stuck"
    DEADLOCK = "Deadlock"
    FILE_CHANGE = "FileChange"
    OPERATOR = "Operator"
    SETTINGS_CHANGED = "SettingsChanged"
    PATH_CHANGED = "PathChanged"
    STUCK_THREADS = "StuckThreads"
    UPGRADE = "Upgrade"

    @property
    def text(self) -> str:
        """The reason in words, to be read behind "is replaced: "."""
        return _TEXTS[self]


_TEXTS: Final = {
    Reason.REQUEST_LIMIT: "it has answered as many requests as it may",
    Reason.AGE: "it is as old as it may become",
    Reason.SCHEDULE: "the schedule says so",
    Reason.MEMORY: "it holds more memory than it may",
    Reason.STUCK: "its event loop does not turn",
    Reason.DEADLOCK: "requests wait and none of those inside ends",
    Reason.FILE_CHANGE: "a file has changed",
    Reason.OPERATOR: "the operator asked for it",
    Reason.SETTINGS_CHANGED: "its settings have changed",
    Reason.PATH_CHANGED: "the folder of an application has moved",
    Reason.STUCK_THREADS: "too many of its threads are stuck",
    Reason.UPGRADE: "the supervisor was upgraded",
}


class RecyclePolicy:
    """The rules of one pool."""

    def __init__(
        self,
        settings: RecycleSettings,
        clock: Callable[[], float] = time.monotonic,
        *,
        wall_clock: Callable[[], float] = time.time,
        draw: Callable[[int, int], int] = random.randint,
        deadlock: float = DEADLOCK,
    ) -> None:
        """`clock` never goes back, `wall_clock` is in seconds since 1970; `draw(a, b)` is a number from a to b."""
        self._settings = settings
        self._clock = clock
        self._wall_clock = wall_clock
        self._draw = draw
        self._deadlock = deadlock

    def begin(self) -> WorkerAge:
        """The age of a worker that is started now."""
        settings = self._settings
        more = self._draw(0, settings.jitter) if settings.requests and settings.jitter else 0
        return WorkerAge(
            settings,
            self._clock,
            wall_clock=self._wall_clock,
            request_limit=settings.requests + more,
            deadlock=self._deadlock,
        )


class WorkerAge:
    """How far one worker is from being replaced. `request_limit` was drawn for it; 0 is none."""

    def __init__(
        self,
        settings: RecycleSettings,
        clock: Callable[[], float],
        *,
        wall_clock: Callable[[], float],
        request_limit: int,
        deadlock: float = DEADLOCK,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._wall_clock = wall_clock
        self._deadlock = deadlock
        self.request_limit = request_limit
        self.started = clock()
        self._due = find_next_time(settings.schedule, wall_clock())
        self._ended = -1  # requests, at the last beat
        self._moved = self.started  # when that number last changed, or nobody waited
        self._beaten = False
        self._looked = self.started
        self._silence = 0.0

    def find_reason(self, beat: Beat) -> Reason | None:
        """Take a beat; why the worker is to be replaced now, if it is."""
        self._beaten = True
        self._silence = 0.0
        self._looked = self._clock()
        if self.request_limit and beat.total >= self.request_limit:
            return Reason.REQUEST_LIMIT
        if self._settings.memory and beat.resident >= self._settings.memory:
            return Reason.MEMORY
        if self._is_deadlocked(beat):
            return Reason.DEADLOCK
        return self.find_due()

    def find_due(self) -> Reason | None:
        """Age or Schedule when it is time, whatever the worker says."""
        if self._settings.age and self._clock() - self.started >= self._settings.age:
            return Reason.AGE
        if self._due is not None and self._wall_clock() >= self._due:
            return Reason.SCHEDULE
        return None

    def find_stuck(self) -> Reason | None:
        """Stuck when no beat came for `stuck` seconds since there were any. To be asked about once a second (pipeline W-04)."""
        now = self._clock()
        self._silence += min(now - self._looked, _MOST_BETWEEN_LOOKS)
        self._looked = now
        if self._beaten and self._settings.stuck and self._silence >= self._settings.stuck:
            return Reason.STUCK
        return None

    def _is_deadlocked(self, beat: Beat) -> bool:
        """Requests wait outside, and none of those inside has ended for long (pipeline W-07).

        Without a queue there is none: long polls and streams may stay for hours.
        """
        if beat.ended != self._ended or not beat.queued:
            self._ended = beat.ended
            self._moved = self._clock()
        return self._clock() - self._moved >= self._deadlock
