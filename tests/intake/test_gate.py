"""The gate: open, held shut, turning away, and when the guard is asked (pipeline E-02, E-05)."""

import asyncio

import pytest

from penstock.hosts.memory_host import MemoryRequest
from penstock.intake.gate import Gate
from tests.intake.subject import FakeSite, keep, make_request, started
from tests.pipeline.subject import run, settle


def status_of(request: MemoryRequest) -> int:
    return 0 if request.response_head is None else request.response_head.status


class TestGate:
    def test_pipeline_e05_it_is_shut_before_the_start_and_behind_the_stop(self) -> None:
        async def journey() -> list[bool]:
            gate = Gate(asyncio.get_running_loop())
            seen = [gate.is_shut]
            gate.set_running(True)
            seen.append(gate.is_shut)
            gate.set_running(False)
            return [*seen, gate.is_shut]

        assert run(journey) == [True, False, True]

    def test_the_guard_is_asked_for_the_first_request_and_then_at_intervals(self) -> None:
        async def journey() -> None:
            asked: list[int] = []
            gate = Gate(asyncio.get_running_loop())
            gate.set_running(True)
            gate.ask(lambda: asked.append(1), 1000)
            seen = [gate.is_shut]
            gate.check()
            assert [*seen, gate.is_shut] == [True, False]
            gate.check()
            assert len(asked) == 1
            gate.ask(lambda: asked.append(1), 0)
            gate.check()
            await settle()
            assert gate.is_shut
            gate.check()
            assert len(asked) == 3
            gate.set_running(False)

        run(journey)

    def test_the_guard_is_not_asked_while_requests_are_held(self) -> None:
        async def journey() -> None:
            asked: list[int] = []
            gate = Gate(asyncio.get_running_loop())
            gate.set_running(True)
            gate.ask(lambda: asked.append(1), 0)
            gate.hold()
            gate.check()
            assert (asked, gate.is_shut) == ([], True)
            gate.open()
            gate.check()
            assert asked == [1]

        run(journey)

    def test_those_turned_away_are_told_for_how_long(self) -> None:
        async def journey() -> None:
            gate = Gate(asyncio.get_running_loop())
            gate.set_running(True)
            gate.turn_away("closed", 20)
            assert (gate.is_shut, gate.reason, gate.retry_after) == (True, "closed", 20)
            gate.open()
            assert (gate.is_shut, gate.reason, gate.retry_after) == (False, "", 20)
            gate.turn_away("closed", 0)
            await settle()
            assert (gate.is_shut, gate.reason, gate.retry_after) == (False, "", 1)

        run(journey)

    def test_pipeline_e03_a_guard_that_fails_keeps_nobody_out(self, caplog: pytest.LogCaptureFixture) -> None:
        def fail() -> None:
            raise OSError("the folder is gone")

        async def journey() -> None:
            site = FakeSite()
            runtime = await started(site)
            runtime.guard(fail)
            runtime.process(make_request())
            assert len(site.inside) == 1

        run(journey)
        assert "the folder is gone" in caplog.text


class TestRuntime:
    def test_pipeline_e02_held_requests_go_in_in_order_when_the_gate_opens(self) -> None:
        async def journey() -> None:
            site = FakeSite()
            runtime = await started(site)
            runtime.guard(runtime.gate.hold)
            requests = [make_request(f"/{number}") for number in range(3)]
            for request in requests:
                runtime.process(request)
            assert (site.inside, runtime.statistics().queued) == ([], 3)
            requests[1].disconnect()
            runtime.let_in()
            assert site.inside == [requests[0], requests[2]]
            statistics = runtime.statistics()
            assert (statistics.total, statistics.succeeded, statistics.disconnected) == (3, 2, 1)

        run(journey)

    def test_pipeline_e02_no_more_go_in_than_fit(self) -> None:
        async def journey() -> None:
            site = FakeSite(process=keep)
            runtime = await started(site, requests_inside=2, queue=3)
            runtime.guard(runtime.gate.hold)
            requests = [make_request() for _ in range(4)]
            for request in requests:
                runtime.process(request)
            assert [status_of(each) for each in requests] == [0, 0, 0, 503]
            runtime.let_in()
            statistics = runtime.statistics()
            assert (statistics.executing, statistics.queued, statistics.rejected) == (2, 1, 1)

        run(journey)

    def test_pipeline_e02_one_that_leaves_meanwhile_lets_nobody_in(self) -> None:
        async def journey() -> None:
            site = FakeSite(process=keep)
            runtime = await started(site)
            first, second = make_request(), make_request()
            runtime.process(first)
            runtime.gate.hold()
            runtime.process(second)
            runtime.leave(first, 200, [], True)
            await settle()
            assert site.inside == [first]
            assert (runtime.statistics().executing, runtime.statistics().queued) == (0, 1)
            runtime.let_in()
            assert site.inside == [first, second]

        run(journey)

    def test_pipeline_e02_those_turned_away_get_503_and_the_time(self) -> None:
        async def journey() -> None:
            site = FakeSite()
            runtime = await started(site)
            runtime.gate.hold()
            held, late = make_request(), make_request()
            runtime.process(held)
            runtime.turn_away("the new code does not start", 20)
            runtime.process(late)
            for each in (held, late):
                assert each.response_head is not None
                assert each.response_head.status == 503
                assert (b"retry-after", b"20") in each.response_head.raw_headers
            assert (site.inside, runtime.statistics().rejected) == ([], 2)

        run(journey)
