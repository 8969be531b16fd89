"""Plan: the immutable list of steps of a location, leading to what answers it; assembled once, walked by every request."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from penstock.intake.stopping import Stopping
from penstock.pipeline import scopes, steps
from penstock.pipeline.detour import detour
from penstock.pipeline.filters import run_filters
from penstock.pipeline.location import Location
from penstock.pipeline.module import Hooks, Subscription
from penstock.pipeline.stages import Stage
from penstock.pipeline.step import Call, Step, name_of
from penstock.pipeline.target import Target

# Gives what is called in place of a step, such as one that is timed.
Wrap = Callable[[Step, Call], Call]


class PlansOfSite(Protocol):
    """Where a request finds another plan."""

    # Whether it makes a difference which path a request goes by: locations, or modules from AUTHORIZE to MAP_HANDLER.
    has_rules: bool
    # Whether middleware takes part in stages anywhere: a request may come to any plan with some of it waiting.
    has_frames: bool
    is_verified: bool
    # True from the moment on at which the site is to stop.
    stopping: Stopping

    def find_plan(self, method: str, path: str) -> tuple[Plan, dict[str, Any] | None]:
        """The plan for a path and method, and the values of the route's template."""

    def plan_of(self, path: str, target: Target) -> Plan:
        """The plan of the location of `path` that leads to `target`."""

    def remapped(self, plan: Plan) -> Plan:
        """The plan of the same location that leads to the handler a module has chosen."""


class Plan:
    """The steps of one location and target.

    `calls` and `stages` run in parallel. `release_at` and `log_at` are where a request goes that is complete or has failed,
    `authorize_at` where it comes in again after a re-dispatch, `unwind_at` where middleware in stages gets it back, `map_end` is behind the last step of MAP_HANDLER's main half.
    The last four steps, which every plan has, are those of `_last_steps`; `send_at`, `over_at` and `detour_at` are theirs.
    """

    __slots__ = (
        "access_log",
        "authorize_at",
        "body_limit",
        "calls",
        "checks_entry",
        "detour_at",
        "error_hooks",
        "headers",
        "is_development",
        "location",
        "log_at",
        "map_end",
        "over_at",
        "release_at",
        "send_at",
        "shortcuts",
        "site",
        "stages",
        "steps",
        "target",
        "unwind_at",
    )

    def __init__(
        self,
        lines: Sequence[Step],
        *,
        site: PlansOfSite,
        location: Location,
        target: Target,
        modules: Sequence[Hooks],
        is_development: bool,
    ) -> None:
        """`lines` end with the steps of `_last_steps`."""
        self.steps = tuple(lines)
        self.calls: tuple[Call, ...] = tuple(line.call for line in lines)
        self.stages: tuple[Stage, ...] = tuple(line.stage for line in lines)
        self.error_hooks = tuple(hook for hooks in modules for hook in hooks.error_hooks)
        self.site = site
        self.location = location
        self.target = target
        # What nearly every request asks for, one step nearer.
        self.headers = location.headers
        self.body_limit = location.body_limit
        self.access_log = location.access_log
        self.is_development = is_development
        # What middleware in stages has found out about its way through this plan.
        self.shortcuts: dict[object, Any] = {}
        # Whether a request is judged, or watched, before its first step.
        self.checks_entry = location.filtering is not None or site.is_verified
        self.detour_at = len(lines) - 1
        self.over_at = self.detour_at - 1
        self.send_at = self.detour_at - 3
        self.authorize_at = self._find(Stage.AUTHORIZE)
        self.log_at = self._find(Stage.LOG)
        self.unwind_at = self._find(Stage.END) if site.has_frames else -1
        release_at = self._find(Stage.RELEASE_STATE)
        self.release_at = release_at if self.stages[release_at] is Stage.RELEASE_STATE else self.log_at
        self.map_end = next(
            (at for at, line in enumerate(lines) if (line.stage, line.is_post) > (Stage.MAP_HANDLER, False)), 0
        )

    def position_after_completion(self, position: int) -> int:
        """Where a request goes on that was completed, or failed, at `position` (pipeline P-08)."""
        stage = self.stages[position]
        if Stage.ACQUIRE_STATE <= stage < Stage.RELEASE_STATE:
            return self.release_at
        if stage is Stage.RELEASE_STATE:
            return position + 1  # its other steps run, whatever happened
        return max(self.log_at, position + 1)

    def _find(self, stage: Stage) -> int:
        return next(at for at, each in enumerate(self.stages) if each >= stage)


