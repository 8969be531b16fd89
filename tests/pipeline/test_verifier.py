"""The verifier names module and stage of what breaks the rules of steps (pipeline M-08, scenario 15)."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from penstock import Context, Hooks, ResponseCompleted, Stage
from penstock.server import open_client
from penstock.settings import LogSettings, ModuleSettings, RouteSettings, ServerSettings, SiteSettings
from penstock.testing import Client
from tests.pipeline.subject import Attach, Attached, hello, run, settle


def open_verified(
    attach: Attach, *, function: Callable[..., object] = hello, is_on: bool = True, threads: int = 0
) -> Client:
    site = SiteSettings(
        modules=(ModuleSettings(use="tested:module", name="Suspect"),),
        routes=(RouteSettings(at="/", function="tested:hello", threads=threads),),
    )
    server = ServerSettings(log=LogSettings(access=False), verifier=is_on)
    return open_client(site, server=server, objects={"tested:module": Attached(attach), "tested:hello": function})


def ask_verified(client: Client) -> int:
    async def journey() -> int:
        async with client:
            status = (await client.get("/")).status
            await settle()
            return status

    return run(journey)


def at(stage: Stage, hook: Callable[[Context], Any]) -> Attach:
    return lambda hooks: hooks.on(stage, hook)


def test_who_keeps_the_rules_is_not_named(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        await asyncio.sleep(0)

    async def hook(context: Context) -> None:
        context.response.headers["x-a"] = "1"
        async with asyncio.TaskGroup() as group:
            group.create_task(work())
        context.start(work())
        completion = context.completion()
        threading.Thread(target=completion.complete).start()
        await completion
        await asyncio.to_thread(lambda: None)

    def attach(hooks: Hooks) -> None:
        for stage in Stage:
            hooks.on(stage, hook)

    assert ask_verified(open_verified(attach)) == 200
    assert "verifier" not in caplog.text


def test_scenario_15_a_write_behind_end(caplog: pytest.LogCaptureFixture) -> None:
    raised: list[str] = []
    over = asyncio.Event()
    kept: list[asyncio.Task[None]] = []

    def begin(context: Context) -> None:
        async def write() -> None:
            await over.wait()
            try:
                context.response.write("too late")
            except ResponseCompleted as error:
                raised.append(str(error))

        context.on_completed(lambda context: over.set())
        kept.append(asyncio.get_running_loop().create_task(write()))

    ask_verified(open_verified(at(Stage.END, begin)))
    assert "verifier: Suspect at END writes to the response behind END, in GET /" in caplog.text
    assert raised


@pytest.mark.parametrize("is_plain_thread", [False, True])
def test_scenario_15_work_from_a_foreign_thread(is_plain_thread: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def hook(context: Context) -> None:
        def work() -> None:
            context.response.headers["x-a"] = "1"

        if is_plain_thread:
            failures: list[BaseException] = []

            def guarded() -> None:
                begun.wait()  # the verifier sees a thread when the step waits
                try:
                    work()
                except BaseException as error:
                    failures.append(error)

            begun = threading.Event()
            thread = threading.Thread(target=guarded)
            thread.start()
            await asyncio.sleep(0)
            begun.set()
            await asyncio.to_thread(thread.join)
            raise failures[0]
        await asyncio.to_thread(work)

    assert ask_verified(open_verified(at(Stage.AUTHORIZE, hook))) == 500
    assert "verifier: Suspect at AUTHORIZE asks for the headers of the response from a foreign thread" in caplog.text
    assert "failed at AUTHORIZE in Suspect" in caplog.text


def test_scenario_15_a_task_that_outlived_its_stage(caplog: pytest.LogCaptureFixture) -> None:
    kept: list[asyncio.Task[Any]] = []

    def hook(context: Context) -> None:
        kept.append(asyncio.get_running_loop().create_task(asyncio.sleep(60)))

    async def journey() -> int:
        async with open_verified(at(Stage.AUTHENTICATE, hook)) as client:
            status = (await client.get("/")).status
            kept[0].cancel()
            return status

    assert run(journey) == 500
    assert "verifier: Suspect at AUTHENTICATE began a task that outlived its stage" in caplog.text


def test_scenario_15_a_completion_that_is_called_twice(caplog: pytest.LogCaptureFixture) -> None:
    async def hook(context: Context) -> None:
        completion = context.completion()
        completion.complete()
        completion.complete()
        await completion

    assert ask_verified(open_verified(at(Stage.MAP_HANDLER, hook))) == 200
    assert "verifier: Suspect at MAP_HANDLER has called its completion twice" in caplog.text


def test_a_function_in_a_thread_of_its_own_may_write(caplog: pytest.LogCaptureFixture) -> None:
    def function(context: Context) -> str:
        context.response.headers["x-a"] = "1"
        return "hello"

    assert ask_verified(open_verified(lambda hooks: None, function=function, threads=1)) == 200
    assert "verifier" not in caplog.text


def test_without_it_nothing_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async def hook(context: Context) -> None:
        await asyncio.to_thread(lambda: context.response.headers.add("x-a", "1"))

    assert ask_verified(open_verified(at(Stage.BEGIN, hook), is_on=False)) == 200
    assert "verifier" not in caplog.text
