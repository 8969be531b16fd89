"""Which requests leave a trace, and what it costs the others: pipeline D-04."""

import asyncio
from collections.abc import Sequence

import pytest

from penstock import Context, HTTPError, Stage
from penstock.hosts.memory_host import MemoryRequest
from penstock.pipeline.handler import execute_step
from penstock.pipeline.location import Location
from penstock.pipeline.routes import Template
from penstock.pipeline.site import PipelineSite
from penstock.pipeline.target import Target
from penstock.pipeline.trace import TraceRule, Tracing
from penstock.settings import LimitSettings
from penstock.testing import Client
from tests.pipeline.subject import hello, raising, run
from tests.pipeline.trace_subject import BUGS, EVERYTHING, Record, attached, site_of, traced


class TestRule:
    def test_pipeline_d04_what_succeeds_leaves_nothing(self) -> None:
        assert traced(rule=BUGS) == []

    @pytest.mark.parametrize(
        ("specs", "status", "is_left"),
        [
            (("500-599",), 500, True),
            (("500-599",), 404, False),
            (("4xx",), 404, True),
            ((404,), 404, True),
            ((404,), 403, False),
            ((), 500, False),
        ],
    )
    def test_pipeline_d04_by_status(self, specs: Sequence[int | str], status: int, is_left: bool) -> None:
        records = traced(rule=TraceRule("/", specs), handler=raising(HTTPError(status)))
        assert [record["outcomes"] for record in records] == ([["failed"]] if is_left else [])

    def test_pipeline_d04_slow_ones(self) -> None:
        async def slow(context: Context) -> str:
            await asyncio.sleep(0.02)
            return "done"

        records = traced(rule=TraceRule("/", (), 0.01), handler=slow)
        assert [(record["outcome"], record["status"]) for record in records] == [("slow", 200)]
        assert traced(rule=TraceRule("/", (), 5.0), handler=slow) == []

    def test_pipeline_d04_aborted_ones(self) -> None:
        records: list[Record] = []

        async def journey() -> None:
            entered, go_on = asyncio.Event(), asyncio.Event()

            async def slow(context: Context) -> str:
                entered.set()
                await go_on.wait()
                return "too late"

            site = site_of(records, rule=TraceRule("/", ()), handler=slow)
            async with Client([site], limits=LimitSettings()) as client:
                parked = asyncio.ensure_future(client.get("/"))
                await entered.wait()
                waiting = next(iter(client.runtime.inside.values())).worker_request
                assert isinstance(waiting, MemoryRequest)
                waiting.disconnect()
                go_on.set()
                await asyncio.wait([parked])

        run(journey)
        assert [record["outcomes"] for record in records] == [["aborted"]]

    def test_pipeline_d04_an_answer_that_is_cut_off_has_failed_whatever_its_status(self) -> None:
        async def breaks(context: Context) -> None:
            context.response.write("half")
            await context.response.flush()
            raise ValueError("no more")

        (record,) = traced(rule=BUGS, handler=breaks)
        assert (record["outcome"], record["status"], record["is_cut"]) == ("failed", 200, True)

    def test_a_status_that_is_none_is_refused(self) -> None:
        with pytest.raises(ValueError, match='"bugs" is not a status'):
            TraceRule("/", ("bugs",))


class TestOthers:
    def test_pipeline_d04_a_plan_without_a_rule_calls_the_very_same_objects(self) -> None:
        def begin(context: Context) -> None: ...

        hooks = attached("Gate", lambda hooks: hooks.on(Stage.BEGIN, begin))
        execute = execute_step(lambda context: hello())
        target = Target("function /", "/", execute, template=Template("/"))
        plain = PipelineSite(modules=[hooks], routes=[target])
        beside = PipelineSite(
            modules=[hooks],
            routes=[target],
            locations=[Location("/traced", wraps=[Tracing(BUGS, print)])],
        )
        for site in (plain, beside):
            calls = site.find_plan("GET", "/")[0].calls
            assert calls[0] is begin
            assert execute in calls
        traced_calls = beside.find_plan("GET", "/traced")[0].calls
        assert begin not in traced_calls

    def test_pipeline_d04_a_trace_that_cannot_be_written_harms_no_request(self) -> None:
        def refuse(record: Record) -> None:
            raise OSError("the disk is full")

        async def journey() -> int:
            site = PipelineSite(
                routes=[Target("function", "/", execute_step(lambda context: hello()), template=Template("/"))],
                locations=[Location("/", wraps=[Tracing(EVERYTHING, refuse)])],
            )
            async with Client([site], limits=LimitSettings()) as client:
                answer = await client.get("/")
                assert client.runtime.statistics().executing == 0
                return answer.status

        assert run(journey) == 200
