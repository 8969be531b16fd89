"""A plan as a table and as values."""

import pytest

from penstock import Context, Hooks, Stage
from penstock.pipeline.location import Location
from penstock.pipeline.plan import Plan
from penstock.pipeline.routes import Template
from penstock.pipeline.site import PipelineSite
from penstock.pipeline.step import Step
from penstock.pipeline.target import Target
from penstock.pipeline.trace import TraceRule, Tracing
from penstock.tools.plan_text import name_of_step, plan_facts, plan_lines, plan_values, rule_text


def hello(context: Context) -> None:
    """Never called."""


def made(location: Location | None = None, **target: object) -> tuple[Plan, PipelineSite]:
    hooks = Hooks("Gate")
    hooks.on(Stage.BEGIN, hello)
    hooks.after(Stage.LOG, hello)
    answers = Target("hello", "/", hello, template=Template("/"), **target)  # type: ignore[arg-type]
    site = PipelineSite(modules=[hooks], routes=[answers], locations=[location] if location else [])
    return site.find_plan("GET", "/")[0], site


class TestFacts:
    def test_only_what_is_not_as_usual_is_said(self) -> None:
        assert list(plan_facts(made()[0])) == [("location", "/")]

    def test_everything_else_has_a_line(self) -> None:
        location = Location("/", deadline=2.5, access=["read"], error_format="json")
        plan, _ = made(location, methods=("GET", "POST"), allow_anonymous=True, cancel_on_disconnect=True)
        assert dict(plan_facts(plan)) == {
            "location": "/",
            "methods": "GET, POST",
            "allow_anonymous": "authorization lets everybody in",
            "access": "403: the location does not grant script",
            "cancel_on_disconnect": "it is cancelled when the client leaves",
            "deadline": "2.5 s to the head of the answer",
            "error_format": "json",
        }

    def test_pipeline_d04_a_rule_for_traces_is_said(self) -> None:
        wrap = Tracing(TraceRule("/", ("5xx",), 2.0), print)
        plan, _ = made(Location("/", wraps=[wrap]))
        told = "every step is timed, by [[site.trace]] at /: status 5xx or slower than 2 s or aborted"
        assert dict(plan_facts(plan))["trace"] == told


class TestTable:
    def test_steps_are_numbered_and_every_stage_is_shown(self) -> None:
        lines = [" ".join(line.split()) for line in plan_lines(made()[0], indent="  ")]
        assert lines[:2] == ["location: /", "stage module and hook rule"]
        assert lines[2] == "1 BEGIN Gate: hello until the request is complete or has failed"
        assert "AUTHENTICATE" in lines
        assert [line for line in lines if "LOG, after Gate: hello" in line]
        assert {stage.name for stage in Stage} <= {word.rstrip(",") for line in lines for word in line.split()}

    def test_everything_is_indented(self) -> None:
        assert all(line.startswith("    ") for line in plan_lines(made()[0], indent="    "))

    def test_steps_without_a_module_are_our_own(self) -> None:
        assert name_of_step(Step(Stage.BEGIN, "Gate", hello, hook="begin")) == "Gate: begin"
        assert name_of_step(Step(Stage.END, "", hello)) == "penstock: hello"
        assert name_of_step(Step(Stage.EXECUTE, "function shop:pay", hello)) == "function shop:pay"


class TestValues:
    def test_have_the_steps_in_order(self) -> None:
        plan, site = made(Location("/", deadline=5.0))
        values = plan_values(plan, site)
        assert (values["site"], values["target"], values["at"], values["deadline"]) == (["*"], "hello", "/", 5.0)
        assert (values["is_filtered"], values["has_error_pages"], values["trace"]) == (False, False, [])
        assert [step["order"] for step in values["steps"]] == list(range(1, len(plan.steps) + 1))
        assert values["steps"][0]["hook"] == "hello"


@pytest.mark.parametrize(
    ("specs", "slower_than", "text"),
    [
        ([404, "5xx"], 0.0, "status 404, 5xx or aborted"),
        ([], 0.5, "slower than 0.5 s or aborted"),
        ([], 0.0, "aborted"),
    ],
)
def test_which_requests_leave_a_trace(specs: list[int | str], slower_than: float, text: str) -> None:
    assert rule_text(specs, slower_than) == text
