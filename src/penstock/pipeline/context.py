"""Context: everything known about one request while it is inside."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextvars import Context as Variables
from typing import TYPE_CHECKING, Any, TypeVar

from penstock.errors import ContractError
from penstock.http.targets import rewritten
from penstock.http.trace_context import find_trace_id, trace_id_from
from penstock.pipeline import deadlines
from penstock.pipeline.completion import Completion
from penstock.pipeline.disconnected import Disconnected
from penstock.pipeline.error_report import report
from penstock.pipeline.principal import ANONYMOUS, Principal
from penstock.pipeline.request import Request
from penstock.pipeline.rerouting import change_plan, check_redispatch, remapped_plan
from penstock.pipeline.response import ContextResponse, Response
from penstock.pipeline.rest import Rest
from penstock.pipeline.signatures import check_callable
from penstock.pipeline.stages import Stage
from penstock.pipeline.started import start_work

if TYPE_CHECKING:
    from penstock.intake.runtime import Runtime
    from penstock.intake.stopping import Stopping
    from penstock.intake.worker_request import WorkerRequest
    from penstock.pipeline.plan import Plan
    from penstock.pipeline.step import Step
    from penstock.pipeline.websockets import WebSockets
    from penstock.request_sockets.options import AcceptOptions
    from penstock.request_sockets.upgrade import Endpoint

F = TypeVar("F")


class Context:
    """One request on its way. Modules keep what belongs to a request here, never in themselves (pipeline A-01).

    `worker_request` is the host's side; `response` what will be answered; `route_values` the values of the route's template
    by name; `exchange` what the answering side keeps of this request; `plan` the steps of its location; `variables` the
    context variables it runs in; `known` what few requests need, None as long as this one has not.
    """

    __slots__ = (
        "exchange",
        "known",
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
        self.known: Rest | None = None

    # -- what is known ---------------------------------------------------------------------------------------------------

    @property
    def request(self) -> Request:
        """What was asked."""
        rest = self.known or self.rest
        if rest.request is None:
            rest.request = Request(self.worker_request, self)
        return rest.request

    @property
    def at(self) -> int:
        """The position of the step that runs, in the plan; -1 in front of the first."""
        return self.rest.at if self.position >= self.plan.detour_at else self.position - 1

    @property
    def step(self) -> Step:
        """The step that runs."""
        return self.plan.steps[max(self.at, 0)]

    @property
    def stage(self) -> Stage:
        """The stage the request is in."""
        at = self.at
        return Stage.BEGIN if at < 0 else self.plan.stages[at]

    @property
    def is_post(self) -> bool:
        """Whether the half behind the stage runs."""
        return self.step.is_post

    @property
    def module(self) -> str:
        """The name of the module whose step runs, "" for a step of the pipeline's own."""
        return self.step.module

    @property
    def handler(self) -> object:
        """What answers: None until MAP_HANDLER has found it (pipeline H-01)."""
        if self.at < self.plan.map_end:
            return None
        rest = self.known
        if rest is not None and rest.remapped is not None:
            return rest.remapped
        return self.plan.target.handler if rest is None or rest.handler is None else rest.handler

    @property
    def allow_anonymous(self) -> bool:
        """Whether what answers lets everybody in; authorization honours it (pipeline P-21)."""
        return self.plan.target.allow_anonymous

    @property
    def is_over(self) -> bool:
        """Whether the request has passed its last stage; what still runs, runs behind the answer."""
        return self.position == self.plan.over_at

    @property
    def items(self) -> dict[str, Any]:
        """A place for anything, by name, while the request is inside."""
        rest = self.known or self.rest
        if rest.items is None:
            rest.items = {}
        return rest.items

    @property
    def principal(self) -> Principal:
        """Who asks; the anonymous principal until a module has found out, never None (pipeline P-20)."""
        return ANONYMOUS if self.known is None else self.known.principal

    @principal.setter
    def principal(self, principal: Principal | None) -> None:
        self.rest.principal = principal or ANONYMOUS

    @property
    def error(self) -> Exception | None:
        """The first error of this request, or None (pipeline X-01)."""
        return None if self.known is None else self.known.error

    @property
    def errors(self) -> list[Exception]:
        """All errors of this request, in order; `error` is the first (pipeline X-01)."""
        rest = self.known
        return [] if rest is None or rest.errors is None else rest.errors

    @property
    def is_complete(self) -> bool:
        """Whether `complete` was called."""
        return self.known is not None and self.known.is_complete

    @property
    def disconnected(self) -> Disconnected:
        """True when the client has left; `await context.disconnected` waits until it does (pipeline T-04)."""
        rest = self.known or self.rest
        if rest.disconnected is None:
            rest.disconnected = Disconnected(self.worker_request)
        return rest.disconnected

    @property
    def stopping(self) -> Stopping:
        """True from the beginning of the drain on; `await context.stopping` waits until then (pipeline G-06).

        For streams, long polls and WebSockets: who ends then is not cut off. `context.stopping.for_threads.wait(seconds)` waits
        in a thread.
        """
        return self.plan.site.stopping

    @property
    def deadline(self) -> float | None:
        """When the head of the answer must have left, in seconds of the loop's clock; None without a limit (pipeline T-03)."""
        seconds = self.plan.location.deadline
        if not seconds:
            return None
        if not self.worker_request.started:
            self.worker_request.started = self.runtime.loop.time()
        return self.worker_request.started + seconds

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits: the caller's `traceparent`, or this request's own (pipeline D-06)."""
        rest = self.known or self.rest
        if rest.trace_id is None:
            rest.trace_id = find_trace_id(self.worker_request.head.headers) or trace_id_from(os.urandom(16))
        return rest.trace_id

    @property
    def original_path(self) -> str:
        """The path that the client asked for, whatever it was rewritten to."""
        rest = self.known
        return self.worker_request.head.path if rest is None or rest.original_path is None else rest.original_path

    @property
    def effective_path(self) -> str:
        """The path that the rules are those of: that of the request, or of the default document found for it (F-07)."""
        rest = self.known
        return self.worker_request.head.path if rest is None or rest.effective_path is None else rest.effective_path

    # -- how it goes on ----------------------------------------------------------------------------------------------------

    def complete(self) -> None:
        """Skip to the stages that always run; the caller goes on to its own end (pipeline P-08).

        In LOG and END it does nothing: these always run (P-09).
        """
        if self.stage < Stage.LOG:
            self.rest.is_complete = True
            self.interrupt()

    def fail(self, error: Exception) -> None:
        """Record an error and go on with the error answer, then with the stages that always run (pipeline P-10, X-01).

        Raising from a hook or handler does the same.
        """
        rest = self.rest
        if rest.errors is None:
            rest.errors = []
        rest.errors.append(error)
        if rest.error is None:
            rest.error = error
            rest.failed_stage = self.stage
            rest.failed_module = self.module
        if error is not rest.error or self.is_over:
            report(self, error)  # the first is reported when it becomes the answer
        if not self.is_over:
            self.interrupt()

    def rewrite(self, path: str, query: str | bytes | None = None) -> None:
        """Go on as if `path` had been asked for; only in BEGIN (pipeline H-06).

        `path` is text, not percent-encoded, relative to the present one unless it begins with a slash; the query stays unless
        one is given. Location, plan and handler are those of the new path; the log keeps the old one. Raises ContractError
        behind BEGIN, ValueError for a path that leaves the site.
        """
        if self.stage is not Stage.BEGIN:
            raise ContractError(
                f"a path is rewritten in BEGIN, not in {self.stage.name}: redispatch leads on from there"
            )
        change_plan(self, rewritten(self.worker_request.head.line, path, query))

    def remap(self, handler: object, *, release: Callable[[Any], object] | None = None) -> None:
        """Let `handler` answer, whatever the path leads to; None takes that back (pipeline H-04, H-05).

        `release(handler)` is called once when the request has left. Raises ContractError from MAP_HANDLER on.
        """
        if self.stage >= Stage.MAP_HANDLER:
            raise ContractError(f"a handler is remapped before MAP_HANDLER, not in {self.stage.name}")
        self.plan = remapped_plan(self, handler)
        if handler is not None and release is not None:
            self.release_handler(handler, release)

    def redispatch(self, path: str, query: str | bytes | None = None) -> None:
        """Let this request be answered by what `path` leads to: it comes in again at AUTHORIZE (pipeline H-13).

        The caller goes on to its own end; the rest of its stage is skipped. Body and status are emptied, headers stay; scopes
        that are open stay open. What was acquired in ACQUIRE_STATE is released first. Raises ContractError in BEGIN, behind
        EXECUTE, when the head has left, and when it has been done ten times already.
        """
        check_redispatch(self)
        self.rest.redispatch = (rewritten(self.worker_request.head.line, path, query), None)
        self.interrupt()

    def apply_rules_of(self, path: str) -> None:
        """Used by handlers, in MAP_HANDLER: what they found answers under another path, and is subject to its rules (F-07).

        The request comes in again at AUTHORIZE of the location of `path`, with what it asked for unchanged.
        """
        self.rest.redispatch = (self.worker_request.head.line, path)
        self.interrupt()

    def start(self, work: Awaitable[Any] | Callable[[], Awaitable[Any]]) -> asyncio.Task[Any]:
        """Begin work that belongs to this request: the next step waits for it, its error is the request's (pipeline M-05).

        It runs as a task in the context variables of the request. Raises ContractError when the answer leaves.
        """
        task = start_work(self, work)
        self.interrupt()
        return task

    def accept_websocket(self, endpoint: Endpoint, options: AcceptOptions | None = None) -> None:
        """Let this request go on as a WebSocket: `await endpoint(websocket)` runs when END has run and 101 has left.

        Returns at once; `websocket.context` will be this context. A status other than 101 takes it back until then. Raises
        TypeError for None, ContractError when it was done before, in BEGIN and behind EXECUTE, RequestRejected (400, 426) when
        this is no handshake, HTTPError (403) for its origin, (429, 503) for too many sockets, ValueError for a sub-protocol that
        was not offered; nothing has changed then (websockets section 1.3).
        """
        self.websockets.accept_later(endpoint, options)

    @property
    def websockets(self) -> WebSockets:
        """The WebSocket handshake, if this request is one."""
        rest = self.known or self.rest
        if rest.websockets is None:
            from penstock.pipeline.websockets import WebSockets

            rest.websockets = WebSockets(self)
        return rest.websockets

    def completion(self) -> Completion:
        """For code that calls back: await it in the step, complete it from any thread (pipeline M-02)."""
        verifier = None if self.known is None else self.known.verifier
        return Completion(self.runtime.loop, None if verifier is None else verifier.on_repeat(self))

    # -- its end -------------------------------------------------------------------------------------------------------------

    def on_completed(self, callback: Callable[[Context], object]) -> None:
        """Call `callback(context)`, plain, when the answer was handed over; an error is logged (pipeline P-19).

        Raises TypeError for what cannot be called.
        """
        check_callable("on_completed", callback)
        rest = self.rest
        rest.completed = [*(rest.completed or ()), callback]

    def defer(self, resource: object) -> None:
        """Close `resource` at the very end, the last one first: by its `aclose`, its `close`, or by calling it (P-19)."""
        rest = self.rest
        rest.deferred = [*(rest.deferred or ()), resource]

    def release_handler(self, handler: object, release: Callable[[Any], object]) -> None:
        """Call `release(handler)`, plain or async, when the request has left, whatever happened (pipeline R-04).

        Raises TypeError for what cannot be called.
        """
        check_callable("release_handler", release)
        rest = self.rest
        rest.releases = [*(rest.releases or ()), (release, handler)]

    # -- features --------------------------------------------------------------------------------------------------------------

    def provide(self, feature: object) -> None:
        """Offer an object under its own type to whoever comes later."""
        rest = self.rest
        if rest.features is None:
            rest.features = {}
        rest.features[type(feature)] = feature

    def find(self, kind: type[F]) -> F | None:
        """The object of that type that was provided, or None."""
        features = None if self.known is None else self.known.features
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

    # -- used by the pipeline ------------------------------------------------------------------------------------------------

    @property
    def rest(self) -> Rest:
        """What few requests need."""
        if self.known is None:
            self.known = Rest()
        return self.known

    def cut_off(self) -> None:
        """End a request that is parked, at a hard stop."""
        deadlines.cut_off(self)

    def interrupt(self) -> None:
        """When the running step has ended, take a detour before the next one: see `detour`."""
        if self.position < self.plan.detour_at:
            self.rest.at = self.position - 1
            self.position = self.plan.detour_at
