"""The threads of one function: bounded, in order, and replaced when one is stuck."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar, copy_context
from threading import Event, Thread, current_thread
from typing import Any

import pytest

from penstock.errors import ContractError
from penstock.request_handlers.function_threads import FunctionThreads
from tests.pipeline.subject import run, settle

VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="unset")


def with_threads(count: int, journey: Callable[[FunctionThreads, list[Thread]], Awaitable[Any]]) -> Any:
    async def whole() -> Any:
        returned: list[Thread] = []
        threads = FunctionThreads(count, returned.append)
        try:
            return await journey(threads, returned)
        finally:
            assert await threads.stop() == 0

    return run(whole)


def stop_iteration() -> None:
    raise StopIteration


def interrupt() -> object:
    raise KeyboardInterrupt


class TestJobs:
    def test_give_results_and_errors(self) -> None:
        async def journey(threads: FunctionThreads, returned: list[Thread]) -> None:
            assert await threads.submit(lambda: 7, copy_context()).done == 7
            with pytest.raises(ZeroDivisionError):
                await threads.submit(lambda: 1 // 0, copy_context()).done
            with pytest.raises(ContractError, match="StopIteration"):
                await threads.submit(stop_iteration, copy_context()).done
            with pytest.raises(ContractError, match="KeyboardInterrupt"):
                await threads.submit(interrupt, copy_context()).done
            assert threads.jobs == 0

        with_threads(1, journey)

    def test_run_in_their_context_variables(self) -> None:
        async def journey(threads: FunctionThreads, returned: list[Thread]) -> None:
            variables = copy_context()
            variables.run(VARIABLE.set, "set")
            assert await threads.submit(VARIABLE.get, variables).done == "set"
            assert VARIABLE.get() == "unset"

        with_threads(1, journey)

    def test_wait_in_order_for_few_threads(self) -> None:
        async def journey(threads: FunctionThreads, returned: list[Thread]) -> None:
            names: list[str] = []
            order: list[int] = []

            def work(number: int) -> None:
                order.append(number)
                names.append(current_thread().name)

            jobs = [threads.submit(lambda n=number: work(n), copy_context()) for number in range(20)]  # type: ignore[misc]
            await asyncio.gather(*[job.done for job in jobs])
            assert order == list(range(20))
            assert set(names) == {"penstock-function-1"}

        with_threads(1, journey)


class TestStuck:
    def test_pipeline_t03_another_thread_takes_the_place(self) -> None:
        async def journey(threads: FunctionThreads, returned: list[Thread]) -> None:
            begun, go = Event(), Event()

            def hold() -> None:
                begun.set()
                go.wait()

            stuck = threads.submit(hold, copy_context())
            waiting = threads.submit(lambda: current_thread().name, copy_context())
            await asyncio.get_running_loop().run_in_executor(None, begun.wait)
            thread = threads.abandon(stuck)
            assert thread is not None
            assert thread.name == "penstock-function-1"
            assert stuck.done.cancelled()
            assert await waiting.done == "penstock-function-2"
            assert threads.jobs == 0
            go.set()
            await asyncio.get_running_loop().run_in_executor(None, thread.join)
            await settle()
            assert returned == [thread]

        with_threads(1, journey)

    def test_a_job_that_waits_is_never_begun(self) -> None:
        async def journey(threads: FunctionThreads, returned: list[Thread]) -> None:
            go = Event()
            called: list[int] = []
            first = threads.submit(go.wait, copy_context())
            second = threads.submit(lambda: called.append(2), copy_context())
            assert threads.abandon(second) is None
            go.set()
            await first.done
            assert await threads.submit(lambda: 3, copy_context()).done == 3
            assert called == []
            assert returned == []

        with_threads(1, journey)

    def test_a_job_that_has_ended_holds_no_thread(self) -> None:
        async def journey(threads: FunctionThreads, returned: list[Thread]) -> None:
            job = threads.submit(lambda: 1, copy_context())
            while not job.has_ended:
                pass  # the loop does not turn, so that the result is still on its way
            assert threads.abandon(job) is None
            await settle()
            assert threads.jobs == 0
            assert await threads.submit(lambda: current_thread().name, copy_context()).done == "penstock-function-1"

        with_threads(1, journey)

    def test_whoever_gives_up_waiting_frees_the_place_when_the_job_ends(self) -> None:
        async def journey(threads: FunctionThreads, returned: list[Thread]) -> None:
            go = Event()
            job = threads.submit(go.wait, copy_context())
            job.done.cancel()
            assert threads.jobs == 1
            go.set()
            await threads.submit(lambda: None, copy_context()).done
            assert threads.jobs == 0

        with_threads(1, journey)


class TestStop:
    def test_lets_what_is_queued_end(self) -> None:
        async def journey() -> None:
            done: list[int] = []
            threads = FunctionThreads(2, lambda thread: None)
            for number in range(10):
                threads.submit(lambda n=number: done.append(n), copy_context())  # type: ignore[misc]
            assert await threads.stop() == 0
            assert sorted(done) == list(range(10))

        run(journey)
