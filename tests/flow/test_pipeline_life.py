"""Whole journeys through the step machine, and the life of modules: pipeline sections 2 and 5."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar

import pytest

from penstock import (
    Context,
    Hooks,
    Stage,
    StartupError,
)
from tests.pipeline.subject import (
    LOOPS,
    Attached,
    ask,
    hello,
    on,
    open_site,
    run,
    settle,
)


def noting(log: list[str], text: str) -> Callable[[Context], None]:
    return lambda context: log.append(text)


class TestMachine:
    def test_pipeline_m01_plain_steps_need_no_task(self) -> None:
        tasks: list[object] = []

        def look(context: Context) -> None:
            tasks.append(context.task)

        ask(open_site(on(Stage.BEGIN, look), on(Stage.END, look)))
        assert tasks == [None, None]

    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_m01_async_steps_share_one_task(self, loop: str) -> None:
        tasks: list[object] = []

        async def look(context: Context) -> None:
            tasks.append(asyncio.current_task())
            await asyncio.sleep(0)
            tasks.append(asyncio.current_task())

        ask(open_site(on(Stage.BEGIN, look), on(Stage.AUTHORIZE, look), on(Stage.END, look)), loop=loop)
        assert len(tasks) == 6
        assert len(set(tasks)) == 1
        assert tasks[0] is not None

    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_m02_a_timeout_works_within_the_first_step(self, loop: str) -> None:
        async def hook(context: Context) -> None:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()

        assert ask(open_site(on(Stage.BEGIN, hook)), loop=loop).status == 504

    def test_pipeline_m02_an_error_keeps_its_traceback(self) -> None:
        seen: list[str] = []

        async def hook(context: Context) -> None:
            await asyncio.sleep(0)
            _boom(context)

        def look(context: Context) -> None:
            trace = None if context.error is None else context.error.__traceback__
            while trace is not None:
                seen.append(trace.tb_frame.f_code.co_name)
                trace = trace.tb_next

        ask(open_site(on(Stage.BEGIN, hook), on(Stage.END, look)))
        assert seen[-2:] == ["hook", "_boom"]

    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_m07_context_variables_last_for_one_request(self, loop: str) -> None:
        variable: ContextVar[str] = ContextVar("variable", default="unset")
        seen: list[str] = []

        def set_it(context: Context) -> None:
            seen.append(variable.get())
            variable.set(context.request.path)

        async def change_it(context: Context) -> None:
            await asyncio.sleep(0)
            variable.set(variable.get() + "!")

        def look(context: Context) -> None:
            seen.append(variable.get())

        modules = [on(Stage.BEGIN, set_it), on(Stage.AUTHORIZE, change_it), on(Stage.END, look)]

        async def journey() -> None:
            async with open_site(*modules, functions={"/a": hello, "/b": hello}) as client:
                await client.get("/a")
                await client.get("/b")
                await asyncio.gather(client.get("/a"), client.get("/b"))
            assert variable.get() == "unset"

        run(journey, loop)
        assert seen[:4] == ["unset", "/a!", "unset", "/b!"]
        assert sorted(seen[4:]) == ["/a!", "/b!", "unset", "unset"]

    def test_pipeline_p16_a_hook_returns_nothing_or_an_awaitable(self) -> None:
        log: list[str] = []
        answer = ask(open_site(on(Stage.AUTHORIZE, lambda context: True), function=lambda: log.append("handler")))
        assert (answer.status, log) == (500, [])

    @pytest.mark.parametrize("loop", LOOPS)
    def test_pipeline_p16_while_a_step_waits_the_loop_is_free(self, loop: str) -> None:
        async def journey() -> list[str]:
            gate = asyncio.Event()
            order: list[str] = []

            async def wait(context: Context) -> None:
                if context.request.path == "/slow":
                    await gate.wait()

            def note(context: Context) -> None:
                order.append(context.request.path)

            modules = [on(Stage.AUTHORIZE, wait), on(Stage.END, note)]
            async with open_site(*modules, functions={"/slow": hello, "/quick": hello}) as client:
                slow = client.open("GET", "/slow")
                await client.get("/quick")
                gate.set()
                await slow.wait_finished()
            return order

        assert run(journey, loop) == ["/quick", "/slow"]


class TestLife:
    def test_pipeline_a01_one_module_serves_all_requests(self) -> None:
        made: list[object] = []

        async def journey() -> None:
            gate = asyncio.Event()

            class Counting:
                def __init__(self) -> None:
                    made.append(self)

                def attach(self, hooks: Hooks) -> None:
                    hooks.on(Stage.BEGIN, self.begin)

                async def begin(self, context: Context) -> None:
                    context.items["path"] = context.request.path
                    await gate.wait()
                    assert context.items["path"] == context.request.path

            async with open_site(Counting, functions={"/{n}": lambda n: n}) as client:
                requests = [client.open("GET", f"/{n}") for n in range(100)]
                await settle()
                assert client.runtime.statistics().executing == 100
                gate.set()
                for request in requests:
                    await request.wait_finished()
                assert [b"".join(each.pieces) for each in requests] == [b"%d" % n for n in range(100)]

        run(journey)
        assert len(made) == 1

    def test_pipeline_a02_a_module_of_a_location_is_made_once_though_children_inherit_it(self) -> None:
        made: list[object] = []
        log: list[str] = []

        class Counting:
            def __init__(self) -> None:
                made.append(self)

            def attach(self, hooks: Hooks) -> None:
                hooks.on_start(lambda: log.append("start"))
                hooks.on_stop(lambda: log.append("stop"))
                hooks.on(Stage.AUTHORIZE, noting(log, "request"))

        client = open_site(functions={"/a/b/c": hello}, locations={"/a": [Counting], "/a/b": []})
        assert ask(client, "/a/b/c").status == 200
        assert log == ["start", "request", "stop"]
        assert len(made) == 1

    def test_pipeline_a04_start_and_stop_run_once_stop_in_reverse(self) -> None:
        log: list[str] = []

        def module(name: str) -> Attached:
            async def start() -> None:
                await asyncio.sleep(0)
                log.append(f"start {name}")

            def attach(hooks: Hooks) -> None:
                hooks.on_start(start)
                hooks.on_stop(lambda: log.append(f"stop {name}"))

            return Attached(attach)

        async def journey() -> None:
            async with open_site(module("A"), module("B")) as client:
                log.append("requests")
                await asyncio.gather(*(client.get("/") for _ in range(10)))

        run(journey)
        assert log == ["start A", "start B", "requests", "stop B", "stop A"]

    def test_pipeline_a05_a_module_that_fails_to_start_keeps_the_server_from_starting(self) -> None:
        log: list[str] = []

        def good(hooks: Hooks) -> None:
            hooks.on_start(lambda: log.append("start"))
            hooks.on_stop(lambda: log.append("stop"))

        def bad(hooks: Hooks) -> None:
            hooks.on_start(_fail_to_start)
            hooks.on_stop(lambda: log.append("never started"))

        with pytest.raises(StartupError) as caught:
            ask(open_site(Attached(good), Attached(bad), Attached(good)))
        assert "no database" in str(caught.value)
        assert isinstance(caught.value.__cause__, OSError)
        assert log == ["start", "stop"]

    def test_pipeline_a06_stop_runs_once_though_asked_twice(self) -> None:
        log: list[str] = []

        async def journey() -> None:
            async with open_site(Attached(lambda hooks: hooks.on_stop(lambda: log.append("stop")))) as client:
                await client.runtime.stop()

        run(journey)
        assert log == ["stop"]

    def test_pipeline_a06_who_is_cut_off_passes_the_last_stages_before_modules_are_stopped(self) -> None:
        log: list[str] = []

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.END, lambda context: log.append("END"))
            hooks.on_stop(lambda: log.append("stopped"))

        async def forever() -> None:
            await asyncio.Event().wait()

        async def journey() -> None:
            async with open_site(Attached(attach), function=forever) as client:
                request = client.open("GET", "/")
                await settle()
                await client.runtime.drain(0)
                await client.runtime.stop()
                assert request.response_head is not None
                assert request.response_head.status == 503

        run(journey)
        assert log == ["END", "stopped"]

    def test_pipeline_a08_a_module_that_fails_to_stop_harms_no_other(self, caplog: pytest.LogCaptureFixture) -> None:
        log: list[str] = []
        modules = [
            Attached(lambda hooks: hooks.on_stop(lambda: log.append("A"))),
            Attached(lambda hooks: hooks.on_stop(_fail_to_start)),
            Attached(lambda hooks: hooks.on_stop(lambda: log.append("C"))),
        ]
        ask(open_site(*modules))
        assert log == ["C", "A"]
        assert "no database" in caplog.text


def _boom(_: object) -> None:
    raise ValueError("boom")


def _fail_to_start() -> None:
    raise OSError("no database")
