"""Completion: exactly one of those who call it lets the step go on, on the loop of the request (pipeline M-02, M-03)."""

import asyncio
import threading

import pytest

from penstock import Context, HTTPError, Stage
from penstock.pipeline.completion import Completion
from tests.pipeline.subject import LOOPS, ask, on, open_site, run


def test_pipeline_m02_completed_before_it_is_awaited() -> None:
    async def begin(context: Context) -> None:
        completion = context.completion()
        completion.complete(7)
        assert await completion == 7

    assert ask(open_site(on(Stage.BEGIN, begin))).text == "hello"


@pytest.mark.parametrize("loop", LOOPS)
def test_pipeline_m03_from_a_foreign_thread_it_goes_on_on_the_loop(loop: str) -> None:
    threads: list[int] = []

    async def begin(context: Context) -> None:
        completion = context.completion()
        threading.Thread(target=completion.complete).start()
        await completion

    def note(context: Context) -> None:
        threads.append(threading.get_ident())

    assert (
        ask(open_site(on(Stage.BEGIN, note), on(Stage.BEGIN, begin), on(Stage.AUTHORIZE, note)), loop=loop).status
        == 200
    )
    assert threads[0] == threads[1]


def test_it_may_fail() -> None:
    async def begin(context: Context) -> None:
        completion = context.completion()
        threading.Thread(target=completion.fail, args=(HTTPError(418),)).start()
        await completion

    assert ask(open_site(on(Stage.BEGIN, begin))).status == 418


def test_pipeline_m02_of_many_callers_one_counts() -> None:
    async def journey() -> tuple[list[int], int]:
        loop = asyncio.get_running_loop()
        results = []
        repeats: list[int] = []
        for number in range(300):
            completion = Completion(loop, lambda: repeats.append(1))
            barrier = threading.Barrier(2)

            def call(completion: Completion, barrier: threading.Barrier, value: int) -> None:
                barrier.wait()
                completion.complete(value)

            callers = [threading.Thread(target=call, args=(completion, barrier, number)) for _ in range(2)]
            for caller in callers:
                caller.start()
            results.append(await completion)
            for caller in callers:
                await asyncio.to_thread(caller.join)
        return results, len(repeats)

    results, repeats = run(journey)
    assert results == list(range(300))
    assert repeats == 300


def test_a_wait_that_was_cancelled_is_left_alone() -> None:
    async def journey() -> None:
        completion = Completion(asyncio.get_running_loop())

        async def wait() -> None:
            await completion

        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        completion.complete()
        await asyncio.sleep(0)

    run(journey)
