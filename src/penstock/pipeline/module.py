"""Module: what takes part in every request; and Hooks, through which it subscribes, once, before the first request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol

from penstock.errors import RegistrationClosed
from penstock.pipeline.stages import RULES, Stage

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.pipeline.response import Response

Hook = Callable[["Context"], "Awaitable[None] | None"]
ErrorHook = Callable[["Context"], "Awaitable[Response | None] | Response | None"]
Scope = Callable[["Context"], "AbstractContextManager[object] | AbstractAsyncContextManager[object]"]
Action = Callable[[], "Awaitable[None] | None"]


class Module(Protocol):
    """A plug-in that takes part in requests. One object serves them all: what belongs to a request lives in its context."""

    def attach(self, hooks: Hooks) -> None:
        """Subscribe. Called once, at start-up, without I/O."""


class Subscription:
    """One subscription; `cancel()` undoes it until the plans are assembled (pipeline P-07)."""

    __slots__ = ("_hooks", "call", "is_cancelled", "is_post", "last", "module", "stage")

    def __init__(
        self, hooks: Hooks, module: str, stage: Stage, call: Hook | Scope, *, is_post: bool, last: Stage | None = None
    ) -> None:
        self._hooks = hooks
        self.module = module
        self.stage = stage
        self.call: Any = call  # a Scope where there is a `last` stage, else a Hook
        self.is_post = is_post
        self.last = last
        self.is_cancelled = False

    def cancel(self) -> None:
        """Take precisely this step out. Raises RegistrationClosed once the plans stand."""
        self._hooks.check_open()
        self.is_cancelled = True


class Hooks:
    """Where a module subscribes. Order within a stage: modules as configured, then each module's own order (P-04, P-05).

    Once the plans stand, whatever is called here raises RegistrationClosed (P-06).
    """

    __slots__ = ("_is_frozen", "error_hooks", "module", "start_actions", "stop_actions", "subscriptions")

    def __init__(self, module: str) -> None:
        self.module = module
        self.subscriptions: list[Subscription] = []
        self.error_hooks: list[ErrorHook] = []
        self.start_actions: list[Action] = []
        self.stop_actions: list[Action] = []
        self._is_frozen = False

    def on(self, stage: Stage, hook: Hook) -> Subscription:
        """Call `hook(context)`, plain or async, at `stage`. A plain hook runs on the loop and must not block."""
        return self._subscribe(Subscription(self, self.module, Stage(stage), hook, is_post=False))

    def after(self, stage: Stage, hook: Hook) -> Subscription:
        """Call `hook(context)` when all modules had their turn at `stage`. Raises ValueError where there is no such half."""
        if not RULES[Stage(stage)].has_post:
            names = ", ".join(each.name for each, rule in RULES.items() if rule.has_post)
            raise ValueError(f"{Stage(stage).name} has no half behind it; these have: {names}")
        return self._subscribe(Subscription(self, self.module, Stage(stage), hook, is_post=True))

    def around(self, first: Stage, last: Stage, scope: Scope) -> Subscription:
        """Enter the context manager `scope(context)`, plain or async, at `first`; leave it behind `last`.

        It is left if and only if it was entered, whatever happens between, in reverse order (pipeline P-12). Raises
        ValueError when `first` comes after `last`.
        """
        if Stage(first) > Stage(last):
            raise ValueError(f"around({Stage(first).name}, {Stage(last).name}): the first stage comes after the last")
        return self._subscribe(Subscription(self, self.module, Stage(first), scope, is_post=False, last=Stage(last)))

    def on_error(self, hook: ErrorHook) -> None:
        """Call `hook(context)` when a stage failed; a Response it returns is the answer. It cannot resume the request (X-04)."""
        self.check_open()
        self.error_hooks.append(hook)

    def on_start(self, action: Action) -> None:
        """Call `action()` once before the first request. An exception keeps the server from starting."""
        self.check_open()
        self.start_actions.append(action)

    def on_stop(self, action: Action) -> None:
        """Call `action()` once after the last request, in reverse order of the modules."""
        self.check_open()
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
        if not callable(subscription.call):
            raise TypeError(f"module {self.module}: {subscription.call!r} is not callable")
        self.subscriptions.append(subscription)
        return subscription
