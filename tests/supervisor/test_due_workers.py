"""Who is replaced, and when: by its beats, its age, its silence (pipeline W-02, W-04, W-06)."""

import asyncio
import logging
from pathlib import Path

import pytest

from penstock.settings import RecycleSettings
from tests.supervisor.on_loop import on_loop
from tests.supervisor.pool_subject import a_pool


@on_loop
async def test_pipeline_w02_memory() -> None:
    async with a_pool(workers=1, recycle=RecycleSettings(memory=1000)) as subject:
        subject.worker(1).send_beat(resident=999)
        subject.pool.tick()
        assert subject.serving == [1]
        subject.worker(1).send_beat(resident=1000)
        subject.pool.tick()
        await subject.wait(lambda: subject.serving == [2])
        assert subject.pool.recycles == {"Memory": 1}


@on_loop
async def test_pipeline_g03_asked_again_it_is_replaced_once() -> None:
    async with a_pool(workers=1, recycle=RecycleSettings(requests=10)) as subject:
        worker = subject.worker(1)
        for _ in range(3):
            worker.send_beat(total=11)
            subject.pool.tick()
        await subject.wait(lambda: subject.serving == [2])
        await subject.wait(lambda: worker.is_ended)
        assert len(subject.launcher.all) == 2


@on_loop
async def test_pipeline_w03_a_successor_that_fails_is_tried_again_by_the_next_beat() -> None:
    async with a_pool(workers=1, recycle=RecycleSettings(age=0.01, failures=100)) as subject:
        subject.launcher.script = lambda worker: worker.fail("no") if worker.number < 3 else worker.get_ready()
        await asyncio.sleep(0.02)

        def tick() -> bool:
            subject.pool.tick()
            return subject.serving == [3]

        await subject.wait(tick)


@on_loop
async def test_pipeline_w04_silence_is_stuck(caplog: pytest.LogCaptureFixture) -> None:
    async with a_pool(workers=1, recycle=RecycleSettings(stuck=0.1)) as subject:
        worker = subject.worker(1)
        worker.is_stubborn = True
        worker.send_beat()
        subject.pool.tick()

        def tick() -> bool:
            subject.pool.tick()
            return worker.is_ended

        with caplog.at_level(logging.ERROR, "penstock"):
            await subject.wait(tick)
        assert worker.killed
        assert 'File "app.py", line 1, in app' in caplog.text
        assert subject.serving == [2]
        assert subject.pool.recycles == {"Stuck": 1}


@on_loop
async def test_pipeline_w06_a_stuck_worker_is_left_to_who_looks_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    program = tmp_path / "look"
    program.write_text(f'#!/bin/sh\necho "$1" > {told}.new && mv {told}.new {told}\n')
    program.chmod(0o755)
    async with a_pool(workers=1, recycle=RecycleSettings(stuck=0.05, orphan=str(program))) as subject:
        worker = subject.worker(1)
        worker.is_stubborn = True
        worker.send_beat()
        subject.pool.tick()

        def tick() -> bool:
            subject.pool.tick()
            return told.exists()

        await subject.wait(tick)
        await subject.wait(lambda: not any("_replace_stuck" in repr(task) for task in asyncio.all_tasks()))
        assert told.read_text() == f"{worker.pid}\n"
        assert not worker.killed
        assert subject.serving == [2]
        # Nobody else asks how it has ended: until then it stays in the table of processes.
        asked: list[int] = []
        monkeypatch.setattr(worker, "look", lambda: asked.append(worker.number))
        subject.pool.tick()
        assert asked == [1]
        worker.end(-9)
        subject.pool.tick()
        assert asked == [1]
