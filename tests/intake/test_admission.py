"""Who gets inside, who waits and who is turned away: pipeline E-08 and E-09."""

import asyncio
from collections.abc import Callable

import pytest

from penstock import Context
from penstock.hosts.memory_host import MemoryRequest
from penstock.intake.admission import Admission
from tests.intake.subject import FakeSite, answer, keep, make_request, started
from tests.pipeline.subject import LOOPS, open_site, run, settle


class TestAdmission:
    def test_the_queue_takes_so_many_and_no_more(self) -> None:
        async def journey() -> None:
            admission = Admission(1, 2)
            assert [admission.enqueue(make_request()) for _ in range(3)] == [True, True, False]

        run(journey)

    def test_the_next_is_the_first_that_came_when_there_is_room(self) -> None:
        async def journey() -> None:
            admission = Admission(1, 2)
            first, second = make_request(), make_request()
            admission.enqueue(first)
            admission.enqueue(second)
            admission.inside = 1
            assert admission.find_next() is None
            admission.inside = 0
            assert admission.find_next() is first
            assert admission.find_next() is second
            assert admission.find_next() is None

        run(journey)

    def test_those_whose_clients_left_are_taken_out(self) -> None:
        async def journey() -> None:
            admission = Admission(1, 3)
            requests = [make_request() for _ in range(3)]
            for each in requests:
                admission.enqueue(each)
            assert admission.take_disconnected() == []
            requests[0].disconnect()
            requests[2].disconnect()
            assert admission.take_disconnected() == [requests[0], requests[2]]
            assert list(admission.queue) == [requests[1]]

        run(journey)


