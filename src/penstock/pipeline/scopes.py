"""Scopes: context managers around a range of stages, or around every step (pipeline P-12, P-17)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import TYPE_CHECKING, Any

from penstock.errors import ConfigurationError, Problem
from penstock.pipeline.loop import failure_of
from penstock.pipeline.signatures import called
from penstock.pipeline.stages import Stage
from penstock.pipeline.step import Call, Step

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.pipeline.module import StepScope, Subscription

# -- around stages -------------------------------------------------------------------------------------------------------


def enter_scope(subscription: Subscription, last: Stage) -> Call:
    """The step that enters a scope, to be left behind the stage `last`; not when a re-dispatched request is in it already."""
    scope = subscription.call

    def enter(context: Context) -> Awaitable[None] | None:
        rest = context.rest
        if rest.scopes is None:
            rest.scopes = []
        elif any(each[2] is subscription for each in rest.scopes):
            return None
        opened: Any = scope(context)
        if hasattr(opened, "__aenter__"):
            return _enter_async(context, opened, last, subscription)
        opened.__enter__()
        rest.scopes.append((last, opened, subscription))
        return None

    return enter


async def _enter_async(
    context: Context, opened: AbstractAsyncContextManager[object], last: Stage, subscription: Subscription
) -> None:
    await called(opened.__aenter__)
    scopes = context.rest.scopes
    assert scopes is not None
    scopes.append((last, opened, subscription))


def leave_scopes_until(stage: Stage) -> Callable[[Context], Awaitable[None] | None]:
    """The step that leaves, in reverse order, every entered scope that ends at `stage` or before."""

    def leave_scopes(context: Context) -> Awaitable[None] | None:
        rest = context.known
        scopes = None if rest is None else rest.scopes
        while scopes and scopes[-1][0] <= stage:
            opened: AbstractContextManager[object] | AbstractAsyncContextManager[object] = scopes.pop()[1]
            if isinstance(opened, AbstractAsyncContextManager):
                return _leave_async(context, opened, leave_scopes)
            _leave_scope(context, opened)
        return None

    return leave_scopes


def _leave_scope(context: Context, opened: AbstractContextManager[object]) -> None:
    error = context.error
    # What a scope says about an error is its own business: it cannot make a failed request go on (pipeline X-04), nor keep
    # other scopes from being left (pipeline P-12).
    try:
        if error is None:
            opened.__exit__(None, None, None)
        else:
            opened.__exit__(type(error), error, error.__traceback__)
    except Exception as raised:
        if raised is not error:
            context.fail(raised)


async def _leave_async(
    context: Context,
    opened: AbstractAsyncContextManager[object],
    leave_rest: Callable[[Context], Awaitable[None] | None],
) -> None:
    error = context.error
    try:
        if error is None:
            await opened.__aexit__(None, None, None)
        else:
            await opened.__aexit__(type(error), error, error.__traceback__)
    except Exception as raised:
        if raised is not error:
            context.fail(raised)
    pending = leave_rest(context)
    if pending is not None:
        await pending


_leave_until_execute = leave_scopes_until(Stage.EXECUTE)


def leave_before_release(context: Context) -> Awaitable[None] | None:
    """In front of RELEASE_STATE: leave what was to be left before; a re-dispatched request keeps its scopes open (H-13)."""
    rest = context.known
    return None if rest is None or rest.redispatch is not None else _leave_until_execute(context)


leave_before_log = leave_scopes_until(Stage.UPDATE_CACHE)


def ends_of(subscriptions: Sequence[Subscription]) -> frozenset[Stage]:
    """The stages behind which scopes end."""
    return frozenset(each.last for each in subscriptions if each.last is not None and not each.is_cancelled)


def steps_behind(stage: Stage, subscriptions: Sequence[Subscription], ends: frozenset[Stage]) -> list[Step]:
    """One step leaves all that end behind `stage`, the last to be entered first."""
    if stage not in ends:
        return []
    entered = sorted([each for each in subscriptions if each.last is stage], key=lambda each: each.stage)
    modules = ", ".join([each.module for each in reversed(entered)])
    return [Step(stage, modules, leave_scopes_until(stage), is_post=True, hook="leaves", rule="end of a scope")]


def check_nesting(subscriptions: Sequence[Subscription]) -> None:
    """Raise ConfigurationError for scopes that overlap without nesting."""
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


# -- around every step -----------------------------------------------------------------------------------------------------


def step_scope(scope: StepScope) -> Callable[[Step, Call], Call]:
    """Runs a step inside of `scope(context, step)`, which can neither skip nor repeat it (pipeline P-17).

    A scope that cannot be entered fails the request as the step would have; a step that always runs, runs all the same. A step
    that hands the request to a thread has left its scope by then.
    """

    def wrap(step: Step, call: Call) -> Call:
        if not step.module:
            return call

        def scoped(context: Context) -> Any:
            opened = _enter_step(scope, context, step)
            try:
                result = call(context)
            except BaseException as error:
                _leave_step(opened, context, error)
                raise
            if result is not None and hasattr(result, "__await__"):
                return _finish_step(opened, context, result)
            _leave_step(opened, context, None)
            return result

        return scoped

    return wrap


def _enter_step(scope: StepScope, context: Context, step: Step) -> AbstractContextManager[object] | None:
    try:
        opened = scope(context, step)
        opened.__enter__()
    except BaseException as error:
        if not step.always_runs:
            raise
        context.fail(failure_of(error))
        return None
    return opened


async def _finish_step(opened: AbstractContextManager[object] | None, context: Context, result: Awaitable[Any]) -> None:
    try:
        await result
    except BaseException as error:
        _leave_step(opened, context, error)
        raise
    _leave_step(opened, context, None)


def _leave_step(opened: AbstractContextManager[object] | None, context: Context, error: BaseException | None) -> None:
    if opened is None:
        return
    try:
        opened.__exit__(None if error is None else type(error), error, None if error is None else error.__traceback__)
    except BaseException as raised:
        if raised is not error:
            context.fail(failure_of(raised))
