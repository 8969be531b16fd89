"""This file is the test of `check_module`: sound modules pass, and each broken rule is found and named."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from benchmarks.apps import every_hook, five_modules
from penstock import Context, Hooks, HTTPError, Principal, Response, Stage
from penstock.testing import check_module


class Sound:
    """Does a bit of everything, as it should be done."""

    def __init__(self) -> None:
        self.count = 0

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.BEGIN, self.begin)
        hooks.on(Stage.AUTHENTICATE, self.authenticate)
        hooks.around(Stage.AUTHENTICATE, Stage.LOG, self.plain_scope)
        hooks.around(Stage.AUTHORIZE, Stage.EXECUTE, self.async_scope)
        hooks.on(Stage.END, self.end)
        hooks.on_error(self.answer)
        hooks.on_start(self.start)
        hooks.on_stop(self.stop)

    async def start(self) -> None:
        self.work = asyncio.ensure_future(asyncio.Event().wait())

    async def stop(self) -> None:
        self.work.cancel()

    def begin(self, context: Context) -> None:
        self.count += 1
        context.items["began"] = time.perf_counter()

    async def authenticate(self, context: Context) -> None:
        await asyncio.sleep(0)
        context.principal = Principal(context.request.headers.get("x-request-id") or "nobody")

    @contextmanager
    def plain_scope(self, context: Context) -> Iterator[None]:
        yield

    @asynccontextmanager
    async def async_scope(self, context: Context) -> AsyncIterator[None]:
        yield

    def end(self, context: Context) -> None:
        if not context.response.is_started:
            context.response.headers["x-seconds"] = str(time.perf_counter() - context.items.get("began", 0.0))

    def answer(self, context: Context) -> Response | None:
        return Response("sorry", status=500) if context.error else None


class Counts:
    """Says how many are inside, which is another number when two are."""

    def __init__(self) -> None:
        self.inside = 0

    def attach(self, hooks: Hooks) -> None:
        hooks.around(Stage.BEGIN, Stage.END, self.count)

    @contextmanager
    def count(self, context: Context) -> Iterator[None]:
        self.inside += 1
        context.response.headers["x-inside"] = f"{self.inside} requests"
        try:
            yield
        finally:
            self.inside -= 1


class Refuses:
    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.AUTHORIZE, self.authorize)

    def authorize(self, context: Context) -> None:
        raise HTTPError(403)


class TestSoundModules:
    @pytest.mark.parametrize("module", [Sound(), Counts(), Refuses(), every_hook.EveryHook(asynchronous=True)])
    def test_passes(self, module: object) -> None:
        check_module(module)

    @pytest.mark.parametrize("name", ["RequestId", "Timing", "Cors", "ErrorPage", "HeaderCheck"])
    def test_those_of_the_bench_pass(self, name: str) -> None:
        check_module(getattr(five_modules, name)())


class OneHook:
    """A module with one hook, by default at AUTHENTICATE."""

    stage = Stage.AUTHENTICATE

    def attach(self, hooks: Hooks) -> None:
        self.hooks = hooks
        hooks.on(self.stage, self.hook)

    def hook(self, context: Context) -> Any: ...


class KeepsContext(OneHook):
    def hook(self, context: Context) -> None:
        self.context = context


class KeepsUser(OneHook):
    def hook(self, context: Context) -> None:
        self.user = context.request.headers.get("x-request-id")


class MixesUsersUp(OneHook):
    stage = Stage.AUTHENTICATE

    def attach(self, hooks: Hooks) -> None:
        super().attach(hooks)
        hooks.after(Stage.EXECUTE, self.name)

    def hook(self, context: Context) -> None:
        self.box = [context.request.headers.get("x-request-id") or ""]

    def name(self, context: Context) -> None:
        context.response.headers["x-user"] = self.box[0]


class Collects(OneHook):
    def __init__(self) -> None:
        self.seen: dict[str, list[object]] = {"all": []}

    def hook(self, context: Context) -> None:
        self.seen["all"].append(context)


class ReturnsTrue(OneHook):
    def hook(self, context: Context) -> Any:
        return True


class ReturnsLater(OneHook):
    async def hook(self, context: Context) -> Any:
        return "late"


class Raises(OneHook):
    def hook(self, context: Context) -> None:
        context.items["nothing"]


class NeedsItsBegin(OneHook):
    stage = Stage.BEGIN

    def attach(self, hooks: Hooks) -> None:
        super().attach(hooks)
        hooks.on(Stage.LOG, self.log)

    def hook(self, context: Context) -> None:
        context.items["began"] = 1

    def log(self, context: Context) -> None:
        context.items["began"]


class Blocks(OneHook):
    def hook(self, context: Context) -> None:
        busy()


class BlocksAsync(OneHook):
    async def hook(self, context: Context) -> None:
        await asyncio.sleep(0)
        busy()


class SubscribesLate(OneHook):
    def hook(self, context: Context) -> None:
        self.hooks.on(Stage.LOG, self.hook)


class ReadsInAttach(OneHook):
    def attach(self, hooks: Hooks) -> None:
        super().attach(hooks)
        self.text = Path(__file__).with_name("__init__.txt").exists() or Path("/dev/null").read_text()


class AsyncAttach:
    async def attach(self, hooks: Hooks) -> None: ...


class Nothing:
    def attach(self, hooks: Hooks) -> None: ...


class NoModule:
    pass


class FailsToStart(OneHook):
    def attach(self, hooks: Hooks) -> None:
        super().attach(hooks)
        hooks.on_start(self.start)

    def start(self) -> None:
        raise OSError("no database")


class LeavesTask(OneHook):
    async def hook(self, context: Context) -> None:
        self.task = asyncio.ensure_future(asyncio.Event().wait())


class LeavesFile(OneHook):
    descriptor = -1

    def hook(self, context: Context) -> None:
        if self.descriptor < 0:
            self.descriptor = os.open(os.devnull, os.O_RDONLY)


class NeverEnds(OneHook):
    async def hook(self, context: Context) -> None:
        if context.request.headers.get("x-check"):
            await asyncio.Event().wait()


class WrongErrorHook:
    def attach(self, hooks: Hooks) -> None:
        hooks.on_error(self.answer)

    def answer(self, context: Context) -> Any:
        return "sorry"


class RaisesInScope:
    def attach(self, hooks: Hooks) -> None:
        hooks.around(Stage.AUTHENTICATE, Stage.LOG, self.scope)

    @contextmanager
    def scope(self, context: Context) -> Iterator[None]:
        yield
        raise KeyError("scope")


def busy() -> None:
    until = time.perf_counter() + 0.006
    while time.perf_counter() < until:
        pass


BROKEN: list[tuple[Callable[[], object], str]] = [
    (KeepsContext, "it keeps the Context of a request in self.context"),
    (KeepsUser, "it keeps 'penstock-check-one', which belongs to a request, in self.user"),
    (MixesUsersUp, "header x-user of the first of two requests became"),
    (Collects, "it keeps the Context of a request that has left, below self.seen"),
    (ReturnsTrue, "ReturnsTrue.hook at AUTHENTICATE returned 'bool' (True)"),
    (ReturnsLater, "ReturnsLater.hook at AUTHENTICATE returned 'str' ('late')"),
    (Raises, "alone: Raises.hook at AUTHENTICATE raised KeyError: 'nothing'"),
    (NeedsItsBegin, "when another module before it completes at BEGIN: NeedsItsBegin.log at LOG raised KeyError"),
    (Blocks, "Blocks.hook at AUTHENTICATE held the loop for"),
    (BlocksAsync, "BlocksAsync.hook at AUTHENTICATE held the loop for"),
    (SubscribesLate, "SubscribesLate.hook at AUTHENTICATE raised RegistrationClosed"),
    (ReadsInAttach, "attach(): opened a file /dev/null: input and output belong into on_start"),
    (AsyncAttach, "attach(): is async, and nobody awaits it"),
    (Nothing, "attach(): subscribed to nothing"),
    (NoModule, "attach(): raised AttributeError"),
    (FailsToStart, "its site did not start: OSError: no database"),
    (LeavesTask, "still runs: end it in on_stop"),
    (LeavesTask, "LeavesTask at AUTHENTICATE began a task that outlived its stage"),
    (NeverEnds, "was not done after 0.5 s"),
    (WrongErrorHook, "WrongErrorHook.answer on error returned 'str' ('sorry'): None or a Response"),
    (RaisesInScope, "RaisesInScope.scope at AUTHENTICATE raised KeyError: 'scope'"),
]


@pytest.fixture
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("penstock.testing.findings.PATIENCE", 0.5)
    monkeypatch.setattr("penstock.testing.observed.LONGEST", 0.005)


@pytest.mark.usefixtures("short_patience")
class TestBrokenModules:
    @pytest.mark.parametrize(("make", "told"), BROKEN)
    def test_each_broken_rule_is_named(self, make: Callable[[], object], told: str) -> None:
        with pytest.raises(AssertionError) as caught:
            check_module(make())
        assert told in str(caught.value)

    def test_files_that_are_still_open(self) -> None:
        module = LeavesFile()
        with pytest.raises(AssertionError, match="1 files are still open"):
            check_module(module)
        os.close(module.descriptor)

    def test_all_are_told_of_at_once(self) -> None:
        class Both(KeepsUser):
            def attach(self, hooks: Hooks) -> None:
                super().attach(hooks)
                hooks.on(Stage.LOG, lambda context: 1)  # type: ignore[arg-type, return-value]

        with pytest.raises(AssertionError) as caught:
            check_module(Both(), name="Mine")
        text = str(caught.value)
        assert text.startswith("Mine breaks its contract in ")
        assert "self.user" in text
        assert "returned 'int'" in text
