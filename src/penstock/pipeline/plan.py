"""Plan: the immutable list of steps of a location, leading to what answers it; assembled once, walked by every request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from penstock.errors import ConfigurationError, Problem
from penstock.pipeline import steps
from penstock.pipeline.module import ErrorHook, Hooks, Subscription
from penstock.pipeline.stages import Stage

if TYPE_CHECKING:
    from penstock.pipeline.context import Context

Call = Callable[["Context"], Any]


class Step:
    """One line of a plan: at `stage`, `module` is called."""

    __slots__ = ("call", "label", "module", "stage")

    def __init__(self, stage: Stage, module: str, call: Call, label: str = "") -> None:
        self.stage = stage
        self.module = module
        self.call = call
        self.label = label


class Plan:
    """The steps of one location and target.

    `calls` and `stages` run in parallel. `release_at` and `log_at` are where a request goes that is complete or has failed;
    `recover_at` is where an error becomes an answer. `headers` are set on every answer; `body_limit` is in bytes.
    """

    __slots__ = (
        "access_log",
        "body_limit",
        "calls",
        "error_hooks",
        "headers",
        "is_development",
        "log_at",
        "over_at",
        "recover_at",
        "release_at",
        "send_at",
        "stages",
        "steps",
        "target",
    )

    def __init__(
        self,
        lines: Sequence[Step],
        *,
        error_hooks: Sequence[ErrorHook] = (),
        target: str = "",
        headers: tuple[tuple[bytes, bytes], ...] = (),
        body_limit: int = 30_000_000,
        access_log: bool = True,
        is_development: bool = False,
    ) -> None:
        self.steps = tuple(lines)
        self.calls: tuple[Call, ...] = tuple(line.call for line in lines)
        self.stages: tuple[Stage, ...] = tuple(line.stage for line in lines)
        self.error_hooks = tuple(error_hooks)
        self.target = target
        self.headers = headers
        self.body_limit = body_limit
        self.access_log = access_log
        self.is_development = is_development
        self.log_at = self._find(steps.leave_scopes_before_log, Stage.LOG)
        release_at = self._find(steps.leave_scopes_before_release, Stage.RELEASE_STATE)
        self.release_at = release_at if self.stages[release_at] is Stage.RELEASE_STATE else self.log_at
        self.send_at = self.calls.index(steps.send)
        self.recover_at = self.calls.index(steps.recover)
        self.over_at = self.calls.index(steps.over)

    def position_after_completion(self, position: int) -> int:
        """Where a request goes on that was completed, or failed, at `position` (pipeline P-08)."""
        stage = self.stages[position]
        if Stage.ACQUIRE_STATE <= stage < Stage.RELEASE_STATE:
            return self.release_at
        if stage is Stage.RELEASE_STATE:
            return position + 1  # its other steps run, whatever happened
        return max(self.log_at, position + 1)

    def describe(self) -> tuple[tuple[Stage, str], ...]:
        """Stage and modules of every step that has any, in order, as it runs; `penstock stages` prints this."""
        return tuple((line.stage, line.label or line.module) for line in self.steps if line.module)

    def _find(self, call: Call, stage: Stage) -> int:
        if call in self.calls:
            return self.calls.index(call)
        return next((at for at, each in enumerate(self.stages) if each >= stage), len(self.stages))


def assemble(
    modules: Sequence[Hooks],
    execute: Call,
    *,
    target: str,
    headers: tuple[tuple[bytes, bytes], ...] = (),
    body_limit: int = 30_000_000,
    access_log: bool = True,
    is_development: bool = False,
    finish: Call | None = None,
) -> Plan:
    """Lay out the plan that leads from BEGIN to `execute` and on to the last byte.

    `finish`, when given, runs right behind `execute` and judges whether it kept its contract. Raises ConfigurationError for
    scopes that overlap without nesting.
    """
    subscriptions = [each for hooks in modules for each in hooks.subscriptions if not each.is_cancelled]
    _check_nesting(subscriptions)
    has_scopes = any(each.last is not None for each in subscriptions)
    lines: list[Step] = []
    for stage in Stage:
        if has_scopes and stage is Stage.RELEASE_STATE:
            lines.append(Step(stage, "", steps.leave_scopes_before_release))
        if has_scopes and stage is Stage.LOG:
            lines.append(Step(stage, "", steps.leave_scopes_before_log))
        at_stage = [each for each in subscriptions if each.stage is stage]
        lines += [_step_of(each) for each in at_stage if not each.is_post]
        if stage is Stage.EXECUTE:
            lines.append(Step(stage, target, execute))
            if finish is not None:
                lines.append(Step(stage, "", finish))
        lines += [_step_of(each) for each in at_stage if each.is_post]
        lines += _scope_ends(subscriptions, stage)
        if stage is Stage.RELEASE_STATE and any(line.stage is stage for line in lines):
            lines.append(Step(stage, "", steps.skip_when_complete))
    if is_development:
        for line in lines:
            line.call = steps.watched(line.call, line.module, line.stage)
    lines += [Step(Stage.END, "", step) for step in (steps.send, steps.leave, steps.recover, steps.over)]
    return Plan(
        lines,
        error_hooks=[hook for hooks in modules for hook in hooks.error_hooks],
        target=target,
        headers=headers,
        body_limit=body_limit,
        access_log=access_log,
        is_development=is_development,
    )


def _step_of(subscription: Subscription) -> Step:
    stage, module, call = subscription.stage, subscription.module, subscription.call
    if subscription.last is not None:
        return Step(
            stage, module, steps.enter_scope(call, subscription.last), f"{module} (until {subscription.last.name})"
        )
    return Step(stage, module, call, f"{module} (after)" if subscription.is_post else module)


def _scope_ends(subscriptions: Sequence[Subscription], stage: Stage) -> list[Step]:
    """One step leaves all that end here: the last to be entered first."""
    entered = sorted([each for each in subscriptions if each.last is stage], key=lambda each: each.stage)
    if not entered:
        return []
    modules = [each.module for each in reversed(entered)]
    label = ", ".join([f"{module} (leaves)" for module in modules])
    return [Step(stage, modules[0], steps.leave_scopes_until(stage), label)]


def _check_nesting(subscriptions: Sequence[Subscription]) -> None:
    scopes = [each for each in subscriptions if each.last is not None]
    problems = [
        Problem(
            f"modules {outer.module} and {inner.module} overlap without nesting: {outer.stage.name} to "
            f"{outer.last.name} and {inner.stage.name} to {inner.last.name}"
        )
        for at, outer in enumerate(scopes)
        for inner in scopes[at + 1 :]
        if outer.last is not None and inner.last is not None and _overlaps(outer, inner)
    ]
    if problems:
        raise ConfigurationError(problems)


def _overlaps(one: Subscription, other: Subscription) -> bool:
    if one.last is None or other.last is None:
        return False
    first, second = (one, other) if one.stage <= other.stage else (other, one)
    if first.last is None or second.last is None or second.stage > first.last:
        return False
    # Scopes that begin at the same stage nest in the order of the modules: the first to enter must be the last to leave.
    return second.last > first.last if first.stage < second.stage else one.last < other.last