def assemble(
    modules: Sequence[Hooks],
    target: Target,
    location: Location,
    *,
    site: PlansOfSite,
    is_development: bool = False,
    scope_ends: frozenset[Stage] = frozenset(),
    wraps: Sequence[Wrap] = (),
) -> Plan:
    """Lay out the plan that leads from BEGIN to `target` and on to the last byte.

    `scope_ends` are the stages behind which scopes end anywhere in the site: a request may come here with scopes open.
    `wraps` and those of the location are put around every step, the last one outermost.
    Raises ConfigurationError for scopes that overlap without nesting.
    """
    subscriptions = [each for hooks in modules for each in hooks.subscriptions if not each.is_cancelled]
    scopes.check_nesting(subscriptions)
    subscriptions.sort(key=lambda each: each.priority)
    ends = scope_ends | scopes.ends_of(subscriptions)
    lines: list[Step] = []
    for stage in Stage:
        if stage is Stage.END and site.has_frames:
            lines.append(Step(stage, "", steps.unwind, hook="unwind", rule="back through middleware in stages (G11)"))
            lines.append(Step(stage, "", steps.unwind_further, hook="unwind", rule="and through the one around it"))
        lines += _steps_in_front(stage, subscriptions, ends)
        lines += [_step_of(each) for each in subscriptions if each.stage is stage and not each.is_post]
        if stage is Stage.AUTHENTICATE and any(line.stage is stage for line in lines):
            lines.append(Step(stage, "", steps.require_principal, is_post=True, rule="ends what was refused (P-20)"))
        if stage is Stage.EXECUTE and lines:
            lines.append(Step(stage, "", steps.keep_headers, rule="what modules have set stays on errors (X-07)"))
        lines += _steps_of_target(stage, target, location, has_rules=site.has_rules)
        lines += [_step_of(each) for each in subscriptions if each.stage is stage and each.is_post]
        lines += scopes.steps_behind(stage, subscriptions, ends)
        if stage is Stage.RELEASE_STATE and any(line.stage is stage for line in lines):
            lines.append(Step(stage, "", steps.skip_when_complete, is_post=True))
    lines += _last_steps()
    _wrap(lines, [*_wraps_of(modules, is_development), *wraps, *location.wraps])
    return Plan(lines, site=site, location=location, target=target, modules=modules, is_development=is_development)


def _steps_in_front(stage: Stage, subscriptions: Sequence[Subscription], ends: frozenset[Stage]) -> list[Step]:
    lines = []
    if ends and stage is Stage.RELEASE_STATE:
        lines.append(Step(stage, "", scopes.leave_before_release, rule="leaves the scopes that end before"))
    if ends and stage is Stage.LOG:
        lines.append(Step(stage, "", scopes.leave_before_log, rule="leaves the scopes that end before"))
    # Filters run before the answer is kept for others, or else before it is written down (pipeline O-08).
    if stage in (Stage.UPDATE_CACHE, Stage.LOG) and any(each.stage >= stage for each in subscriptions):
        lines.append(Step(stage, "", run_filters, rule="filters of the body end here (O-08)"))
    return lines


def _steps_of_target(stage: Stage, target: Target, location: Location, *, has_rules: bool) -> list[Step]:
    """What stands between the two halves of a stage for the sake of what answers."""
    lines = []
    if stage is Stage.MAP_HANDLER and target.map_handler is not None and (has_rules or not target.only_for_rules):
        lines.append(Step(stage, target.name, target.map_handler, hook="map"))
    if stage is Stage.EXECUTE:
        if target.needs and target.needs not in location.access:
            return [Step(stage, target.name, steps.refuse_access, hook="no access", rule=f"needs {target.needs}")]
        if target.preload is not None:
            lines.append(Step(stage, target.name, target.preload, hook="preload"))
        lines.append(Step(stage, target.name, target.execute))
        if target.finish is not None:
            lines.append(Step(stage, "", target.finish))
    return lines


def _last_steps() -> list[Step]:
    return [
        Step(Stage.END, "", steps.send, hook="send", rule="sends what has not left yet"),
        Step(Stage.END, "", steps.leave, hook="leave", rule="counts the request out"),
        Step(Stage.END, "", steps.over, hook="over", rule="nothing is left to do"),
        Step(Stage.END, "", detour, hook="detour", rule="behind a step that did not simply end"),
    ]


def _wraps_of(modules: Sequence[Hooks], is_development: bool) -> list[Wrap]:
    found = [scopes.step_scope(scope) for hooks in modules for scope in hooks.step_scopes]
    return [steps.watched, *found] if is_development else found


def _wrap(lines: Sequence[Step], wraps: Sequence[Wrap]) -> None:
    for line in lines:
        for wrap in wraps:
            line.call = wrap(line, line.call)


def _step_of(subscription: Subscription) -> Step:
    stage, module, call, last = subscription.stage, subscription.module, subscription.call, subscription.last
    if last is None:
        return Step(stage, module, call, is_post=subscription.is_post, hook=name_of(call))
    rule = f"scope until {last.name}"
    return Step(stage, module, scopes.enter_scope(subscription, last), hook=name_of(call), rule=rule)
