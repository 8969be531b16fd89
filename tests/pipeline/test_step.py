"""Step: what a plan tells of its lines."""

from functools import partial

from penstock import Context, Stage
from penstock.pipeline.step import Step, name_of


def hello(context: Context) -> None:
    """Never called."""


def test_without_a_rule_of_its_own_it_is_the_stage_s() -> None:
    assert Step(Stage.BEGIN, "A", hello).rule == "until the request is complete or has failed"
    assert Step(Stage.LOG, "A", hello, rule="why").rule == "why"


def test_which_always_run() -> None:
    assert [stage.name for stage in Stage if Step(stage, "A", hello).always_runs] == ["RELEASE_STATE", "LOG", "END"]


def test_it_is_shown_with_its_half() -> None:
    assert repr(Step(Stage.LOG, "A", hello, is_post=True)) == "<Step LOG+ A>"


def test_callables_have_names() -> None:
    assert (name_of(hello), name_of(partial(hello))) == ("hello", "partial")
