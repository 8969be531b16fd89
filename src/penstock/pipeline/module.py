"""Module: what takes part in every request; and Hooks, through which it subscribes, once, before the first request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from penstock.errors import RegistrationClosed
from penstock.pipeline.signatures import check_arguments
from penstock.pipeline.stages import RULES, Stage, stage_named

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.pipeline.response import Response
    from penstock.pipeline.step import Step

Hook = Callable[["Context"], "Awaitable[None] | None"]
ErrorHook = Callable[["Context"], "Awaitable[Response | None] | Response | None"]
Scope = Callable[["Context"], "AbstractContextManager[object] | AbstractAsyncContextManager[object]"]
StepScope = Callable[["Context", "Step"], "AbstractContextManager[object]"]
Action = Callable[[], "Awaitable[None] | None"]


class Module(Protocol):
    """A plug-in that takes part in requests. One object serves them all: what belongs to a request lives in its context."""

    def attach(self, hooks: Hooks) -> None:
        """Subscribe. Called once, at start-up, without I/O."""


class Subscription:
    """One subscription; `cancel()` undoes it until the plans are assembled (pipeline P-07)."""

    __slots__ = ("_hooks", "call", "is_cancelled", "is_post", "last", "module", "priority", "stage")

    def __init__(
        self,
        hooks: Hooks,
        stage: Stage,
        call: Hook | Scope,
        *,
        is_post: bool = False,
        last: Stage | None = None,
        priority: int = 0,
    ) -> None:
        self._hooks = hooks
        self.module = hooks.module
        self.stage = stage
        self.call: Any = call  # a Scope where there is a `last` stage, else a Hook
        self.is_post = is_post
        self.last = last
        self.priority = priority
        self.is_cancelled = False

    def cancel(self) -> None:
        """Take precisely this step out. Raises RegistrationClosed once the plans stand."""
        self._hooks.check_open()
        self.is_cancelled = True


class Hooks:
    """Where a module subscribes. Order within a stage: by priority (lower first), then modules as configured, then each
    module's own order (pipeline P-04, P-05).

    A stage may be given by name, in any case. Once the plans stand, whatever is called here raises RegistrationClosed (P-06).
    Whatever is subscribed must be callable with the arguments that are told here, or TypeError is raised (A-09).
    """

    __slots__ = (
        "_is_frozen",
        "error_hooks",
        "has_frame",
        "module",
        "start_actions",
        "step_scopes",
        "stop_actions",
        "subscriptions",
    )

    def __init__(self, module: str) -> None:
        self.module = module
        self.subscriptions: list[Subscription] = []
        self.step_scopes: list[StepScope] = []
        self.error_hooks: list[ErrorHook] = []
        self.start_actions: list[Action] = []
        self.stop_actions: list[Action] = []
        self.has_frame = False  # used by the pipeline: one of them is a middleware that waits in its stage
        self._is_frozen = False

    def on(self, stage: Stage | str, hook: Hook, *, priority: int = 0) -> Subscription:
        """Call `hook(context)`, plain or async, at `stage`. A plain hook runs on the loop and must not block."""
        return self._subscribe(Subscription(self, stage_named(stage), hook, priority=priority))

    def after(self, stage: Stage | str, hook: Hook, *, priority: int = 0) -> Subscription:
        """Call `hook(context)` when all modules had their turn at `stage`. Raises ValueError where there is no such half."""
        stage = stage_named(stage)
        if not RULES[stage].has_post:
            names = ", ".join(each.name for each, rule in RULES.items() if rule.has_post)
            raise ValueError(f"{stage.name} has no half behind it; these have: {names}")
        return self._subscribe(Subscription(self, stage, hook, is_post=True, priority=priority))

    def around(self, first: Stage | str, last: Stage | str, scope: Scope) -> Subscription:
        """Enter the context manager `scope(context)`, plain or async, at `first`; leave it behind `last`.

        It is left if and only if it was entered, whatever happens between, in reverse order (pipeline P-12). Raises
        ValueError when `first` comes after `last`.
        """
        first, last = stage_named(first), stage_named(last)
        if first > last:
            raise ValueError(f"around({first.name}, {last.name}): the first stage comes after the last")
        return self._subscribe(Subscription(self, first, scope, last=last))

    def around_steps(self, scope: StepScope) -> None:
        """Run every step of every stage inside the plain context manager `scope(context, step)`, until it is done.

        For ambient context and tracing: it sees each step once and can neither skip nor repeat it. The last one registered
        is outermost (pipeline P-17).
        """
        self.check_open()
        check_arguments(self.module, scope, 2)
        self.step_scopes.append(scope)

    def on_error(self, hook: ErrorHook) -> None:
        """Call `hook(context)` when a stage failed; a Response it returns is the answer. It cannot resume the request (X-04)."""
        self.check_open()
        check_arguments(self.module, hook, 1)
        self.error_hooks.append(hook)

    def on_start(self, action: Action) -> None:
        """Call `action()` once before the first request. An exception keeps the server from starting."""
        self.check_open()
        check_arguments(self.module, action, 0)
        self.start_actions.append(action)

    def on_stop(self, action: Action) -> None:
        """Call `action()` once after the last request, in reverse order of the modules; if every `on_start` of this one succeeded."""
        self.check_open()
        check_arguments(self.module, action, 0)
        self.stop_actions.append(action)

    def freeze(self) -> None:
        """Close the registration: the plans are being assembled (pipeline P-06)."""
        self._is_frozen = True

    def check_open(self) -> None:
        """Raise RegistrationClosed when the plans stand."""
        if self._is_frozen:
            raise RegistrationClosed(
                f"module {self.module}: hooks are registered in attach(), before the first request"
            )

    def _subscribe(self, subscription: Subscription) -> Subscription:
        self.check_open()
        check_arguments(self.module, subscription.call, 1)
        self.subscriptions.append(subscription)
        return subscription
