"""Scenario 15 of the pipeline: with the verifier on, each breach of a module's contract is named with module and stage."""

import asyncio
import logging
import threading
from collections.abc import Callable
from typing import Any

import pytest

from penstock import Context, Hooks, PenstockError, Stage
from penstock.server import open_client
from penstock.settings import LogSettings, ModuleSettings, RouteSettings, ServerSettings, SiteSettings
from tests.pipeline.subject import hello, run, settle


class WritesAfterEnd:
    """Keeps the response, and writes to it when the request has left."""

    def __init__(self) -> None:
        self.kept: list[Context] = []

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.LOG, self.kept.append)

    def act_later(self) -> None:
        try:
            self.kept[0].response.write("too late")
        except PenstockError:
            pass


class WritesFromAThread:
    """Lets a thread of its own write to the response."""

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.PRE_EXECUTE, self.write)

    def write(self, context: Context) -> None:
        def write() -> None:
            try:
                context.response.write("from elsewhere")
            except PenstockError:
                pass

        thread = threading.Thread(target=write)
        thread.start()
        thread.join()


class CompletesTwice:
    """Calls back twice."""

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.AUTHORIZE, self.authorize)

    def authorize(self, context: Context) -> Any:
        completion = context.completion()
        completion.complete()
        completion.complete()
        return completion


class Forgets:
    """Begins a task of its own and forgets it."""

    def __init__(self) -> None:
        self.tasks: list[asyncio.Task[None]] = []

    def attach(self, hooks: Hooks) -> None:
        hooks.on(Stage.AUTHENTICATE, self.authenticate)

    async def authenticate(self, context: Context) -> None:
        self.tasks.append(asyncio.create_task(asyncio.sleep(3600)))

    def act_later(self) -> None:
        self.tasks[0].cancel()


CASES: dict[Callable[[], Any], str] = {
    WritesAfterEnd: "END",
    WritesFromAThread: "PRE_EXECUTE",
    CompletesTwice: "AUTHORIZE",
    Forgets: "AUTHENTICATE",
}


def told_of(kind: Callable[[], Any], caplog: pytest.LogCaptureFixture, *, verifier: bool = True) -> list[str]:
    """What the verifier says of a request that passes such a module."""
    module = kind()
    name = kind.__name__
    site = SiteSettings(
        modules=(ModuleSettings(use="tested:module", name=name),),
        routes=(RouteSettings(at="/", function="tested:handler"),),
    )
    server = ServerSettings(verifier=verifier, log=LogSettings(access=False))
    objects = {"tested:module": module, "tested:handler": hello}

    async def journey() -> int:
        async with open_client(site, server=server, objects=objects) as client:
            answer = await client.get("/")
            if hasattr(module, "act_later"):
                module.act_later()
            await settle()
            return answer.status

    caplog.clear()
    with caplog.at_level(logging.WARNING, "penstock"):
        run(journey)
    return [text for record in caplog.records if (text := record.getMessage()).startswith("verifier: ")]


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
def test_scenario_15_each_breach_is_named(kind: Callable[[], Any], caplog: pytest.LogCaptureFixture) -> None:
    told = told_of(kind, caplog)
    assert len(told) == 1, told
    # Who writes behind END does so on nobody's behalf.
    assert kind.__name__ in told[0] or kind is WritesAfterEnd
    assert CASES[kind] in told[0]


def test_scenario_15_the_diagnostics_are_distinct(caplog: pytest.LogCaptureFixture) -> None:
    texts = {told_of(kind, caplog)[0].replace(kind.__name__, "").replace(CASES[kind], "") for kind in CASES}
    assert len(texts) == len(CASES)


def test_pipeline_m08_a_second_completion_names_module_and_stage(caplog: pytest.LogCaptureFixture) -> None:
    (told,) = told_of(CompletesTwice, caplog)
    assert "CompletesTwice at AUTHORIZE" in told


def test_pipeline_m04_a_task_that_nobody_waits_for_is_named(caplog: pytest.LogCaptureFixture) -> None:
    (told,) = told_of(Forgets, caplog)
    assert "Forgets at AUTHENTICATE" in told
    assert "context.start" in told


def test_pipeline_m08_without_the_verifier_nothing_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assert told_of(CompletesTwice, caplog, verifier=False) == []
    assert told_of(Forgets, caplog, verifier=False) == []
