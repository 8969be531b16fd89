"""Traces of requests, step by step: pipeline D-04."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from penstock import Context, Hooks, HTTPError, Stage
from penstock.hosts.memory_host import MemoryRequest
from penstock.pipeline.handler import execute_step
from penstock.pipeline.location import Location
from penstock.pipeline.module import Hooks as PlacedHooks
from penstock.pipeline.routes import Template
from penstock.pipeline.site import PipelineSite
from penstock.pipeline.target import Target
from penstock.pipeline.trace import TraceRule, Tracing
from penstock.pipeline.trace_spans import MOST_SPANS
from penstock.settings import LimitSettings
from penstock.testing import Client
from tests.pipeline.subject import Attached, hello, raising, run

Record = dict[str, Any]
EVERYTHING = TraceRule("/", ("1xx", "200-599"))
BUGS = TraceRule("/", ("500-599",))


def attached(name: str, attach: Callable[[Hooks], object]) -> PlacedHooks:
    hooks = Hooks(name)
    Attached(attach).attach(hooks)
    return hooks


def site_of(
    records: list[Record],
    *modules: PlacedHooks,
    rule: TraceRule = EVERYTHING,
    handler: Callable[[Context], Any] = lambda context: hello(),
    handlers: dict[str, Callable[[Context], Any]] | None = None,
) -> PipelineSite:
    functions = {"/": handler, **(handlers or {})}
    return PipelineSite(
        modules=modules,
        routes=[
            Target(f"function {at}", at, execute_step(each), template=Template(at)) for at, each in functions.items()
        ],
        locations=[Location(rule.at, wraps=[Tracing(rule, records.append).trace_step])],
    )


def traced(
    *modules: PlacedHooks, path: str = "/", headers: dict[str, str] | None = None, **subject: Any
) -> list[Record]:
    """What one request left."""
    records: list[Record] = []

    async def journey() -> None:
        async with Client([site_of(records, *modules, **subject)], limits=LimitSettings()) as client:
            await client.get(path, headers=headers)

    run(journey)
    return records


def steps_of(record: Record, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(step.get(name) for name in names) for step in record["steps"] if step["module"]]


class TestSteps:
    def test_pipeline_d04_every_step_in_order_by_stage_module_and_hook(self) -> None:
        class Gate:
            def begin(self, context: Context) -> None: ...
            async def check(self, context: Context) -> None: ...

        gate = Gate()
        (record,) = traced(
            attached(
                "Gate", lambda hooks: (hooks.on(Stage.BEGIN, gate.begin), hooks.after(Stage.AUTHORIZE, gate.check))
            )
        )
        assert steps_of(record, "stage", "is_post", "module", "hook", "how") == [
            ("BEGIN", False, "Gate", "begin", None),
            ("AUTHORIZE", True, "Gate", "check", "awaited"),
            ("EXECUTE", False, "function /", "", None),
        ]

    def test_pipeline_d04_durations_sum_to_the_total(self) -> None:
        async def slow(context: Context) -> str:
            await asyncio.sleep(0.05)
            return "done"

        (record,) = traced(handler=slow)
        total = sum(step["seconds"] for step in record["steps"])
        assert total == pytest.approx(record["seconds"], rel=0.05)
        assert record["seconds"] > 0.05
        (execute,) = [step for step in record["steps"] if step["stage"] == "EXECUTE" and step["module"]]
        assert execute["seconds"] == pytest.approx(record["seconds"], rel=0.2)
        assert execute["how"] == "awaited"

    def test_pipeline_d04_errors_scopes_and_sending_are_steps_too(self) -> None:
        class Scope:
            def __enter__(self) -> None: ...
            def __exit__(self, *error: object) -> None: ...

        (record,) = traced(
            attached("Span", lambda hooks: hooks.around(Stage.BEGIN, Stage.END, lambda context: Scope())),
            handler=raising(ValueError("no")),
        )
        hooks = [(step["stage"], step["hook"]) for step in record["steps"]]
        assert ("END", "detour") in hooks
        assert ("END", "send") in hooks
        assert [step["module"] for step in record["steps"]].count("Span") == 2

    def test_pipeline_d04_who_set_the_status(self) -> None:
        def teapot(context: Context) -> None:
            context.response.status = 418

        (record,) = traced(attached("Pot", lambda hooks: hooks.on(Stage.END, teapot)))
        assert record["status"] == 418
        assert record["status_set_by"] == {"stage": "END", "is_post": False, "module": "Pot", "hook": "teapot"}
        assert ("END", "Pot", 418) in steps_of(record, "stage", "module", "status")

    def test_pipeline_d04_an_error_is_that_of_the_step_that_raised_it(self) -> None:
        (record,) = traced(
            attached("Gate", lambda hooks: hooks.on(Stage.AUTHORIZE, raising(HTTPError(503, "not now"))))
        )
        place = {"stage": "AUTHORIZE", "is_post": False, "module": "Gate", "hook": "fail"}
        assert record["failed_at"] == place
        assert record["status_set_by"] == place
        assert record["status"] == 503
        assert record["errors"][0]["type"] == "penstock.errors.HTTPError"
        assert record["errors"][0]["message"] == "not now"

    def test_pipeline_d04_an_awaited_step_that_fails(self) -> None:
        async def fails(context: Context) -> None:
            await asyncio.sleep(0)
            raise KeyError("gone")

        (record,) = traced(handler=fails)
        assert record["failed_at"]["module"] == "function /"
        assert record["errors"][0]["type"] == "KeyError"
        assert "in fails" in record["errors"][0]["traceback"]
        assert "raise KeyError" in record["errors"][0]["traceback"]

    def test_pipeline_d04_every_error_is_kept_up_to_ten(self) -> None:
        def failing(hooks: Hooks) -> None:
            for number in range(14):
                hooks.on(Stage.LOG, raising(ValueError(str(number))))

        (record,) = traced(attached("Bad", failing))
        assert [error["message"] for error in record["errors"]] == [str(number) for number in range(10)]
        assert record["errors_left_out"] == 4

    def test_completing_is_an_event(self) -> None:
        (record,) = traced(attached("Gate", lambda hooks: hooks.on(Stage.BEGIN, lambda context: context.complete())))
        assert steps_of(record, "module", "events") == [("Gate", ["completed the request"])]

    def test_pipeline_d04_rewriting_is_an_event(self) -> None:
        (record,) = traced(
            attached("Language", lambda hooks: hooks.on(Stage.BEGIN, lambda context: context.rewrite("/b"))),
            handlers={"/b": lambda context: "b"},
            path="/a",
        )
        events = [event for step in record["steps"] for event in step.get("events", [])]
        assert events == ["the path is now /b", "the way leads to function /b"]
        assert (record["path"], record["led_to"], record["target"]) == ("/a", "/b", "function /b")

    def test_pipeline_d04_redispatching_is_an_event_and_its_way_is_kept(self) -> None:
        def onward(context: Context) -> None:
            if context.request.path == "/":
                context.redispatch("/b")

        (record,) = traced(
            attached("Gate", lambda hooks: hooks.on(Stage.AUTHORIZE, onward)), handlers={"/b": lambda context: "b"}
        )
        events = [event for step in record["steps"] for event in step.get("events", [])]
        assert "the path is now /b" in events
        assert record["redispatches"] == ["/"]
        assert [step[0] for step in steps_of(record, "stage")] == ["AUTHORIZE", "AUTHORIZE", "EXECUTE"]

    def test_pipeline_d04_five_hundred_steps_are_kept_the_first_and_the_last(self) -> None:
        def many(hooks: Hooks) -> None:
            for _ in range(MOST_SPANS + 50):
                hooks.on(Stage.BEGIN, lambda context: None)

        (record,) = traced(attached("Many", many))
        assert len(record["steps"]) == MOST_SPANS
        assert record["steps_left_out"] > 50
        assert record["steps"][0]["stage"] == "BEGIN"
        assert record["steps"][-1]["stage"] == "END"
        total = sum(step["seconds"] for step in record["steps"]) + record["seconds_left_out"]
        assert total == pytest.approx(record["seconds"], rel=0.05)


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
            locations=[Location("/traced", wraps=[Tracing(BUGS, print).trace_step])],
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
                locations=[Location("/", wraps=[Tracing(EVERYTHING, refuse).trace_step])],
            )
            async with Client([site], limits=LimitSettings()) as client:
                answer = await client.get("/")
                assert client.runtime.statistics().executing == 0
                return answer.status

        assert run(journey) == 200


class TestRecord:
    def test_pipeline_d04_secrets_are_not_in_it(self) -> None:
        def answers(context: Context) -> str:
            context.response.headers["set-cookie"] = "id=s3cret"
            return "done"

        secrets = {"authorization": "Bearer s3cret", "cookie": "id=s3cret", "x-api-key": "s3cret"}
        (record,) = traced(handler=answers, path="/?page=s3cret&s3cret", headers={**secrets, "x-kept": "yes"})
        assert "s3cret" not in repr(record)
        assert record["query"] == ["page", "[redacted]"]
        assert ("x-kept", "yes") in record["headers"]
        assert ("set-cookie", "[redacted]") in record["response_headers"]

    def test_pipeline_d06_it_has_the_trace_id_of_the_caller(self) -> None:
        trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
        (record,) = traced(headers={"traceparent": f"00-{trace_id}-00f067aa0ba902b7-01"})
        assert record["trace_id"] == trace_id

    def test_a_long_traceback_keeps_its_beginning_and_its_end(self) -> None:
        def deep(context: Context) -> None:
            raise ValueError("x" * 100_000)

        (record,) = traced(handler=deep)
        (error,) = record["errors"]
        assert error["traceback"].startswith("Traceback")
        assert len(error["traceback"]) < 31_000
        assert len(error["message"]) < 2100

    def test_an_error_without_a_message_to_be_had(self) -> None:
        class Mute(Exception):
            def __str__(self) -> str:
                raise RuntimeError("no")

        (record,) = traced(handler=raising(Mute()))
        assert record["errors"][0]["message"] == "its message cannot be had"
