"""Whole journeys through the step machine: steps that complete anywhere, work of a request, its variables (pipeline section 2)."""

import asyncio
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from penstock import Context, Hooks, Stage
from penstock.server import open_client
from penstock.settings import LogSettings, ModuleSettings, RouteSettings, ServerSettings, SiteSettings
from tests.pipeline.subject import LOOPS, Attached, ask, on, open_site, run


def noting(log: list[str], text: str) -> Callable[[Context], None]:
    return lambda context: log.append(text)


class TestHandOver:
    def test_pipeline_m01_plain_steps_of_many_modules_run_in_one_go(self) -> None:
        seen: list[object] = []

        async def journey() -> None:
            turns: list[str] = []

            def hook(context: Context) -> None:
                seen.append((threading.get_ident(), context.task))
                asyncio.get_running_loop().call_soon(turns.append, "a turn of the loop")
                assert turns == []

            def attach(hooks: Hooks) -> None:
                hooks.on(Stage.BEGIN, hook)
                hooks.on(Stage.AUTHORIZE, hook)

            async with open_site(Attached(attach), Attached(attach), Attached(attach)) as client:
                assert (await client.get("/")).status == 200

        run(journey)
        assert seen == [(threading.get_ident(), None)] * 6

    @pytest.mark.parametrize("loop", LOOPS)
    @pytest.mark.parametrize("how", ["inline", "from a thread", "failing late"])
    def test_pipeline_m02_the_next_step_runs_exactly_once(self, how: str, loop: str) -> None:
        log: list[str] = []
        times = 300 if how == "from a thread" else 1000

        def hook(context: Context) -> Any:
            completion = context.completion()
            if how == "inline":
                completion.complete()
            elif how == "from a thread":
                threading.Thread(target=completion.complete).start()
            else:
                context.runtime.loop.call_soon(completion.fail, PermissionError("late"))
            return completion

        async def journey() -> list[int]:
            async with open_site(on(Stage.BEGIN, hook), on(Stage.END, noting(log, "END"))) as client:
                return [(await client.get("/")).status for _ in range(times)]

        assert set(run(journey, loop)) == {403 if how == "failing late" else 200}
        assert log == ["END"] * times

    def test_pipeline_m02_an_error_of_a_completion_is_the_step_s(self) -> None:
        seen: list[object] = []
        error = PermissionError("from elsewhere")

        def hook(context: Context) -> Any:
            completion = context.completion()
            threading.Thread(target=completion.fail, args=(error,)).start()
            return completion

        assert ask(open_site(on(Stage.AUTHORIZE, hook), on(Stage.END, lambda c: seen.append(c.error)))).status == 403
        assert seen == [error]

    def test_pipeline_m02_a_second_completion_is_ignored(self) -> None:
        log: list[str] = []

        def hook(context: Context) -> Any:
            completion = context.completion()
            completion.complete()
            completion.complete()
            completion.fail(ValueError("too late"))
            return completion

        assert ask(open_site(on(Stage.BEGIN, hook), on(Stage.END, noting(log, "END")))).status == 200
        assert log == ["END"]

    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_m03_the_request_goes_on_in_the_thread_of_its_loop(self, loop: str) -> None:
        threads: list[int] = []
        completed_in: list[int] = []

        def hook(context: Context) -> Any:
            completion = context.completion()

            def complete() -> None:
                completed_in.append(threading.get_ident())
                completion.complete()

            threading.Thread(target=complete).start()
            return completion

        def look(context: Context) -> None:
            threads.append(threading.get_ident())

        assert ask(open_site(on(Stage.BEGIN, hook), on(Stage.AUTHORIZE, look)), loop=loop).status == 200
        assert threads == [threading.get_ident()]
        assert completed_in != threads


