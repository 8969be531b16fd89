"""All workers of a pool replaced: whoever was started for the generation before meanwhile is not forgotten (pipeline W-03, G-04)."""

import asyncio

from penstock.settings import ServerSettings, Settings
from penstock.supervisor.generation import Generation
from tests.supervisor.on_loop import on_loop
from tests.supervisor.pool_subject import Scripted, a_pool


@on_loop
async def test_pipeline_g04_one_that_crashes_during_a_reload_has_a_successor_of_the_new_generation() -> None:
    async with a_pool() as subject:

        def crash_first(worker: Scripted) -> None:
            if worker.slot == 1 and worker.generation == 2:
                subject.worker(3).end(-9)
            worker.get_ready()

        subject.launcher.script = crash_first
        settings = Settings(server=ServerSettings(workers=2, headers={"x": "1"}))
        assert await subject.pool.replace_all(Generation(2, settings), "SettingsChanged") is None
        assert {slot.worker.generation for slot in subject.pool.slots if slot.worker is not None} == {2}
        assert len(subject.serving) == 2


@on_loop
async def test_pipeline_g04_a_recycle_that_begins_at_the_end_of_a_reload_brings_nothing_old_back() -> None:
    async with a_pool() as subject:
        recycles: list[asyncio.Task[object]] = []

        def recycle_behind_the_last(worker: Scripted) -> None:
            if worker.slot == 1 and worker.generation == 2:
                recycle = subject.pool.replace_all(subject.pool.generation, "Operator")
                recycles.append(asyncio.get_running_loop().create_task(recycle))
                asyncio.get_running_loop().call_soon(worker.get_ready)
            else:
                worker.get_ready()

        subject.launcher.script = recycle_behind_the_last
        settings = Settings(server=ServerSettings(workers=2, headers={"x": "1"}))
        assert await subject.pool.replace_all(Generation(2, settings), "SettingsChanged") is None
        await asyncio.wait(recycles)
        assert [slot.worker and slot.worker.generation for slot in subject.pool.slots] == [2, 2]


@on_loop
async def test_a_new_generation_with_fewer_workers_whose_first_does_not_start_again_says_so() -> None:
    async with a_pool(workers=3) as subject:
        started: list[int] = []

        def fail_the_second(worker: Scripted) -> None:
            started.append(worker.slot)
            if started.count(0) == 2:
                worker.fail("no database")
            else:
                worker.get_ready()

        subject.launcher.script = fail_the_second
        failure = await subject.pool.replace_all(Generation(2, Settings(server=ServerSettings(workers=1))), "Operator")
        assert failure is not None
        assert "no database" in str(failure)
        assert len(subject.serving) == 3
