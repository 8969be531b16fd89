"""This file is the test of the rules by which a worker is replaced."""

import random

import pytest

from penstock.settings import RecycleSettings
from penstock.supervisor.messages import Beat
from penstock.supervisor.recycling import Reason, RecyclePolicy, WorkerAge


class ManualClock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def begin(settings: RecycleSettings, clock: ManualClock) -> WorkerAge:
    return RecyclePolicy(settings, clock, wall_clock=clock, deadlock=180).begin()


class TestReasons:
    def test_every_reason_has_a_text_and_its_name_of_iis(self) -> None:
        assert all(reason.text for reason in Reason)
        assert [reason.value for reason in Reason] == [reason.name.title().replace("_", "") for reason in Reason]
        assert Reason("RequestLimit") is Reason.REQUEST_LIMIT

    def test_by_default_nothing_but_a_stuck_loop_and_a_deadlock_is_a_reason(self, clock: ManualClock) -> None:
        age = begin(RecycleSettings(), clock)
        clock.now += 10_000_000
        assert age.find_reason(Beat(total=10**9, ended=10**9, resident=10**12)) is None


class TestRequests:
    def test_pipeline_w02_the_hundredth_request_is_the_last(self, clock: ManualClock) -> None:
        age = begin(RecycleSettings(requests=100), clock)
        assert age.request_limit == 100
        assert age.find_reason(Beat(total=99)) is None
        assert age.find_reason(Beat(total=100)) is Reason.REQUEST_LIMIT

    def test_pipeline_w02_jitter_is_drawn_for_each_worker(self, clock: ManualClock) -> None:
        chance = random.Random(6)
        policy = RecyclePolicy(RecycleSettings(requests=100, jitter=50), clock, draw=chance.randint)
        limits = [policy.begin().request_limit for _ in range(200)]
        assert min(limits) >= 100
        assert max(limits) <= 150
        assert len(set(limits)) > 30

    def test_jitter_alone_is_no_limit(self, clock: ManualClock) -> None:
        assert begin(RecycleSettings(jitter=50), clock).request_limit == 0


class TestAge:
    def test_pipeline_w02_a_worker_that_is_old_enough(self, clock: ManualClock) -> None:
        age = begin(RecycleSettings(age=3600), clock)
        clock.now += 3599
        assert age.find_reason(Beat()) is None
        clock.now += 1
        assert age.find_reason(Beat()) is Reason.AGE

    def test_pipeline_w02_a_time_of_the_clock(self, clock: ManualClock) -> None:
        age = begin(RecycleSettings(schedule=("03:30",)), clock)
        assert age.find_due() is None
        clock.now += 25 * 3600
        assert age.find_due() is Reason.SCHEDULE
        assert begin(RecycleSettings(schedule=("03:30",)), clock).find_due() is None


class TestMemory:
    def test_pipeline_w02_resident_bytes(self, clock: ManualClock) -> None:
        age = begin(RecycleSettings(memory=500), clock)
        assert age.find_reason(Beat(resident=499)) is None
        assert age.find_reason(Beat(resident=500)) is Reason.MEMORY


class TestStuck:
    def test_pipeline_w04_no_beat_for_so_many_seconds(self, clock: ManualClock) -> None:
        age = begin(RecycleSettings(stuck=3), clock)
        assert age.find_reason(Beat()) is None
        found = []
        for _ in range(4):
            clock.now += 1
            found.append(age.find_stuck())
        assert found == [None, None, Reason.STUCK, Reason.STUCK]

    def test_pipeline_w04_a_beat_is_a_turn_of_the_loop(self, clock: ManualClock) -> None:
        age = begin(RecycleSettings(stuck=3), clock)
        for _ in range(10):
            age.find_reason(Beat())
            clock.now += 2
            assert age.find_stuck() is None

    def test_a_worker_that_has_not_started_is_not_stuck(self, clock: ManualClock) -> None:
        age = begin(RecycleSettings(stuck=3), clock)
        for _ in range(10):
            clock.now += 1
            assert age.find_stuck() is None

    def test_0_is_never(self, clock: ManualClock) -> None:
        age = begin(RecycleSettings(stuck=0), clock)
        age.find_reason(Beat())
        for _ in range(100):
            clock.now += 1
            assert age.find_stuck() is None

    def test_time_in_which_the_supervisor_itself_stood_still_does_not_count(self, clock: ManualClock) -> None:
        age = begin(RecycleSettings(stuck=30), clock)
        age.find_reason(Beat())
        clock.now += 3600  # stopped by a debugger, or a machine that slept
        assert age.find_stuck() is None


class TestDeadlock:
    def test_pipeline_w07_requests_wait_and_none_ends(self, clock: ManualClock) -> None:
        age = begin(RecycleSettings(), clock)
        beat = Beat(total=1001, ended=0, executing=1000, queued=1)
        assert age.find_reason(beat) is None
        clock.now += 179
        assert age.find_reason(beat) is None
        clock.now += 1
        assert age.find_reason(beat) is Reason.DEADLOCK

    def test_pipeline_w07_one_that_ends_is_enough(self, clock: ManualClock) -> None:
        age = begin(RecycleSettings(), clock)
        for ended in range(10):
            assert age.find_reason(Beat(ended=ended, executing=1000, queued=1)) is None
            clock.now += 179

    def test_pipeline_w07_streams_that_stay_are_no_deadlock_while_nobody_waits(self, clock: ManualClock) -> None:
        age = begin(RecycleSettings(), clock)
        for _ in range(10):
            assert age.find_reason(Beat(total=3, ended=0, executing=3)) is None
            clock.now += 3600