class TestDoor:
    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_e09_two_inside_three_in_front_the_others_are_sent_away(self, loop: str) -> None:
        async def journey() -> None:
            gate = asyncio.Event()
            order: list[str] = []

            async def slow(context: Context) -> str:
                order.append(context.request.query_string.decode())
                await gate.wait()
                return "done"

            async with open_site(function=slow, requests_inside=2, queue=3, retry_after=7) as client:
                requests = [client.open("GET", f"/?{number}") for number in range(10)]
                await settle()
                statistics = client.runtime.statistics()
                assert (statistics.executing, statistics.queued, statistics.rejected) == (2, 3, 5)
                refused = [each for each in requests if each.has_sent_all]
                assert refused == requests[5:]
                heads = [each.response_head for each in refused]
                assert {head.status for head in heads if head} == {503}
                assert all((b"retry-after", b"7") in head.raw_headers for head in heads if head)
                gate.set()
                for each in requests:
                    await each.wait_finished()
                statistics = client.runtime.statistics()
                assert (statistics.succeeded, statistics.executing, statistics.queued) == (5, 0, 0)
            assert order == ["0", "1", "2", "3", "4"]

        run(journey, loop)

    def test_pipeline_e09_whoever_comes_while_a_place_becomes_free_comes_behind(self) -> None:
        async def journey() -> None:
            site = FakeSite(process=keep)
            runtime = await started(site, requests_inside=1)
            first, second, third = make_request("/1"), make_request("/2"), make_request("/3")
            runtime.process(first)
            runtime.process(second)
            answer(first, runtime)
            runtime.process(third)  # in the same turn of the loop
            statistics = runtime.statistics()
            assert (statistics.executing, statistics.queued, statistics.succeeded) == (0, 2, 1)
            await settle()
            assert site.inside == [first, second]
            assert runtime.statistics().executing == 1
            answer(second, runtime)
            await settle()
            assert site.inside == [first, second, third]

        run(journey)

    def test_pipeline_e09_the_limit_holds_while_many_leave_at_once(self) -> None:
        async def journey() -> None:
            site = FakeSite(process=keep)
            runtime = await started(site, requests_inside=3)
            requests = [make_request() for _ in range(9)]
            for each in requests:
                runtime.process(each)
            for each in requests[:3]:
                answer(each, runtime)
            await settle()
            assert site.inside == requests[:6]
            assert runtime.statistics().executing == 3

        run(journey)

    def test_pipeline_e09_a_request_that_is_answered_at_once_lets_the_next_in(self) -> None:
        async def journey() -> None:
            waiting = make_request("/first")
            site = FakeSite(process=lambda request, runtime: None if request is waiting else answer(request, runtime))
            runtime = await started(site, requests_inside=1)
            others = [make_request() for _ in range(500)]
            for each in (waiting, *others):
                runtime.process(each)
            answer(waiting, runtime)
            for each in others:
                await each.wait_finished()
            assert site.inside == [waiting, *others]

        run(journey)

    def test_pipeline_e08_whoever_left_while_waiting_never_runs(self) -> None:
        async def journey() -> None:
            site = FakeSite(process=keep)
            runtime = await started(site, requests_inside=1, queue=3)
            first, gone, last = make_request(), make_request(), make_request()
            for each in (first, gone, last):
                runtime.process(each)
            gone.disconnect()
            answer(first, runtime)
            await settle()
            assert site.inside == [first, last]
            assert (runtime.statistics().disconnected, gone.has_sent_all) == (1, True)

        run(journey)

    def test_pipeline_e08_those_who_left_make_room_in_a_full_queue_and_are_counted(self) -> None:
        async def journey() -> None:
            site = FakeSite(process=keep)
            runtime = await started(site, requests_inside=1, queue=2)
            requests = [make_request() for _ in range(5)]
            for each in requests[:3]:
                runtime.process(each)
            requests[1].disconnect()
            runtime.process(requests[3])
            runtime.process(requests[4])
            statistics = runtime.statistics()
            assert (statistics.queued, statistics.disconnected, statistics.rejected) == (2, 1, 1)
            assert _sum(statistics) == statistics.total == 5
            await requests[1].wait_finished()

        run(journey)

    def test_pipeline_e05_those_who_wait_when_the_server_stops_are_served_and_who_comes_late_is_sent_away(
        self,
    ) -> None:
        async def journey() -> None:
            runtime = await started(FakeSite(process=keep), requests_inside=1)
            inside, *waiting, late = [make_request() for _ in range(4)]
            for each in (inside, *waiting):
                runtime.process(each)
            draining = asyncio.ensure_future(runtime.drain(10))
            await settle()
            runtime.process(late)
            assert [_status(each) for each in (*waiting, late)] == [0, 0, 503]
            for each in (inside, *waiting):
                assert not draining.done()
                answer(each, runtime)
                await settle()
            assert await draining
            statistics = runtime.statistics()
            assert (statistics.executing, statistics.queued, statistics.succeeded) == (0, 0, 3)

        run(journey)

    def test_pipeline_g07_those_who_still_wait_when_the_time_is_over_are_sent_away(self) -> None:
        async def journey() -> None:
            runtime = await started(FakeSite(process=keep), requests_inside=1)
            inside, waiting = make_request(), make_request()
            runtime.process(inside)
            runtime.process(waiting)
            assert not await runtime.drain(0.01)
            assert _status(waiting) == 503

        run(journey)

    def test_pipeline_e05_a_place_is_kept_for_who_waits(self) -> None:
        async def journey() -> None:
            runtime = await started(FakeSite(process=keep), requests_inside=1)
            inside, waiting = make_request(), make_request()
            runtime.process(inside)
            runtime.process(waiting)
            answer(inside, runtime)
            draining = asyncio.ensure_future(runtime.drain(10))
            await settle()
            answer(waiting, runtime)
            assert await draining
            assert _status(waiting) == 200
            statistics = runtime.statistics()
            assert (statistics.executing, statistics.queued, statistics.total) == (0, 0, 2)

        run(journey)


def _status(request: MemoryRequest) -> int:
    return 0 if request.response_head is None else request.response_head.status


def _sum(statistics: object) -> int:
    names = ("executing", "queued", "succeeded", "failed", "rejected", "disconnected")
    total: Callable[..., int] = sum
    return total(getattr(statistics, name) for name in names)
