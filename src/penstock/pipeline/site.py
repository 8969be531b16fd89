"""PipelineSite: the hosts it answers for, its modules, and for every path the plan that leads to what answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import ConfigurationError, Problem
from penstock.http.messages import RequestLine
from penstock.intake.stopping import Stopping
from penstock.pipeline.context import Context
from penstock.pipeline.location import Location
from penstock.pipeline.module import Hooks
from penstock.pipeline.plan import Plan, assemble
from penstock.pipeline.rerouting import execute_remapped, limit_body
from penstock.pipeline.routes import Prefixes, with_single_slashes
from penstock.pipeline.routing import Routing
from penstock.pipeline.scopes import ends_of
from penstock.pipeline.stages import Stage
from penstock.pipeline.starting import Part, Starting, refuse_for
from penstock.pipeline.target import Target
from penstock.pipeline.task import begin
from penstock.pipeline.verifier import Verifier

if TYPE_CHECKING:
    from penstock.intake.runtime import Runtime
    from penstock.intake.worker_request import WorkerRequest

_REMEMBERED: Final = 1024


# What a path leads to: its plan and the values of the route's template.
Found = tuple[Plan, "dict[str, Any] | None"]


class PipelineSite:
    """A site of the runtime whose requests pass the stages."""

    def __init__(
        self,
        *,
        hosts: Sequence[str] = ("*",),
        modules: Sequence[Hooks] = (),
        routes: Sequence[Target] = (),
        mounts: Sequence[Target] = (),
        files: Target | None = None,
        locations: Sequence[Location] = (),
        is_development: bool = False,
        is_verified: bool = False,
    ) -> None:
        """`modules` come attached. `locations` include one for "/", or the defaults hold there. `is_verified`: see `Verifier`.

        Raises ConfigurationError for modules whose scopes overlap, and for modules of a location that hook BEGIN.
        """
        self.hosts = tuple(hosts)
        self.modules = tuple(modules)
        self.routes = tuple(routes)
        self.mounts = tuple(mounts)
        self.files = files
        self.locations = tuple(locations) if any(each.at == "/" for each in locations) else (Location(), *locations)
        self.is_development = is_development
        self.is_verified = is_verified
        self.stopping = Stopping()
        self._verifier = Verifier() if is_verified else None
        self._routing = Routing(self.routes, self.mounts, files)
        self._locations = Prefixes([(location.at, location) for location in self.locations])
        self._plans: dict[tuple[Location, Target], Plan] = {}
        self._remapped = Target("remapped handler", "/", execute_remapped, needs="")
        self._found: dict[RequestLine, Found] = {}
        self._target_parts = {each: _part_of(each) for each in self._routing.targets}
        self.starting = Starting([*self._module_parts(), *self._target_parts.values()], self._found.clear)
        self._stand_ins: dict[Part, Target] = {}
        self._bare: set[Target] = set()  # those of them whose plan has no modules
        subscriptions = [each for hooks in self._all_modules() for each in hooks.subscriptions]
        self.has_rules = len(self.locations) > 1 or any(
            Stage.AUTHORIZE <= each.stage <= Stage.MAP_HANDLER for each in subscriptions
        )
        self.has_frames = any(hooks.has_frame for hooks in self._all_modules())
        self._scope_ends = ends_of(subscriptions)
        _check_begin(self.locations)
        for each in {hooks for location in self.locations for hooks in location.modules} | set(self.modules):
            each.freeze()
        self._connect_pages()
        self.plans = self._assemble_all()

    async def start(self) -> None:
        """Start modules, then applications, in order. Raises StartupError after stopping what had started.

        Where a failed start is tried again, requests for what has failed are answered with 503 meanwhile (pipeline A-05).
        """
        self.stopping.reset()
        await self.starting.start()

    async def stop(self) -> None:
        """Stop applications and modules in reverse order; a failure is logged and harms no other."""
        await self.starting.stop()

    def announce_stop(self) -> None:
        """The drain begins: who awaits `context.stopping` is told (pipeline G-06)."""
        self.stopping.set()

    def process(self, worker_request: WorkerRequest, runtime: Runtime) -> None:
        """Lead a request through the plan of its location to what answers it. Never raises."""
        head = worker_request.head
        found = self._found.get(head.line) or self._remember(head.line)
        plan = found[0]
        context = Context(worker_request, runtime, plan, runtime.variables.copy())
        if found[1] is not None:
            context.route_values = dict(found[1])
        if plan.checks_entry:
            self._check_entry(context)
        if head.framing.content_length:
            limit_body(context)
        begin(context)

    def _check_entry(self, context: Context) -> None:
        if self._verifier is not None:
            self._verifier.take_in(context)
        filtering = context.plan.location.filtering
        refusal = None if filtering is None else filtering.check(context.worker_request.head.line)
        if refusal is not None:
            context.fail(refusal)  # BEGIN is not entered, LOG and END are (pipeline P-02)

    def find_plan(self, method: str, path: str) -> Found:
        """The plan for a path and method, and the values of the route's template."""
        target, values = self._routing.find(method, path)
        location = self._location_of(path)
        failed = self.starting.find_failed(self._target_parts.get(target))
        return self._plan(location, target if failed is None else self._stand_in(failed, target)), values

    def plan_of(self, path: str, target: Target) -> Plan:
        """The plan of the location of `path` that leads to `target`."""
        return self._plan(self._location_of(path), target)

    def remapped(self, plan: Plan) -> Plan:
        """The plan of the same location that leads to the handler a module has chosen (pipeline H-04)."""
        return self._plan(plan.location, self._remapped)

    def _location_of(self, path: str) -> Location:
        return self._locations.find(with_single_slashes(path)) or self.locations[0]

    def _remember(self, line: RequestLine) -> Found:
        # The reader of heads remembers request lines; what each of them leads to is remembered here (pipeline H-02).
        found = self.find_plan(line.method, line.path)
        if len(self._found) >= _REMEMBERED:
            self._found.clear()
        self._found[line] = found
        return found

    def _connect_pages(self) -> None:
        """Error pages that are paths are made by what answers GET of them (pipeline X-07)."""
        problems: dict[str, Problem] = {}  # the locations below inherit a page: it is told of once
        for location in self.locations:
            for each in self._connect_pages_of(location):
                problems.setdefault(each.message, Problem(each.message, each.where or location.where))
        if problems:
            raise ConfigurationError(list(problems.values()))

    def _connect_pages_of(self, location: Location) -> Sequence[Problem]:
        if location.error_pages is None:
            return ()
        try:
            location.error_pages.connect(self._routing.find_page)
        except ConfigurationError as error:
            return error.problems
        return ()

    def _plan(self, location: Location, target: Target) -> Plan:
        plan = self._plans.get((location, target))
        if plan is None:
            plan = self._plans[location, target] = assemble(
                () if target in self._bare else (*self.modules, *location.modules),
                target,
                location,
                site=self,
                is_development=self.is_development,
                scope_ends=self._scope_ends,
                wraps=() if self._verifier is None else (self._verifier.wrap,),
            )
        return plan

    def _assemble_all(self) -> tuple[Plan, ...]:
        # Everything that can fail for the operator fails now: one plan for each target at each location.
        return tuple(self._plan(location, target) for location in self.locations for target in self._routing.targets)

    def _all_modules(self) -> list[Hooks]:
        modules = list(self.modules)
        for location in self.locations:
            modules += [hooks for hooks in location.modules if hooks not in modules]
        return modules

    def _module_parts(self) -> list[Part]:
        return [
            Part(f"module {each.module}", each.start_actions, each.stop_actions, is_for_all=True)
            for each in self._all_modules()
        ]

    def _stand_in(self, failed: Part, target: Target) -> Target:
        # Where a module has failed, no module takes part: what stands behind it relies on it (pipeline A-05).
        if failed not in self._stand_ins:
            stand_in = self._stand_ins[failed] = Target(failed.name, "/", refuse_for(failed))
            if failed.is_for_all:
                self._bare.add(stand_in)
            else:
                stand_in.stands_for = target
        return self._stand_ins[failed]


def _part_of(target: Target) -> Part:
    starts = () if target.on_start is None else (target.on_start,)
    return Part(target.name, starts, () if target.on_stop is None else (target.on_stop,))


def _check_begin(locations: Sequence[Location]) -> None:
    # The location is chosen behind BEGIN, whose hooks may rewrite the path: they belong to the site.
    found: dict[Hooks, Problem] = {}  # the locations below inherit a module: it is told of once
    for location in locations:
        for hooks in location.modules:
            if any(each.stage is Stage.BEGIN and not each.is_cancelled for each in hooks.subscriptions):
                advice = f"name it in [[site.module]], not below {location.at}"
                message = f"module {hooks.module} hooks BEGIN, which belongs to the site: {advice}"
                found.setdefault(hooks, Problem(message, location.where))
    if found:
        raise ConfigurationError(list(found.values()))
