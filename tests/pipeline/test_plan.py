"""The plan: how subscriptions become a list of steps, and where a request goes that is complete or has failed."""

from typing import Any

import pytest

from penstock import ConfigurationError, Context, Hooks, Stage
from penstock.pipeline import steps
from penstock.pipeline.detour import detour
from penstock.pipeline.location import Location
from penstock.pipeline.plan import Plan, assemble
from penstock.pipeline.site import PipelineSite
from penstock.pipeline.step import Step
from penstock.pipeline.target import Target


def hook(context: Context) -> None:
    pass


def execute(context: Context) -> None:
    pass


SITE = PipelineSite()


def plan_of(*modules: Hooks, location: Location | None = None, is_development: bool = False, **target: Any) -> Plan:
    answering = Target("hello", "/", execute, **target)
    return assemble(modules, answering, location or Location(), site=SITE, is_development=is_development)


def described(plan: Plan) -> list[tuple[Stage, str]]:
    """The steps that people care about."""
    return [(step.stage, _label(step)) for step in plan.steps if step.module]


def _label(step: Step) -> str:
    if step.rule.startswith("scope until"):
        return f"{step.module}: {step.rule}"
    return f"{step.module}: {step.hook}" if step.hook == "leaves" else step.module + ("+" if step.is_post else "")


def hooks_of(name: str, *stages: Stage) -> Hooks:
    hooks = Hooks(name)
    for stage in stages:
        hooks.on(stage, hook)
    return hooks


class TestAssembly:
    def test_without_modules_there_is_what_answers_and_what_sends(self) -> None:
        plan = plan_of()
        assert plan.calls == (execute, steps.send, steps.leave, steps.over, detour)
        assert described(plan) == [(Stage.EXECUTE, "hello")]

    def test_steps_stand_in_the_order_of_stages_then_modules(self) -> None:
        first, second = hooks_of("A", Stage.END, Stage.BEGIN), hooks_of("B", Stage.BEGIN)
        first.after(Stage.EXECUTE, hook)
        assert described(plan_of(first, second)) == [
            (Stage.BEGIN, "A"),
            (Stage.BEGIN, "B"),
            (Stage.EXECUTE, "hello"),
            (Stage.EXECUTE, "A+"),
            (Stage.END, "A"),
        ]

    def test_pipeline_p05_a_lower_priority_comes_first(self) -> None:
        first, second = Hooks("A"), Hooks("B")
        first.on(Stage.BEGIN, hook)
        second.on(Stage.BEGIN, hook, priority=-1)
        second.after(Stage.LOG, hook)
        first.after(Stage.LOG, hook, priority=1)
        assert [label for _, label in described(plan_of(first, second))] == ["B", "A", "hello", "B+", "A+"]

    def test_the_stages_never_go_backwards(self) -> None:
        plan = plan_of(hooks_of("A", *reversed(Stage)), hooks_of("B", *Stage))
        assert list(plan.stages) == sorted(plan.stages)
        assert len(plan.stages) == len(plan.calls)

    def test_what_judges_the_answer_stands_right_behind_it(self) -> None:
        def finish(context: Context) -> None:
            pass

        after = hooks_of("A", Stage.EXECUTE)
        after.after(Stage.EXECUTE, hook)
        plan = plan_of(after, finish=finish)
        assert plan.calls[:5] == (hook, steps.keep_headers, execute, finish, hook)

    def test_what_makes_the_handler_ends_the_main_half_of_its_stage(self) -> None:
        def make(context: Context) -> None:
            pass

        module = hooks_of("A", Stage.MAP_HANDLER)
        module.after(Stage.MAP_HANDLER, hook)
        plan = plan_of(module, map_handler=make)
        assert plan.calls[:3] == (hook, make, hook)
        assert plan.map_end == 2

    def test_pipeline_h09_without_the_right_nothing_is_executed(self) -> None:
        plan = plan_of(location=Location(access=("read",)), finish=hook)
        assert plan.calls[:2] == (steps.refuse_access, steps.send)
        assert plan.steps[0].rule == "needs script"

    def test_pipeline_p20_authentication_ends_what_was_refused(self) -> None:
        assert steps.require_principal in plan_of(hooks_of("A", Stage.AUTHENTICATE)).calls
        assert steps.require_principal not in plan_of(hooks_of("A", Stage.AUTHORIZE)).calls

    def test_wraps_of_the_location_are_around_every_step(self) -> None:
        seen: list[str] = []

        def wrap(step: Step, call: Any) -> Any:
            seen.append(step.hook)
            return call

        plan_of(location=Location(wraps=(wrap,)))
        assert seen == ["", "send", "leave", "over", "detour"]

    def test_a_scope_is_described_where_it_is_entered_and_left(self) -> None:
        module = Hooks("Sessions")
        scope: Any = hook
        module.around(Stage.ACQUIRE_STATE, Stage.RELEASE_STATE, scope)
        assert described(plan_of(module)) == [
            (Stage.ACQUIRE_STATE, "Sessions: scope until RELEASE_STATE"),
            (Stage.EXECUTE, "hello"),
            (Stage.RELEASE_STATE, "Sessions: leaves"),
        ]

    def test_all_scopes_that_are_left_at_a_stage_are_described_the_innermost_first(self) -> None:
        inner, outer = Hooks("Inner"), Hooks("Outer")
        scope: Any = hook
        inner.around(Stage.AUTHORIZE, Stage.EXECUTE, scope)
        outer.around(Stage.AUTHENTICATE, Stage.EXECUTE, scope)
        assert described(plan_of(inner, outer))[-1] == (Stage.EXECUTE, "Inner, Outer: leaves")

    def test_pipeline_p07_what_was_cancelled_is_not_there(self) -> None:
        module = hooks_of("A", Stage.BEGIN)
        module.subscriptions[0].cancel()
        assert len(described(plan_of(module))) == 1

    def test_what_the_location_says_is_kept(self) -> None:
        location = Location(headers=((b"x", b"y"),), body_limit=5, access_log=False)
        plan = plan_of(location=location, is_development=True)
        assert (plan.headers, plan.body_limit, plan.access_log, plan.is_development) == (
            ((b"x", b"y"),),
            5,
            False,
            True,
        )


