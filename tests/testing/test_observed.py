"""What is called during a check, watched: how long, what it raised and returned, which scopes were left open."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

from penstock import Hooks, HTTPError, Response, ResponseComplete, Stage
from penstock.testing.findings import Findings
from penstock.testing.observed import LONGEST, Disruption, Watch
from tests.pipeline.subject import run

NO_CONTEXT: Any = None


def watched(hook: Callable[[Any], Any], **more: Any) -> list[str]:
    """What is found when `hook` is called once, and awaited if it says so."""
    findings = Findings("Gate")
    watch = Watch(findings)
    call = watch.call(hook, "Gate.hook", **more)

    async def journey() -> None:
        result = call(NO_CONTEXT)
        if hasattr(result, "__await__"):
            await result

    try:
        run(journey)
    except (Exception, ResponseComplete):
        findings.doing = "raised"
    findings.doing = ""
    watch.conclude()
    return findings.problems


def raising(error: BaseException) -> Callable[[Any], None]:
    def hook(context: Any) -> None:
        raise error

    return hook


class TestCalls:
    def test_a_sound_hook_is_called_as_it_is(self) -> None:
        async def later(context: Any) -> None:
            await asyncio.sleep(0)

        assert watched(lambda context: None) == []
        assert watched(later) == []

    def test_what_is_returned_is_judged_at_once_and_later(self) -> None:
        async def later(context: Any) -> int:
            return 7

        assert watched(lambda context: True) == ["Gate.hook returned 'bool' (True): None, or an awaitable of it"]
        assert watched(later) == ["Gate.hook returned 'int' (7): None, or an awaitable of it"]

    def test_an_error_hook_may_return_a_response(self) -> None:
        assert watched(lambda context: Response("sorry"), may_return=Response) == []
        (told,) = watched(lambda context: "sorry", may_return=Response)
        assert told == "Gate.hook returned 'str' ('sorry'): None or a Response, or an awaitable of it"

    @pytest.mark.parametrize("error", [HTTPError(403), ResponseComplete(), Disruption()])
    def test_ways_to_answer_may_be_raised(self, error: BaseException) -> None:
        assert watched(raising(error)) == []

    def test_anything_else_that_is_raised_is_a_finding_at_once_and_later(self) -> None:
        async def later(context: Any) -> None:
            await asyncio.sleep(0)
            raise KeyError("a")

        assert watched(raising(KeyError("a"))) == watched(later) == ["Gate.hook raised KeyError: 'a'"]

    def test_what_comes_into_a_hook_from_outside_reaches_it(self) -> None:
        seen: list[str] = []

        async def hook(context: Any) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                seen.append("cancelled")
                raise

        async def journey() -> None:
            task = asyncio.ensure_future(Watch(Findings("Gate")).call(hook, "hook")(NO_CONTEXT))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])

        run(journey)
        assert seen == ["cancelled"]

    def test_who_holds_the_loop_twice_is_named(self) -> None:
        def busy(context: Any) -> None:
            until = time.perf_counter() + LONGEST * 1.5
            while time.perf_counter() < until:
                pass

        findings = Findings("Gate")
        watch = Watch(findings)
        call = watch.call(busy, "Gate.hook")
        call(NO_CONTEXT)
        watch.conclude()
        assert findings.problems == []  # once may be the machine's fault
        call(NO_CONTEXT)
        watch.conclude()
        assert "Gate.hook held the loop for" in findings.problems[0]


class TestHooks:
    def test_everything_that_is_subscribed_is_watched(self) -> None:
        def hook(context: Any) -> Any:
            return 1

        hooks = Hooks("Gate")
        hooks.on(Stage.BEGIN, hook)
        hooks.on_error(hook)
        findings = Findings("Gate")
        Watch(findings).hooks(hooks)
        hooks.subscriptions[0].call(NO_CONTEXT)
        hooks.error_hooks[0](NO_CONTEXT)
        first, second = findings.problems
        assert "hook at BEGIN returned" in first
        assert "hook on error returned" in second

    def test_scopes_are_counted(self) -> None:
        @contextmanager
        def plain(context: Any) -> Iterator[None]:
            yield

        @asynccontextmanager
        async def later(context: Any) -> AsyncIterator[None]:
            yield

        hooks = Hooks("Gate")
        hooks.around(Stage.BEGIN, Stage.END, plain)
        hooks.around(Stage.BEGIN, Stage.END, later)
        findings = Findings("Gate")
        watch = Watch(findings)
        watch.hooks(hooks)
        first, second = (each.call(NO_CONTEXT) for each in hooks.subscriptions)

        async def journey() -> None:
            for scope in (first, second):
                assert hasattr(scope, "__enter__") != hasattr(scope, "__aenter__")
            with first:
                async with second:
                    assert sum(watch.inside.values()) == 2
            assert sum(watch.inside.values()) == 0
            await hooks.subscriptions[1].call(NO_CONTEXT).__aenter__()

        run(journey)
        watch.conclude()
        (told,) = findings.problems
        assert told.endswith("later at BEGIN was entered 1 times more often than it was left")
