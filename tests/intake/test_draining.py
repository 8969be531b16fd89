"""The end of a runtime: notice, waiting, cancelling, and who does not listen is left behind (pipeline G-07)."""

import asyncio
import time
from typing import Any

from penstock.intake.runtime import Runtime
from tests.intake.subject import FakeSite, Waits, answer, keep, make_request, started
from tests.pipeline.subject import run, settle


def waiting_inside(runtime: Runtime, work: Any) -> asyncio.Task[None]:
    """A request inside that does `work`."""
    request = make_request()
    runtime.process(request)
    waits = runtime.inside[request] = Waits(request)
    waits.task = asyncio.ensure_future(work)
    return waits.task


def test_pipeline_g06_the_notice_comes_first_and_lets_requests_in() -> None:
    async def journey() -> None:
        site = FakeSite()
        runtime = await started(site)
        runtime.announce_stop()
        assert runtime.state.value == "draining"
        assert runtime.sockets.is_going_away
        assert site.is_told
        request = make_request()
        runtime.process(request)
        assert request.response_head is not None
        assert request.response_head.status == 200
        await runtime.stop()
        runtime.announce_stop()
        assert runtime.state.value == "stopped"

    run(journey)


def test_pipeline_g06_sites_that_are_replaced_are_told_at_once() -> None:
    async def journey() -> None:
        old, new = FakeSite(process=keep), FakeSite()
        runtime = await started(old)
        request = make_request()
        runtime.process(request)
        runtime.inside[request] = Waits(request)
        retired = runtime.replace_sites([new])
        assert (old.is_told, new.is_told) == (True, False)
        answer(request, runtime)
        await runtime.stop_retired(retired)
        await runtime.stop()

    run(journey)


def test_pipeline_g10_work_behind_an_answer_is_waited_for_and_cancelled_at_the_end_of_the_time() -> None:
    ended: list[str] = []

    async def work(end: asyncio.Event, name: str) -> None:
        try:
            await end.wait()
            ended.append(f"{name} done")
        except asyncio.CancelledError:
            ended.append(f"{name} cancelled")
            raise

    async def journey() -> None:
        runtime = await started(FakeSite())
        soon, never = asyncio.Event(), asyncio.Event()
        runtime.run_behind(asyncio.create_task(work(soon, "soon")))
        draining = asyncio.create_task(runtime.drain(10))
        await settle()
        assert not draining.done()
        soon.set()
        assert await draining
        runtime.run_behind(asyncio.create_task(work(never, "never")))
        assert not await runtime.drain(0.01)
        await runtime.stop()

    run(journey)
    assert ended == ["soon done", "never cancelled"]


def test_pipeline_g07_who_swallows_its_cancellation_is_left_behind() -> None:
    ended: list[str] = []

    async def deaf() -> None:
        for _ in range(2):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.append("deaf")

    async def polite() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("polite")

    async def journey() -> None:
        log: list[str] = []
        runtime = await started(FakeSite(log=log, process=keep))
        tasks = [waiting_inside(runtime, deaf()), waiting_inside(runtime, polite())]
        await settle()
        assert not await runtime.drain(0.01)
        before = time.monotonic()
        await runtime.stop(0.1)
        assert 0.09 < time.monotonic() - before < 0.9
        assert sorted(ended) == ["deaf", "polite"]
        assert log == ["start *", "stop *"]
        assert [task.done() for task in tasks] == [False, True]
        tasks[0].cancel()
        await asyncio.wait(tasks)

    run(journey)


def test_who_waits_at_the_gate_is_served_when_it_opens_in_time() -> None:
    async def journey() -> None:
        runtime = await started(FakeSite())
        runtime.gate.hold()
        request = make_request()
        runtime.process(request)
        draining = asyncio.ensure_future(runtime.drain(10))
        await settle()
        assert not draining.done()
        runtime.let_in()
        assert await draining
        assert request.response_head is not None
        assert request.response_head.status == 200

    run(journey)


def test_open_websockets_are_counted() -> None:
    async def journey() -> None:
        runtime = await started(FakeSite())
        assert runtime.statistics().sockets == 0

    run(journey)