class TestCompletion:
    """Pipeline P-08: once ACQUIRE_STATE was entered, RELEASE_STATE runs."""

    @pytest.fixture
    def plan(self) -> Plan:
        return plan_of(hooks_of("A", *Stage))

    def stage_after(self, plan: Plan, stage: Stage) -> Stage:
        return plan.stages[plan.position_after_completion(plan.stages.index(stage))]

    @pytest.mark.parametrize("stage", [stage for stage in Stage if stage < Stage.ACQUIRE_STATE])
    def test_before_state_is_acquired_log_comes_next(self, plan: Plan, stage: Stage) -> None:
        assert self.stage_after(plan, stage) is Stage.LOG

    @pytest.mark.parametrize("stage", [Stage.ACQUIRE_STATE, Stage.PRE_EXECUTE, Stage.EXECUTE])
    def test_then_release_comes_next(self, plan: Plan, stage: Stage) -> None:
        assert self.stage_after(plan, stage) is Stage.RELEASE_STATE

    def test_the_other_steps_of_release_run(self) -> None:
        plan = plan_of(hooks_of("A", Stage.RELEASE_STATE), hooks_of("B", Stage.RELEASE_STATE))
        at = plan.stages.index(Stage.RELEASE_STATE)
        assert plan.position_after_completion(at) == at + 1

    @pytest.mark.parametrize("stage", [Stage.ACQUIRE_STATE, Stage.EXECUTE, Stage.UPDATE_CACHE])
    def test_update_cache_is_passed_by(self, stage: Stage) -> None:
        plan = plan_of(hooks_of("A", Stage.ACQUIRE_STATE, Stage.UPDATE_CACHE, Stage.LOG))
        assert self.stage_after(plan, stage) is Stage.LOG

    def test_without_any_further_step_sending_comes_next(self) -> None:
        plan = plan_of()
        assert plan.calls[plan.position_after_completion(0)] is steps.send


class TestNesting:
    """Ranges that overlap without nesting are refused at assembly."""

    def assemble_both(self, one: tuple[Stage, Stage], other: tuple[Stage, Stage]) -> Plan:
        scope: Any = hook
        first, second = Hooks("One"), Hooks("Other")
        first.around(*one, scope)
        second.around(*other, scope)
        return plan_of(first, second)

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ((Stage.BEGIN, Stage.END), (Stage.AUTHORIZE, Stage.EXECUTE)),
            ((Stage.AUTHORIZE, Stage.EXECUTE), (Stage.BEGIN, Stage.END)),
            ((Stage.BEGIN, Stage.END), (Stage.BEGIN, Stage.END)),
            ((Stage.BEGIN, Stage.END), (Stage.BEGIN, Stage.EXECUTE)),
            ((Stage.BEGIN, Stage.EXECUTE), (Stage.AUTHORIZE, Stage.EXECUTE)),
            ((Stage.BEGIN, Stage.AUTHORIZE), (Stage.RESOLVE_CACHE, Stage.EXECUTE)),
        ],
    )
    def test_ranges_that_nest_or_do_not_meet_are_fine(
        self, one: tuple[Stage, Stage], other: tuple[Stage, Stage]
    ) -> None:
        labels = [label for _, label in described(self.assemble_both(one, other))]
        assert f"One: scope until {one[1].name}" in labels
        assert f"Other: scope until {other[1].name}" in labels

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ((Stage.BEGIN, Stage.AUTHORIZE), (Stage.AUTHENTICATE, Stage.EXECUTE)),
            ((Stage.AUTHENTICATE, Stage.EXECUTE), (Stage.BEGIN, Stage.AUTHORIZE)),
            # The first to enter must be the last to leave.
            ((Stage.BEGIN, Stage.EXECUTE), (Stage.BEGIN, Stage.END)),
            # Entered at the stage where another is left: the hooks of a stage come before its scopes are left.
            ((Stage.BEGIN, Stage.AUTHORIZE), (Stage.AUTHORIZE, Stage.EXECUTE)),
        ],
    )
    def test_ranges_that_overlap_are_refused(self, one: tuple[Stage, Stage], other: tuple[Stage, Stage]) -> None:
        with pytest.raises(ConfigurationError) as caught:
            self.assemble_both(one, other)
        assert "modules One and Other overlap without nesting" in str(caught.value)

    def test_all_overlaps_are_told_at_once(self) -> None:
        scope: Any = hook
        module = Hooks("A")
        module.around(Stage.BEGIN, Stage.AUTHORIZE, scope)
        module.around(Stage.AUTHENTICATE, Stage.EXECUTE, scope)
        module.around(Stage.RESOLVE_CACHE, Stage.END, scope)
        with pytest.raises(ConfigurationError) as caught:
            plan_of(module)
        assert len(caught.value.problems) == 2
