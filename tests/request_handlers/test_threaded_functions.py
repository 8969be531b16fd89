"""Plain functions in threads: their variables, their queue, and their end."""

import asyncio
from collections.abc import Callable
from contextvars import ContextVar
from threading import Event, current_thread

import pytest

from penstock import Context, Hooks, HTTPError, Stage
from penstock.pipeline.handler import Handler
from penstock.pipeline.location import Location
from penstock.pipeline.module import Hooks as PlacedHooks
from penstock.pipeline.site import PipelineSite
from penstock.pipeline.target import Target
from penstock.request_handlers.threaded_functions import QUEUE, ThreadedFunction
from penstock.settings import LimitSettings
from penstock.testing import Client
from tests.pipeline.subject import LOOPS, run, settle

VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="unset")


def client_of(
    handler: Handler,
    *,
    threads: int = 1,
    attach: Callable[[Hooks], object] = lambda hooks: None,
    location: Location | None = None,
) -> Client:
    function = ThreadedFunction(handler, threads)
    hooks = PlacedHooks("Gate")
    attach(hooks)
    target = Target("tested", "/", function.execute, on_start=function.start, on_stop=function.stop)
    site = PipelineSite(modules=[hooks], mounts=[target], locations=[location] if location else [])
    return Client([site], limits=LimitSettings(requests_inside=5000))


@pytest.mark.parametrize("loop", LOOPS)
class TestAnswering:
    def test_in_a_thread_of_its_own(self, loop: str) -> None:
        async def journey() -> str:
            async with client_of(lambda context: current_thread().name) as client:
                return (await client.get("/")).text

        assert run(journey, loop) == "penstock-function-1"

    def test_what_it_raises_is_the_request_s(self, loop: str) -> None:
        def refuse(context: Context) -> None:
            raise HTTPError(403, "not here")

        async def journey() -> tuple[int, str]:
            async with client_of(refuse) as client:
                answer = await client.get("/")
                return answer.status, answer.text

        assert run(journey, loop) == (403, "403 Forbidden\nnot here\n")

    def test_an_async_function_is_called_in_the_thread_and_runs_on_the_loop(self, loop: str) -> None:
        called_in: list[str] = []

        async def answer() -> str:
            return current_thread().name

        def called(context: Context) -> object:
            called_in.append(current_thread().name)
            return answer()

        async def journey() -> None:
            async with client_of(called) as client:
                assert (await client.get("/")).text == current_thread().name
                assert called_in == ["penstock-function-1"]

        run(journey, loop)

    def test_it_sees_the_request_s_variables_and_changes_only_its_own(self, loop: str) -> None:
        seen: list[str] = []

        def handler(context: Context) -> str:
            seen.append(VARIABLE.get())
            VARIABLE.set("the thread's")
            return "done"

        def begin(context: Context) -> None:
            VARIABLE.set("the request's")

        def attach(hooks: Hooks) -> None:
            hooks.on(Stage.BEGIN, begin)
            hooks.on(Stage.LOG, lambda context: seen.append(VARIABLE.get()))

        async def journey() -> None:
            async with client_of(handler, attach=attach) as client:
                await client.get("/")

        run(journey, loop)
        assert seen == ["the request's"] * 2


class TestQueue:
    def test_who_finds_all_threads_busy_and_the_queue_full_is_answered_with_503(self) -> None:
        go = Event()

        async def journey() -> None:
            async with client_of(lambda context: str(go.wait(10))) as client:
                waiting = [client.open("GET", "/") for _ in range(QUEUE + 1)]
                await settle()
                refused = await client.get("/")
                assert (refused.status, refused.headers["retry-after"]) == (503, "1")
                go.set()
                for request in waiting:
                    await request.wait_finished()
                assert {request.response_head.status for request in waiting if request.response_head} == {200}

        run(journey)


class TestStuck:
    def test_pipeline_t03_a_thread_beyond_the_deadline_is_left_behind_and_may_come_back(self) -> None:
        go, names = Event(), list[str]()

        def handler(context: Context) -> str:
            names.append(current_thread().name)
            if context.request.path == "/slow":
                go.wait(10)
            return "done"

        async def journey() -> None:
            async with client_of(handler, location=Location("/slow", deadline=0.05)) as client:
                try:
                    assert (await client.get("/slow")).status == 504
                    (stuck,) = client.runtime.stuck.threads
                    assert stuck.name == names[0]
                    assert (await client.get("/")).text == "done"
                    assert names[1] != names[0]
                finally:
                    go.set()
                await asyncio.get_running_loop().run_in_executor(None, stuck.join)
                await settle()
                assert not client.runtime.stuck.threads

        run(journey)


class TestEnd:
    def test_it_can_be_started_and_stopped_again(self) -> None:
        function = ThreadedFunction(lambda context: None, 2)

        async def journey() -> None:
            await function.stop()  # never started
            for _ in range(2):
                function.start()
                await function.stop()

        run(journey)
