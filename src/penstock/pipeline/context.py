"""Context: everything known about one request while it is inside."""

from __future__ import annotations

import asyncio
from contextvars import Context as Variables
from typing import TYPE_CHECKING, Any, Final, TypeVar

from penstock.errors import ContractError
from penstock.pipeline.error_answer import report
from penstock.pipeline.request import Request
from penstock.pipeline.response import ContextResponse, Response
from penstock.pipeline.stages import Stage

if TYPE_CHECKING:
    from penstock.intake.runtime import Runtime
    from penstock.intake.worker_request import WorkerRequest
    from penstock.pipeline.plan import Plan

F = TypeVar("F")


class Principal:
    """Who asks. `name` is "" and `is_authenticated` False for the anonymous one."""

    __slots__ = ("is_authenticated", "name", "roles")

    def __init__(self, name: str = "", *, roles: frozenset[str] = frozenset()) -> None:
        self.name = name
        self.roles = roles
        self.is_authenticated = bool(name)


ANONYMOUS: Final = Principal()


class _Rest:
    """What few requests need: made when first asked for."""

    __slots__ = (
        "error",
        "errors",
        "failed_stage",
        "features",
        "is_complete",
        "items",
        "left",
        "principal",
        "request",
        "resume",
        "scopes",
        "waiter",
    )

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.is_complete = False
        self.waiter: asyncio.Future[None] | None = None
        self.request: Request | None = None
        self.items: dict[str, Any] | None = None
        self.features: dict[type, object] | None = None
        self.principal: Principal = ANONYMOUS
        self.errors: list[Exception] | None = None
        self.failed_stage: Stage | None = None
        self.left: Stage | None = None
        self.resume = 0
        self.scopes: list[tuple[Stage, Any]] | None = None


class Context:
    """One request on its way. Modules keep what belongs to a request here, never in themselves (pipeline A-01).

    `worker_request` is the host's side; `response` what will be answered; `route_values` the values of the route's template
    by name; `exchange` what the answering side keeps of this request; `plan` the steps of its location; `variables` the
    context variables it runs in.
    """

    __slots__ = (
        "_rest",
        "exchange",
        "plan",
        "position",
        "response",
        "route_values",
        "runtime",
        "task",
        "variables",
        "worker_request",
    )

    def __init__(self, worker_request: WorkerRequest, runtime: Runtime, plan: Plan, variables: Variables) -> None:
        self.worker_request = worker_request
        self.runtime = runtime
        self.plan = plan
        self.variables = variables
        self.position = 0
        self.response: Response = ContextResponse(self)
        self.task: asyncio.Task[None] | None = None
        self.route_values: dict[str, Any] | None = None
        self.exchange: object = None
        self._rest: _Rest | None = None

    @property
    def request(self) -> Request:
        """What was asked."""
        rest = self._rest or self.rest
        if rest.request is None:
            rest.request = Request(self.worker_request)
        return rest.request

    @property
    def stage(self) -> Stage:
        """The stage the request is in."""
        rest = self._rest
        if rest is not None and rest.left is not None and self.position in (rest.resume, self.plan.recover_at):
            return rest.left  # `complete` or `fail` has moved on already, the step that called it has not
        return self.plan.stages[self.position - 1]

    @property
    def is_over(self) -> bool:
        """Whether the request has passed its last stage; what still runs, runs behind the answer."""
        return self.position == self.plan.over_at

    @property
    def items(self) -> dict[str, Any]:
        """A place for anything, by name, while the request is inside."""
        rest = self._rest or self.rest
        if rest.items is None:
            rest.items = {}
        return rest.items

    @property
    def error(self) -> Exception | None:
        """The first error of this request, or None (pipeline X-01)."""
        return None if self._rest is None else self._rest.error

    @property
    def is_complete(self) -> bool:
        """Whether `complete` was called."""
        return self._rest is not None and self._rest.is_complete

    @property
    def principal(self) -> Principal:
        """Who asks; the anonymous principal until a module has found out (pipeline P-20)."""
        return ANONYMOUS if self._rest is None else self._rest.principal

    @principal.setter
    def principal(self, principal: Principal) -> None:
        self.rest.principal = principal

    @property
    def errors(self) -> list[Exception]:
        """All errors of this request, in order; `error` is the first (pipeline X-01)."""
        rest = self._rest
        return [] if rest is None or rest.errors is None else rest.errors

    @property
    def disconnected(self) -> bool:
        """Whether the client has left."""
        return self.worker_request.is_disconnected

    def complete(self) -> None:
        """Skip to the stages that always run; the caller goes on to its own end (pipeline P-08).

        In LOG and END it does nothing: these always run (P-09).
        """
        stage = self.stage
        if stage < Stage.LOG and self.position != self.plan.recover_at:
            rest = self.rest
            rest.is_complete = True
            rest.left = stage
            rest.resume = self.position = self.plan.position_after_completion(self.position - 1)

    def fail(self, error: Exception) -> None:
        """Record an error and go on with the error answer, then with the stages that always run (pipeline P-10, X-01).

        Raising from a hook or handler does the same.
        """
        rest = self.rest
        if rest.errors is None:
            rest.errors = []
        rest.errors.append(error)
        stage = self.stage
        is_first = rest.error is None
        if is_first:
            rest.error = error
            rest.failed_stage = stage
        else:
            report(self, error)  # the first is reported when it becomes the answer
            if self.position == self.plan.recover_at:
                return  # which is about to happen
        rest.left = stage
        if self.position == self.plan.send_at + 1:
            rest.resume = self.plan.send_at if is_first else self.position  # the error answer is sent once, too (E-11)
        elif stage < Stage.LOG:
            rest.resume = self.plan.position_after_completion(self.position - 1)
        else:
            rest.resume = self.position  # each step of the final stages stands alone (pipeline P-11)
        self.position = self.plan.recover_at if is_first else rest.resume

    def provide(self, feature: object) -> None:
        """Offer an object under its own type to whoever comes later."""
        rest = self.rest
        if rest.features is None:
            rest.features = {}
        rest.features[type(feature)] = feature

    def find(self, kind: type[F]) -> F | None:
        """The object of that type that was provided, or None."""
        features = None if self._rest is None else self._rest.features
        found = None if features is None else features.get(kind)
        return found if isinstance(found, kind) else None

    def need(self, kind: type[F]) -> F:
        """The object of that type that was provided. Raises ContractError that says what is missing and why."""
        found = self.find(kind)
        if found is None:
            raise ContractError(
                f"no {kind.__name__} at stage {self.stage.name}: is the module that provides it installed, "
                "and does its stage come earlier?"
            )
        return found

    @property
    def rest(self) -> _Rest:
        """Used by the pipeline: what few requests need."""
        if self._rest is None:
            self._rest = _Rest()
        return self._rest