class TestWorkOfARequest:
    @pytest.mark.parametrize("is_plain", [False, True])
    def test_pipeline_m04_work_that_was_started_is_waited_for(self, is_plain: bool) -> None:
        log: list[str] = []

        async def work() -> None:
            for _ in range(5):
                await asyncio.sleep(0)
            log.append("worked")

        def plain_handler(context: Context) -> str:
            context.start(work())
            return "hello"

        async def handler(context: Context) -> str:
            context.start(work)
            return "hello"

        module = Attached(lambda hooks: hooks.after(Stage.EXECUTE, noting(log, "EXECUTE+")))
        answer = ask(open_site(module, function=plain_handler if is_plain else handler))
        assert (answer.text, log) == ("hello", ["worked", "EXECUTE+"])

    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_m05_the_next_step_waits_for_all_of_it(self, loop: str) -> None:
        log: list[str] = []

        async def work(number: int) -> None:
            for _ in range(number):
                await asyncio.sleep(0)
            log.append(f"work {number}")

        async def hook(context: Context) -> None:
            for number in (3, 1, 2):
                context.start(work(number))

        ask(open_site(on(Stage.BEGIN, hook), on(Stage.BEGIN, noting(log, "next step"))), loop=loop)
        assert log == ["work 1", "work 2", "work 3", "next step"]

    def test_pipeline_m05_work_that_starts_work_is_waited_for_too(self) -> None:
        log: list[str] = []

        def hook(context: Context) -> None:
            async def inner() -> None:
                await asyncio.sleep(0)
                log.append("inner")

            async def outer() -> None:
                await asyncio.sleep(0)
                context.start(inner())
                log.append("outer")

            context.start(outer())

        ask(open_site(on(Stage.BEGIN, hook), on(Stage.AUTHENTICATE, noting(log, "next stage"))))
        assert log == ["outer", "inner", "next stage"]

    def test_pipeline_m06_pieces_of_work_never_overlap_between_their_awaits(self) -> None:
        counted = [0]

        async def work() -> None:
            before = counted[0]
            counted[0] = before + 1
            await asyncio.sleep(0)

        def hook(context: Context) -> None:
            for _ in range(50):
                context.start(work())

        assert ask(open_site(on(Stage.BEGIN, hook))).status == 200
        assert counted == [50]

    def test_pipeline_m06_its_error_is_the_request_s(self) -> None:
        log: list[str] = []

        async def work(error: Exception | None) -> None:
            await asyncio.sleep(0)
            log.append("worked")
            if error is not None:
                raise error

        def hook(context: Context) -> None:
            context.start(work(PermissionError("not you")))
            context.start(work(None))

        module = on(Stage.AUTHORIZE, hook)
        answer = ask(open_site(module, on(Stage.END, noting(log, "END")), function=lambda: log.append("handler")))
        assert (answer.status, log) == (403, ["worked", "worked", "END"])

    def test_pipeline_m07_work_runs_in_the_variables_of_its_request(self) -> None:
        variable: ContextVar[str] = ContextVar("variable", default="unset")
        seen: list[str] = []

        async def work() -> None:
            seen.append(variable.get())

        def hook(context: Context) -> None:
            variable.set("of the request")
            context.start(work)

        ask(open_site(on(Stage.BEGIN, hook)))
        assert seen == ["of the request"]
        assert variable.get() == "unset"


class TestThreads:
    def test_pipeline_m07_a_thread_sees_the_variables_and_keeps_none(self) -> None:
        variable: ContextVar[str] = ContextVar("variable", default="unset")
        seen: list[tuple[bool, str]] = []

        def begin(context: Context) -> None:
            if context.request.path == "/set":
                variable.set("set in BEGIN")

        def handler() -> str:
            seen.append((threading.current_thread() is threading.main_thread(), variable.get()))
            return "hello"

        site = SiteSettings(
            modules=(ModuleSettings(use="tested:module"),),
            routes=(RouteSettings(at="/{name}", function="tested:handler", threads=1),),
        )
        objects = {"tested:module": on(Stage.BEGIN, begin), "tested:handler": handler}

        async def journey() -> None:
            client = open_client(site, server=ServerSettings(log=LogSettings(access=False)), objects=objects)
            async with client:
                await client.get("/set")
                await client.get("/other")

        run(journey)
        assert seen == [(False, "set in BEGIN"), (False, "unset")]
