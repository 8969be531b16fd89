"""Step: one line of a plan, for those who walk it and for those who look at it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from penstock.pipeline.stages import RULES, Runs, Stage

if TYPE_CHECKING:
    from penstock.pipeline.context import Context

Call = Callable[["Context"], Any]


class Step:
    """At `stage`, or in the half behind it (`is_post`), `module` is called: its `hook`, by name.

    `module` is "" for the steps that every plan has. `rule` says when it runs, or why it is there. Never changed once its
    plan stands; a plan that wraps its steps has wrapped `call` before.
    """

    __slots__ = ("call", "hook", "is_post", "module", "rule", "stage")

    def __init__(
        self,
        stage: Stage,
        module: str,
        call: Call,
        *,
        is_post: bool = False,
        hook: str = "",
        rule: str = "",
    ) -> None:
        self.stage = stage
        self.module = module
        self.call = call
        self.is_post = is_post
        self.hook = hook or ("" if module else name_of(call))
        self.rule = rule or RULES[stage].runs.value

    @property
    def always_runs(self) -> bool:
        """Whether it runs whatever happened before it (pipeline P-11)."""
        return RULES[self.stage].runs is not Runs.USUALLY

    def __repr__(self) -> str:
        return f"<Step {self.stage.name}{'+' if self.is_post else ''} {self.module}>"


def name_of(call: object) -> str:
    """The name under which people know a callable."""
    return getattr(call, "__name__", "") or type(call).__name__
