"""What is called during a check, watched: how long it held the loop, what it raised and returned, which scopes it left open."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from types import NoneType
from typing import Any, Final

from penstock.errors import HTTPError, ResponseComplete
from penstock.pipeline.context import Context
from penstock.pipeline.module import Hooks
from penstock.pipeline.response import Response
from penstock.pipeline.steps import SLOW_STEP
from penstock.testing.findings import Findings, describe

LONGEST: Final = SLOW_STEP
# Once may be the machine's fault, or that of a first import.
TWICE: Final = 2
ALLOWED: Final = (HTTPError, ResponseComplete, asyncio.CancelledError, GeneratorExit)


class Disruption(Exception):
    """What a check raises, to see what others make of it."""


class Watch:
    """Everything that is watched in one check. Call `conclude` at its end."""

    def __init__(self, findings: Findings, *, allowed: tuple[type[BaseException], ...] = ()) -> None:
        """`allowed` may be raised beside what answers a request."""
        self.findings = findings
        self._allowed = (*ALLOWED, *allowed)
        self._slow: Counter[str] = Counter()
        self._longest: dict[str, float] = {}
        self.inside: Counter[str] = Counter()

    def hooks(self, hooks: Hooks) -> None:
        """Watch everything that was subscribed."""
        for each in hooks.subscriptions:
            name = f"{_name(each.call)} at {each.stage.name}"
            each.call = self._scope(each.call, name) if each.last is not None else self.call(each.call, name)
        for number, hook in enumerate(hooks.error_hooks):
            hooks.error_hooks[number] = self.call(hook, f"{_name(hook)} on error", may_return=Response)

    def call(
        self, call: Callable[[Context], Any], name: str, *, may_return: type = NoneType
    ) -> Callable[[Context], Any]:
        """`call`, watched. It returns None, an object of `may_return`, or an awaitable of either."""

        def watched(context: Context) -> Any:
            result = self.timed(name, lambda: call(context))
            if not inspect.isawaitable(result):
                self.judge(name, result, may_return)
                return result
            return _Watched(self, result, name, may_return)

        return watched

    def conclude(self) -> None:
        """Note what held the loop, and what was entered and never left."""
        for name, count in self._slow.items():
            if count >= TWICE:
                spent = self._longest[name] * 1000
                self.findings.add(f"{name} held the loop for {spent:.0f} ms: make it async, or give it threads")
        for name, count in self.inside.items():
            if count:
                self.findings.add(f"{name} was entered {count} times more often than it was left")

    def judge(self, name: str, result: object, may_return: type) -> None:
        """Note a result that is neither None nor a `may_return`."""
        if result is not None and not isinstance(result, may_return):
            wanted = "None" if may_return is NoneType else f"None or a {may_return.__name__}"
            kind = type(result).__name__
            self.findings.add(f"{name} returned {kind!r} ({result!r}): {wanted}, or an awaitable of it")

    def timed(self, name: str, call: Callable[[], Any]) -> Any:
        """What `call` returns; note how long it took, and what it raised unless that is a way to answer."""
        began = time.perf_counter()
        try:
            return call()
        except (Disruption, StopIteration):
            raise
        except BaseException as error:
            if not isinstance(error, self._allowed):
                self.findings.add(f"{name} raised {describe(error)}")
            raise
        finally:
            spent = time.perf_counter() - began
            if spent > LONGEST:
                self._slow[name] += 1
                self._longest[name] = max(spent, self._longest.get(name, 0.0))

    def _scope(self, scope: Callable[[Context], Any], name: str) -> Callable[[Context], Any]:
        def opened(context: Context) -> Any:
            made = self.timed(name, lambda: scope(context))
            kind = _AsyncScope if hasattr(made, "__aenter__") else _Scope
            return kind(self, made, name)

        return opened


class _Watched:
    """An awaitable whose every step is timed."""

    def __init__(self, watch: Watch, awaitable: Awaitable[Any], name: str, may_return: type) -> None:
        self._watch = watch
        self._steps = awaitable.__await__()
        self._name = name
        self._may_return = may_return

    def __await__(self) -> Generator[Any, Any, Any]:
        steps, watch, name = self._steps, self._watch, self._name
        step: Callable[[], Any] = lambda: next(steps)  # noqa: E731 - it changes with each turn
        while True:
            try:
                waited = watch.timed(name, step)
            except StopIteration as end:
                watch.judge(name, end.value, self._may_return)
                return end.value
            try:
                sent = yield waited
            except BaseException as error:
                step = _throwing(steps, error)
            else:
                step = _sending(steps, sent)


def _sending(steps: Any, value: Any) -> Callable[[], Any]:
    return lambda: next(steps) if value is None else steps.send(value)


def _throwing(steps: Any, error: BaseException) -> Callable[[], Any]:
    return lambda: steps.throw(error)


class _Scope:
    """A plain context manager, counted."""

    def __init__(self, watch: Watch, made: Any, name: str) -> None:
        self._watch = watch
        self._made = made
        self._name = name

    def __enter__(self) -> Any:
        entered = self._watch.timed(self._name, self._made.__enter__)
        self._watch.inside[self._name] += 1
        return entered

    def __exit__(self, *failure: object) -> Any:
        self._watch.inside[self._name] -= 1
        return self._watch.timed(self._name, lambda: self._made.__exit__(*failure))


class _AsyncScope:
    """An async context manager, counted."""

    def __init__(self, watch: Watch, made: Any, name: str) -> None:
        self._watch = watch
        self._made = made
        self._name = name

    async def __aenter__(self) -> Any:
        entered = await _Watched(self._watch, self._made.__aenter__(), self._name, object)
        self._watch.inside[self._name] += 1
        return entered

    async def __aexit__(self, *failure: object) -> Any:
        self._watch.inside[self._name] -= 1
        return await _Watched(self._watch, self._made.__aexit__(*failure), self._name, object)


def _name(call: Any) -> str:
    return str(getattr(call, "__qualname__", type(call).__qualname__))
