"""The runtime: every request passes it once in and once out; it starts, drains and stops what answers."""

import asyncio
from typing import Any

import pytest

from penstock import StartupError
from penstock.hosts.memory_host import MemoryRequest
from penstock.http.messages import ResponseHead
from penstock.intake.runtime import Runtime, RuntimeState
from tests.intake.subject import FakeSite, answer, keep, make_request, started
from tests.pipeline.subject import run, settle


def status_of(request: MemoryRequest) -> int:
    return 0 if request.response_head is None else request.response_head.status


class TestLife:
    def test_sites_start_in_order_and_stop_in_reverse(self) -> None:
        log: list[str] = []

        async def journey() -> None:
            runtime = Runtime([FakeSite(["a"], log=log), FakeSite(["b"], log=log)])
            states = [runtime.state]
            await runtime.start()
            states.append(runtime.state)
            assert await runtime.drain(1)
            states.append(runtime.state)
            await runtime.stop()
            states.append(runtime.state)
            assert states == list(RuntimeState)
            await runtime.stop()

        run(journey)
        assert log == ["start a", "start b", "stop b", "stop a"]

    def test_a_site_that_fails_to_start_stops_those_that_had_started(self) -> None:
        log: list[str] = []

        async def journey() -> None:
            sites = [FakeSite([name], log=log) for name in "abc"]
            sites[1].failure = StartupError("no database")
            runtime = Runtime(sites)
            with pytest.raises(StartupError, match="no database"):
                await runtime.start()
            assert runtime.state is RuntimeState.STOPPED

        run(journey)
        assert log == ["start a", "start b", "stop a"]

    def test_pipeline_e05_before_it_runs_and_behind_its_end_requests_are_sent_away(self) -> None:
        async def journey() -> None:
            site = FakeSite()
            runtime = Runtime([site])
            early, late = make_request(), make_request()
            runtime.process(early)
            await runtime.start()
            await runtime.drain(1)
            await runtime.stop()
            runtime.process(late)
            assert [status_of(early), status_of(late)] == [503, 503]
            assert site.inside == []
            assert runtime.statistics().rejected == 2

        run(journey)

    def test_draining_waits_for_those_inside(self) -> None:
        async def journey() -> None:
            runtime = await started(FakeSite(process=keep))
            request = make_request()
            runtime.process(request)
            draining = asyncio.ensure_future(runtime.drain(10))
            await settle()
            assert not draining.done()
            answer(request, runtime)
            assert await draining

        run(journey)

    def test_draining_gives_up_when_time_is_over(self) -> None:
        async def journey() -> None:
            runtime = await started(FakeSite(process=keep))
            runtime.process(make_request())
            assert not await runtime.drain(0.001)

        run(journey)

    def test_draining_waits_for_work_behind_the_answers_and_stopping_cancels_it(self) -> None:
        async def journey() -> None:
            runtime = await started(FakeSite())
            gate = asyncio.Event()
            task: asyncio.Task[Any] = asyncio.create_task(gate.wait())
            runtime.run_behind(task)
            assert runtime.statistics().background == 1
            draining = asyncio.ensure_future(runtime.drain(10))
            await settle()
            assert not draining.done()
            gate.set()
            assert await draining
            assert runtime.statistics().background == 0
            stuck: asyncio.Task[Any] = asyncio.create_task(asyncio.Event().wait())
            runtime.run_behind(stuck)
            await runtime.stop()
            await settle()
            assert stuck.cancelled()
            runtime.run_behind(task)
            assert runtime.statistics().background == 0

        run(journey)


class TestHosts:
    SITES = ("exact.example.org", "*.example.org", "*.deep.example.org", "*")

    @pytest.mark.parametrize(
        ("host", "found"),
        [
            ("exact.example.org", 0),
            ("other.example.org", 1),
            ("a.b.example.org", 1),
            ("x.deep.example.org", 2),
            ("example.org", 3),
            ("notexample.org", 3),
            ("", 3),
        ],
    )
    def test_the_exact_name_else_the_longest_wildcard_else_the_star(self, host: str, found: int) -> None:
        async def journey() -> None:
            sites = [FakeSite([name]) for name in self.SITES]
            runtime = await started(*reversed(sites))
            request = make_request(host=host)
            runtime.process(request)
            runtime.process(make_request(host=host))
            assert [len(each.inside) for each in sites] == [2 if at == found else 0 for at in range(4)]

        run(journey)

    def test_a_site_may_have_several_names(self) -> None:
        async def journey() -> None:
            site = FakeSite(["a.example", "B.example"])
            runtime = await started(site)
            runtime.process(make_request(host="A.EXAMPLE"))
            runtime.process(make_request(host="b.example:8000"))
            assert len(site.inside) == 2

        run(journey)

    def test_a_host_that_nobody_answers_for_is_misdirected(self) -> None:
        async def journey() -> None:
            site = FakeSite(["a.example"])
            runtime = await started(site)
            request = make_request(host="b.example")
            runtime.process(request)
            assert (status_of(request), site.inside) == (421, [])
            statistics = runtime.statistics()
            assert (statistics.failed, statistics.executing) == (1, 0)

        run(journey)


class TestLeaving:
    def test_a_client_that_left_is_counted_as_such_whatever_it_was_answered(self) -> None:
        async def journey() -> None:
            runtime = await started(FakeSite(process=keep))
            request = make_request()
            runtime.process(request)
            request.disconnect()
            answer(request, runtime)
            statistics = runtime.statistics()
            assert (statistics.disconnected, statistics.succeeded) == (1, 0)

        run(journey)

    def test_what_leaves_is_recorded_where_its_location_wants_it(self) -> None:
        recorded: list[tuple[str, int]] = []

        async def journey() -> None:
            def process(worker_request: Any, runtime: Runtime) -> None:
                worker_request.send(ResponseHead(204, []), b"", False)
                runtime.leave(worker_request, 204, [], worker_request.head.path == "/shown")

            runtime = await started(FakeSite(process=process))
            runtime.record = lambda request, status, headers: recorded.append((request.head.path, status))
            for path in ("/shown", "/hidden"):
                runtime.process(make_request(path))
            await runtime.drain(1)
            runtime.process(make_request("/late"))

        run(journey)
        assert recorded == [("/shown", 204), ("/late", 503)]

    def test_a_quota_is_reached_once(self) -> None:
        reached: list[int] = []

        async def journey() -> None:
            runtime = await started(FakeSite())
            runtime.limit_requests(3, lambda: reached.append(runtime.statistics().total))
            for _ in range(5):
                runtime.process(make_request())

        run(journey)
        assert reached == [3]


class TestRecycle:
    def test_pipeline_g01_the_first_reason_wins_and_all_are_kept(self) -> None:
        async def journey() -> None:
            asked: list[str] = []
            runtime = await started(FakeSite())
            runtime.on_recycle = asked.append
            for reason in ("path", "threads", "path"):
                runtime.recycle(reason)
            assert (asked, runtime.recycle_reasons) == (["path"], ["path", "threads", "path"])
            for _ in range(1000):
                runtime.recycle("again")
            assert len(runtime.recycle_reasons) == 100
            runtime.replace_sites([FakeSite()])
            runtime.recycle("next")
            assert asked == ["path", "next"]

        run(journey)
