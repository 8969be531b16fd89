"""This file is the test of the clock of a schedule, also on days when clocks are changed."""

import os
import time
from collections.abc import Iterator
from datetime import datetime

import pytest

from penstock.supervisor.schedule import find_next_time


@pytest.fixture(autouse=True)
def berlin() -> Iterator[None]:
    # As rules, not as a name: slim images have no time zones. Clocks change on the last Sundays of March and October.
    before = os.environ.get("TZ")
    os.environ["TZ"] = "CET-1CEST,M3.5.0,M10.5.0/3"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def at(text: str) -> float:
    """A moment from its text with an offset."""
    return datetime.fromisoformat(text).timestamp()


def shown(moment: float | None) -> str:
    assert moment is not None
    return time.strftime("%Y-%m-%dT%H:%M:%S%z", time.localtime(moment))


class TestNextTime:
    def test_the_next_of_several_times_today(self) -> None:
        found = find_next_time(["03:30", "15:30"], at("2026-06-01T04:00:00+02:00"))
        assert shown(found) == "2026-06-01T15:30:00+0200"

    def test_tomorrow_when_today_is_over(self) -> None:
        found = find_next_time(["03:30"], at("2026-06-01T04:00:00+02:00"))
        assert shown(found) == "2026-06-02T03:30:00+0200"

    def test_later_than_the_moment_itself(self) -> None:
        found = find_next_time(["03:30"], at("2026-06-01T03:30:00+02:00"))
        assert shown(found) == "2026-06-02T03:30:00+0200"

    def test_no_times_no_moment(self) -> None:
        assert find_next_time([], 0.0) is None

    def test_what_is_no_time_is_refused(self) -> None:
        with pytest.raises(ValueError, match="hour"):
            find_next_time(["25:00"], 0.0)


class TestClockChanges:
    def test_a_skipped_time_comes_as_much_later_and_once(self) -> None:
        first = find_next_time(["02:30"], at("2026-03-28T12:00:00+01:00"))
        assert shown(first) == "2026-03-29T03:30:00+0200"
        assert first is not None
        assert shown(find_next_time(["02:30"], first)) == "2026-03-30T02:30:00+0200"

    def test_of_a_time_that_comes_twice_the_first_counts(self) -> None:
        first = find_next_time(["02:30"], at("2026-10-24T12:00:00+02:00"))
        assert shown(first) == "2026-10-25T02:30:00+0200"
        assert first is not None
        assert shown(find_next_time(["02:30"], first)) == "2026-10-26T02:30:00+0100"

    def test_a_time_after_the_change_is_by_the_new_clock(self) -> None:
        assert shown(find_next_time(["04:00"], at("2026-03-28T12:00:00+01:00"))) == "2026-03-29T04:00:00+0200"
        assert shown(find_next_time(["04:00"], at("2026-10-24T12:00:00+02:00"))) == "2026-10-25T04:00:00+0100"

    def test_once_a_day_for_a_year(self) -> None:
        moment = at("2026-01-01T00:00:00+01:00")
        days: list[int] = []
        while len(days) < 365:
            found = find_next_time(["02:30"], moment)
            assert found is not None
            moment = found
            days.append(time.localtime(moment).tm_yday)
        assert days == list(range(1, 366))
