"""The spans of a trace: what one request did, step by step (pipeline D-04)."""

import asyncio
from typing import Any

import pytest

from penstock import Context, Hooks, HTTPError, Stage
from penstock.pipeline.step import Step
from penstock.pipeline.trace_spans import MOST_SPANS, Span, Trace
from tests.pipeline.subject import ask, on, open_site, raising
from tests.pipeline.trace_subject import Record, attached, traced


def steps_of(record: Record, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(step.get(name) for name in names) for step in record["steps"] if step["module"]]


def test_a_span_says_nothing_until_something_happens() -> None:
    step = Step(Stage.BEGIN, "Gate", lambda context: None)
    span = Span(step, 0.5)
    assert (span.step, span.started, span.seconds) == (step, 0.5, 0.0)
    assert (span.how, span.status, span.error, span.events) == ("", 0, -1, [])


def test_a_step_lasts_until_the_next_one_begins() -> None:
    step = Step(Stage.BEGIN, "Gate", lambda context: None)
    seen: list[Trace] = []

    def begin(context: Context) -> None:
        trace = Trace(context)
        assert (trace.waited, trace.status, trace.failing, trace.is_over) == (0.0, 200, None, False)
        first = trace.open_span(context, step)
        context.response.status = 404
        second = trace.open_span(context, step)
        assert first.started + first.seconds == pytest.approx(second.started)
        assert (first.status, second.status, trace.status_by) == (404, 0, first)
        trace.end(context)
        assert second.started + second.seconds == pytest.approx(trace.seconds)
        seen.append(trace)

    ask(open_site(on(Stage.BEGIN, begin)))
    assert [(trace.is_over, trace.is_aborted, trace.is_cut) for trace in seen] == [(True, False, False)]


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
