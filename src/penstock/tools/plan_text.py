"""A plan as a table for people and as values for programs: order, stage, module, hook and rule of every step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from penstock.tools.columns import columns

if TYPE_CHECKING:
    from penstock.pipeline.plan import Plan
    from penstock.pipeline.site import PipelineSite
    from penstock.pipeline.step import Step

_TITLES: Final = ("", "stage", "module and hook", "rule")
_OURS: Final = "penstock"


def plan_lines(plan: Plan, *, indent: str) -> Iterator[str]:
    """What holds for the plan, then its steps in the order in which they run; a stage without steps has a line of its own."""
    for name, text in plan_facts(plan):
        yield f"{indent}{name}: {text}"
    rows = [_TITLES, *_rows(plan)]
    for line in columns(rows):
        yield f"{indent}{line}"


def plan_facts(plan: Plan) -> Iterator[tuple[str, str]]:
    """What is said of the location and of what answers: names and texts, only what is not as usual."""
    target, location = plan.target, plan.location
    yield "location", location.at
    if target.methods:
        yield "methods", ", ".join(target.methods)
    if target.allow_anonymous:
        yield "allow_anonymous", "authorization lets everybody in"
    if target.needs and target.needs not in location.access:
        yield "access", f"403: the location does not grant {target.needs}"
    if target.cancel_on_disconnect:
        yield "cancel_on_disconnect", "it is cancelled when the client leaves"
    if location.deadline:
        yield "deadline", f"{location.deadline:g} s to the head of the answer"
    if location.filtering is not None:
        yield "filtering", "requests are judged before BEGIN"
    if location.error_format != "negotiated":
        yield "error_format", location.error_format
    if location.error_pages is not None:
        yield "errors", "the location has pages of its own"
    for text in traced_by(plan):
        yield "trace", text


def traced_by(plan: Plan) -> Iterator[str]:
    """The rules by which every step of the plan is timed."""
    from penstock.pipeline.trace import Tracing

    for wrap in plan.location.wraps:
        if isinstance(wrap, Tracing):
            text = rule_text(wrap.rule.specs, wrap.rule.slower_than)
            yield f"every step is timed, by [[site.trace]] at {wrap.rule.at}: {text}"


def rule_text(specs: Sequence[int | str], slower_than: float) -> str:
    """Which requests leave a trace."""
    parts = [f"status {', '.join(str(spec) for spec in specs)}"] if specs else []
    parts += [f"slower than {slower_than:g} s"] if slower_than else []
    return " or ".join([*parts, "aborted"])


def plan_values(plan: Plan, site: PipelineSite) -> dict[str, Any]:
    """A plan for `--json`."""
    target, location = plan.target, plan.location
    return {
        "site": list(site.hosts),
        "target": target.name,
        "at": target.at,
        "methods": list(target.methods),
        "location": location.at,
        "allow_anonymous": target.allow_anonymous,
        "needs": target.needs,
        "access": list(location.access),
        "cancel_on_disconnect": target.cancel_on_disconnect,
        "body_limit": location.body_limit,
        "deadline": location.deadline,
        "error_format": location.error_format,
        "is_filtered": location.filtering is not None,
        "has_error_pages": location.error_pages is not None,
        "trace": list(traced_by(plan)),
        "steps": [_step_values(number, step) for number, step in enumerate(plan.steps, 1)],
    }


def _step_values(order: int, step: Step) -> dict[str, Any]:
    return {
        "order": order,
        "stage": step.stage.name,
        "is_post": step.is_post,
        "module": step.module,
        "hook": step.hook,
        "rule": step.rule,
    }


def _rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    from penstock.pipeline.stages import Stage

    numbered = list(enumerate(plan.steps, 1))
    for stage in Stage:
        at_stage = [(number, step) for number, step in numbered if step.stage is stage]
        if not at_stage:
            yield "", stage.name, "", ""
        for number, step in at_stage:
            name = f"{stage.name}, after" if step.is_post else stage.name
            yield str(number), name, name_of_step(step), step.rule


def name_of_step(step: Step) -> str:
    """The module and its hook; what has no module is the pipeline's own."""
    module = step.module or _OURS
    return f"{module}: {step.hook}" if step.hook else module
