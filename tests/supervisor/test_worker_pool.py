"""A pool: workers are started, kept, replaced all or none, scaled, drained; crash loops turn it off (pipeline W-01 to W-05, G-04)."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable

import pytest

from penstock.settings import DrainSettings, PoolSettings, RecycleSettings, ServerSettings, Settings
from penstock.supervisor.generation import Generation
from penstock.supervisor.messages import Advice
from penstock.supervisor.slots import Listening
from penstock.supervisor.start_failures import StartFailed
from penstock.supervisor.worker_process import WorkerState
from tests.supervisor.on_loop import on_loop
from tests.supervisor.pool_subject import Scripted, Subject, a_pool

QUICK = RecycleSettings(stagger=0, failures=2, back_off=0.05)


@on_loop
async def test_all_workers_start_and_serve() -> None:
    async with a_pool(workers=3) as subject:
        assert subject.serving == [1, 2, 3]
        assert [worker.slot for worker in subject.launcher.all] == [0, 1, 2]
        assert subject.pool.serving == subject.pool.wanted == 3


@on_loop
async def test_one_that_does_not_start_stops_them_all() -> None:
    async with a_pool(start=False) as subject:
        subject.launcher.script = lambda worker: worker.fail("no database") if worker.slot else worker.get_ready()
        with pytest.raises(StartFailed, match="no database"):
            await subject.pool.start()
        assert all(worker.is_ended for worker in subject.launcher.all)


@on_loop
async def test_one_that_is_not_ready_in_time_is_killed() -> None:
    async with a_pool(workers=1, start=False, recycle=RecycleSettings(start_timeout=0.05)) as subject:
        subject.launcher.script = lambda worker: None
        with pytest.raises(StartFailed, match=r"was not ready within 0.05 s"):
            await subject.pool.start()
        assert subject.worker(1).killed


@on_loop
async def test_one_that_ends_is_replaced_in_its_slot(caplog: pytest.LogCaptureFixture) -> None:
    async with a_pool() as subject:
        with caplog.at_level(logging.ERROR, "penstock"):
            subject.worker(2).end(-9)
        await subject.wait(lambda: subject.serving == [1, 3])
        assert subject.worker(3).slot == 1
        assert "was ended by SIGKILL" in caplog.text
        assert subject.pool.slots[1].reasons == ["was ended by SIGKILL"]


@on_loop
async def test_pipeline_g04_the_successor_serves_before_the_other_drains() -> None:
    async with a_pool(workers=1) as subject:
        seen = []

        def note(worker: Scripted) -> None:
            seen.append(subject.worker(1).state)
            worker.get_ready()

        subject.launcher.script = note
        assert await subject.pool.replace(subject.pool.slots[0], subject.generation, "Age") is None
        assert seen == [WorkerState.SERVING]
        assert subject.serving == [2]
        await subject.wait(lambda: subject.worker(1).is_ended)
        assert subject.pool.recycles == {"Age": 1}


@on_loop
async def test_pipeline_w03_a_successor_that_fails_leaves_the_old_one() -> None:
    async with a_pool(workers=1) as subject:
        subject.launcher.script = lambda worker: worker.fail("half a deploy")
        failure = await subject.pool.replace(subject.pool.slots[0], subject.generation, "Age")
        assert isinstance(failure, StartFailed)
        assert subject.serving == [1]
        assert subject.pool.guard.recent == 1


@on_loop
async def test_a_new_generation_is_for_all_or_none() -> None:
    async with a_pool() as subject:
        after = Generation(2, subject.settings)
        subject.launcher.script = lambda worker: (
            worker.fail("no") if worker.slot == 1 and worker.generation == 2 else worker.get_ready()
        )
        assert await subject.pool.replace_all(after, "SettingsChanged") is not None
        assert subject.pool.generation is subject.generation
        assert [slot.worker and slot.worker.generation for slot in subject.pool.slots] == [1, 1]
        subject.launcher.script = Scripted.get_ready
        assert await subject.pool.replace_all(after, "SettingsChanged") is None
        assert [slot.worker and slot.worker.generation for slot in subject.pool.slots] == [2, 2]


@on_loop
async def test_a_new_generation_brings_its_number_of_workers() -> None:
    async with a_pool() as subject:
        more = Generation(2, Settings(server=ServerSettings(workers=4, recycle=RecycleSettings(stagger=0))))
        assert await subject.pool.replace_all(more, "SettingsChanged") is None
        assert subject.pool.serving == 4
        fewer = Generation(3, Settings(server=ServerSettings(workers=1)))
        assert await subject.pool.replace_all(fewer, "SettingsChanged") is None
        assert subject.pool.serving == 1


@on_loop
async def test_pipeline_w02_advice_replaces_in_turn() -> None:
    async with a_pool(workers=3) as subject:
        for number in (1, 2, 3, 1):
            worker = subject.worker(number)
            worker.on_advice(worker, Advice(kind="RequestLimit", text="100 requests were taken in"))
        await subject.wait(lambda: subject.serving == [4, 5, 6])
        assert subject.pool.recycles == {"RequestLimit": 3}


@on_loop
async def test_pipeline_w05_a_pool_that_crashes_is_off_and_tried_again() -> None:
    async with a_pool(workers=1, recycle=QUICK) as subject:
        subject.launcher.script = lambda worker: worker.fail("no database")
        subject.worker(1).end(1)
        await subject.wait(lambda: subject.pool.guard.times_off)
        await subject.wait(lambda: any(each.unavailable for each in subject.launcher.all))
        stand_in = next(each for each in subject.launcher.all if each.unavailable)
        assert "no database" in stand_in.unavailable or "exit code" in stand_in.unavailable
        await subject.wait(lambda: stand_in.state is WorkerState.SERVING or stand_in.is_ended)
        subject.launcher.script = Scripted.get_ready
        await subject.wait(lambda: subject.pool.serving == 1)
        assert not subject.pool.guard.is_off
        await subject.wait(lambda: stand_in.is_ended)


@on_loop
async def test_scaling_down_lets_slot_0_accept_for_those_that_go() -> None:
    async with a_pool(workers=3) as subject:
        await subject.pool.scale(1)
        assert subject.serving == [4]
        assert subject.worker(4).slot == 0
        await subject.wait(lambda: all(subject.worker(number).is_ended for number in (1, 2, 3)))


@on_loop
async def test_scaling_up_that_fails_keeps_what_there_is() -> None:
    async with a_pool(workers=1) as subject:
        subject.launcher.script = lambda worker: worker.fail("no memory")
        with pytest.raises(StartFailed, match="no memory"):
            await subject.pool.scale(2)
        assert (subject.pool.wanted, subject.serving) == (1, [1])


@on_loop
async def test_drained_by_hand_until_it_is_resumed() -> None:
    async with a_pool(workers=1) as subject:
        await subject.pool.drain("by hand")
        await subject.wait(lambda: any(each.unavailable == "by hand" for each in subject.launcher.all))
        await subject.wait(lambda: subject.worker(1).is_ended)
        assert subject.pool.serving == 0
        subject.pool.resume()
        await subject.wait(lambda: subject.pool.serving == 1)
        assert subject.pool.guard.recent == 0


@on_loop
async def test_pipeline_w01_g08_on_demand_until_idle() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        settings = PoolSettings(name="reports", idle=0.2)
        async with a_pool(start=False, pool=settings) as subject:
            subject.launcher.listening = [Listening(server, f"fd:{server.fileno()}")]
            await subject.pool.start()
            assert subject.launcher.all == []
            with socket.create_connection(server.getsockname()):
                await subject.wait(lambda: subject.serving == [1])
                server.accept()[0].close()
            worker = subject.worker(1)
            worker.send_beat(total=5, executing=1)
            worker.last_beat = worker.last_busy + 0.1
            subject.pool.tick()
            assert subject.serving == [1]
            worker.last_beat = worker.last_busy + 0.3
            subject.pool.tick()
            await subject.wait(lambda: worker.is_ended)
            assert subject.pool.demand.is_watching
            with socket.create_connection(server.getsockname()):
                await subject.wait(lambda: subject.serving == [2])


@on_loop
async def test_pipeline_g07_who_does_not_leave_in_time_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    async with a_pool(start=False) as subject:
        drain = DrainSettings(idle=0, cancel=0, kill=0.05)
        settings = Settings(server=ServerSettings(workers=1, graceful_timeout=0, drain=drain))
        await subject.pool.replace_all(Generation(2, settings), "SettingsChanged")
        await subject.pool.start()
        stubborn = subject.worker(1)
        stubborn.is_stubborn = True
        with caplog.at_level(logging.ERROR, "penstock"):
            await subject.pool.stop(0.0)
        assert stubborn.killed
        assert "is killed" in caplog.text


@on_loop
async def test_an_upgraded_supervisor_goes_on_with_its_workers() -> None:
    async with a_pool(start=False) as subject:
        before = [await subject.launcher.launch("default", slot, 2, subject.generation) for slot in range(2)]
        for worker in before:
            await worker.ready
            worker.serve()
        subject.pool.adopt(before, wanted=2, drained="")
        assert subject.serving == [1, 2]
        subject.worker(1).end(-9)
        await subject.wait(lambda: subject.serving == [3, 2])
        assert await subject.pool.replace_all(subject.generation, "Upgrade") is None
        assert subject.serving == [4, 5]


@on_loop
async def test_scaling_down_that_fails_keeps_all_for_nobody_else_accepts_at_their_sockets() -> None:
    async with a_pool(workers=3) as subject:
        subject.launcher.script = lambda worker: worker.fail("no database")
        with pytest.raises(StartFailed, match="no database"):
            await subject.pool.scale(2)
        assert subject.serving == [1, 2, 3]
        assert subject.pool.wanted == 3


@on_loop
async def test_each_step_of_scaling_counts_also_while_another_is_under_way() -> None:
    async with a_pool(workers=1) as subject:
        await asyncio.gather(*[subject.pool.scale_by(1) for _ in range(3)])
        assert len(subject.serving) == subject.pool.wanted == 4
        await asyncio.gather(*[subject.pool.scale_by(-1) for _ in range(5)])
        assert len(subject.serving) == subject.pool.wanted == 1


@on_loop
async def test_what_is_drained_stays_drained_whatever_else_is_asked_for() -> None:
    async with a_pool() as subject:
        await subject.pool.drain("a test")
        pool = subject.pool
        asked: list[Callable[[], Awaitable[object]]] = [
            lambda: pool.replace_all(pool.generation, "Operator"),
            lambda: pool.replace_all(Generation(2, subject.settings), "SettingsChanged"),
            lambda: pool.scale(3),
            lambda: pool.scale(1),
        ]
        for ask in asked:
            assert await ask() is None
            await subject.wait(lambda: _stand_ins(subject) == {slot.number for slot in subject.pool.slots})
            assert subject.serving == []
        subject.pool.resume()
        await subject.wait(lambda: len(subject.serving) == 1)
        await subject.wait(lambda: not _stand_ins(subject))


def _stand_ins(subject: Subject) -> set[int]:
    return {
        worker.slot for worker in subject.pool.workers if worker.is_stand_in and worker.state is WorkerState.SERVING
    }


@on_loop
async def test_pipeline_w05_a_pool_that_is_off_is_on_again_when_a_replaced_one_starts() -> None:
    recycle = RecycleSettings(stagger=0, failures=2, back_off=60)
    async with a_pool(recycle=recycle) as subject:
        for worker in (subject.worker(1), subject.worker(2)):
            worker.end(-9)
        await subject.wait(lambda: len(_stand_ins(subject)) == 2)
        assert await subject.pool.replace_all(Generation(2, subject.settings), "Operator") is None
        assert not subject.pool.guard.is_off
        await subject.wait(lambda: not _stand_ins(subject))
        assert len(subject.serving) == 2


@on_loop
async def test_one_that_ends_in_the_moment_in_which_it_got_ready_is_not_taken_for_one_that_serves() -> None:
    async with a_pool() as subject:

        def end(worker: Scripted) -> None:
            worker.get_ready()
            worker.end(1)

        subject.launcher.script = end
        assert await subject.pool.replace_all(subject.pool.generation, "Operator") is not None
        assert subject.serving == [1, 2]
