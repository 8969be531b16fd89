"""This file is the test of the crash-loop guard: a pool that fails again and again is off, and tried again."""

import pytest

from penstock.supervisor.crash_guard import CrashGuard


class ManualClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def guard(clock: ManualClock) -> CrashGuard:
    return CrashGuard(5, 300, back_off=5, clock=clock)


def is_off(guard: CrashGuard) -> bool:
    return guard.is_off


def is_due(guard: CrashGuard) -> bool:
    return guard.is_due


def fail(guard: CrashGuard, times: int) -> None:
    for _ in range(times):
        guard.fail("exit code 1")


class TestCounting:
    def test_pipeline_w05_five_crashes_in_five_minutes_turn_the_pool_off(
        self, guard: CrashGuard, clock: ManualClock
    ) -> None:
        for _ in range(4):
            guard.fail("exit code 1")
            clock.now += 60
        assert not is_off(guard)
        guard.fail("killed by signal 9")
        assert is_off(guard)
        assert guard.reason == "killed by signal 9"
        assert (guard.total, guard.times_off) == (5, 1)
        assert guard.retry_at == clock.now + 5

    def test_pipeline_w05_quiet_after_four_crashes_resets_the_count(
        self, guard: CrashGuard, clock: ManualClock
    ) -> None:
        fail(guard, 4)
        clock.now += 301
        assert guard.recent == 0
        fail(guard, 4)
        assert not is_off(guard)
        assert guard.total == 8

    def test_only_what_lies_within_counts(self, guard: CrashGuard, clock: ManualClock) -> None:
        for _ in range(20):
            guard.fail("exit code 1")
            clock.now += 76
        assert not is_off(guard)

    def test_a_worker_that_starts_while_the_pool_is_on_does_not_reset_the_count(self, guard: CrashGuard) -> None:
        for _ in range(5):
            guard.succeed()
            guard.fail("exit code 1")
        assert is_off(guard)

    def test_one_failure_may_be_enough(self, clock: ManualClock) -> None:
        guard = CrashGuard(1, 300, back_off=5, clock=clock)
        guard.fail("exit code 1")
        assert is_off(guard)


class TestTryingAgain:
    def test_pipeline_w05_one_is_tried_when_it_is_time_and_turns_the_pool_on(
        self, guard: CrashGuard, clock: ManualClock
    ) -> None:
        fail(guard, 5)
        assert not is_due(guard)
        clock.now += 5
        assert is_due(guard)
        guard.begin_retry()
        assert is_off(guard)
        assert not is_due(guard)
        guard.succeed()
        assert not is_off(guard)
        assert guard.retry_at is None
        assert guard.recent == 0

    def test_pipeline_w05_the_wait_doubles_up_to_five_minutes(self, guard: CrashGuard, clock: ManualClock) -> None:
        fail(guard, 5)
        waits = []
        for _ in range(9):
            assert guard.retry_at is not None
            waits.append(guard.retry_at - clock.now)
            clock.now = guard.retry_at
            guard.begin_retry()
            guard.fail("exit code 1")
        assert waits == [5, 10, 20, 40, 80, 160, 300, 300, 300]
        assert guard.times_off == 1

    def test_workers_that_start_and_crash_soon_wait_longer_each_time(
        self, guard: CrashGuard, clock: ManualClock
    ) -> None:
        waits = []
        for _ in range(4):
            fail(guard, 5)
            assert guard.retry_at is not None
            waits.append(guard.retry_at - clock.now)
            clock.now = guard.retry_at
            guard.begin_retry()
            guard.succeed()
            clock.now += 1
        assert waits == [5, 10, 20, 40]

    def test_the_wait_is_short_again_after_a_quiet_time(self, guard: CrashGuard, clock: ManualClock) -> None:
        fail(guard, 5)
        clock.now += 5
        guard.begin_retry()
        guard.succeed()
        clock.now += 301
        fail(guard, 5)
        assert guard.retry_at == clock.now + 5

    def test_the_end_of_another_worker_while_it_is_off_does_not_make_it_wait_longer(
        self, guard: CrashGuard, clock: ManualClock
    ) -> None:
        fail(guard, 5)
        retry_at = guard.retry_at
        clock.now += 1
        guard.fail("exit code 1")
        assert guard.retry_at == retry_at

    def test_it_is_tried_only_when_it_is_off_and_once_at_a_time(self, guard: CrashGuard) -> None:
        with pytest.raises(RuntimeError, match="only a pool that is off"):
            guard.begin_retry()
        fail(guard, 5)
        guard.begin_retry()
        with pytest.raises(RuntimeError, match="once at a time"):
            guard.begin_retry()

    def test_retry_after_is_in_whole_seconds_and_never_zero(self, guard: CrashGuard, clock: ManualClock) -> None:
        assert guard.retry_after == 1
        fail(guard, 5)
        assert guard.retry_after == 5
        clock.now += 2.5
        assert guard.retry_after == 3
        clock.now += 60
        assert guard.retry_after == 1
