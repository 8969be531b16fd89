"""When the clock next shows one of the times of a schedule, once a day each, also on days when the clocks are changed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta


def find_next_time(schedule: Sequence[str], after: float) -> float | None:
    """The first moment later than `after` at which the local clock shows a time of `schedule` ("03:30"); None without any.

    Both moments are in seconds since 1970. A time that is skipped when clocks go forward comes as much later as they are put
    forward; of one that comes twice when they go back, the first counts. Raises ValueError for what is no time of day.
    """
    times = [time.fromisoformat(text) for text in schedule]
    return min((moment for moment in _moments(times, after) if moment > after), default=None)


def _moments(times: Sequence[time], after: float) -> Iterator[float]:
    day = date.fromtimestamp(after)  # noqa: DTZ012  # the operator's clock is the local one
    # The day after tomorrow, too: where the date line was moved, a day is missing.
    for offset in range(3):
        for each in times:
            # A naive time is the local one, and `fold` is 0: the first of two (PEP 495).
            yield datetime.combine(day + timedelta(days=offset), each).timestamp()
