"""How a worker gets ready, and leaves; no processes."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

import pytest

from penstock.errors import ConfigurationError, Problem
from penstock.settings import RecycleSettings, ServerSettings, Settings
from penstock.supervisor.generation import DEFAULT, Generation
from penstock.supervisor.launching import Launcher
from penstock.supervisor.messages import Advice
from penstock.supervisor.start_failures import StartFailed
from penstock.supervisor.starting import Starting
from penstock.supervisor.worker_process import WorkerProcess
from tests.supervisor.on_loop import on_loop
from tests.supervisor.pool_subject import Scripted, ScriptedLauncher


class Subject:
    """What starts workers, and what it has told."""

    def __init__(self, script: Callable[[Scripted], Any] = Scripted.get_ready) -> None:
        self.launcher = ScriptedLauncher()
        self.launcher.script = script
        self.ended: list[WorkerProcess] = []
        self.advice: list[Advice] = []
        self.starting = Starting(
            DEFAULT,
            cast(Launcher, self.launcher),
            on_end=self.ended.append,
            on_advice=lambda worker, advice: self.advice.append(advice),
        )
        server = ServerSettings(workers=1, recycle=RecycleSettings(start_timeout=0.05))
        self.generation = Generation(1, Settings(server=server))

    async def start(self) -> WorkerProcess:
        """One for the only slot."""
        return await self.starting.start(0, 1, self.generation)


@on_loop
async def test_one_that_is_ready_is_given_over_and_heard_of() -> None:
    subject = Subject()
    worker = await subject.start()
    assert worker.ready.done()
    assert subject.starting.others == set()
    subject.launcher.all[0]._receive(Advice(kind="Memory"))
    subject.launcher.all[0].end(0)
    assert (subject.advice, subject.ended) == ([Advice(kind="Memory")], [worker])


@on_loop
async def test_while_it_starts_it_is_known() -> None:
    subject = Subject(lambda worker: None)
    task = asyncio.create_task(subject.start())
    await asyncio.sleep(0)
    assert subject.starting.unready == subject.launcher.all
    task.cancel()
    await asyncio.wait([task])
    assert subject.launcher.all[0].killed
    assert subject.starting.others == set()


@on_loop
async def test_one_that_says_why_it_fails() -> None:
    subject = Subject(lambda worker: worker.fail("no database"))
    with pytest.raises(StartFailed, match="no database"):
        await subject.start()
    assert subject.starting.others == set()


@on_loop
async def test_one_that_takes_too_long_is_killed() -> None:
    subject = Subject(lambda worker: None)
    with pytest.raises(StartFailed, match=r"was not ready within 0.05 s, and is killed"):
        await subject.start()
    assert subject.launcher.all[0].killed


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ConfigurationError([Problem("user: there is no nobody2")]), "there is no nobody2"),
        (FileNotFoundError(2, "No such file", "venv/bin/python"), "cannot be started: .*venv/bin/python"),
    ],
)
@on_loop
async def test_one_that_cannot_be_launched(error: Exception, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def launch(*_: Any, **__: Any) -> WorkerProcess:
        raise error

    monkeypatch.setattr(ScriptedLauncher, "launch", launch)
    with pytest.raises(StartFailed, match=told) as failed:
        await Subject().start()
    assert isinstance(failed.value.for_operator(), ConfigurationError) is isinstance(error, ConfigurationError)


@on_loop
async def test_a_stand_in_serves_and_is_nobody_the_pool_counts() -> None:
    subject = Subject(lambda worker: worker.fail("never asked"))
    found = await subject.starting.start_stand_in(0, 1, subject.generation, reason="5 crashes", retry_after=7)
    assert found is subject.launcher.all[0]
    assert subject.launcher.all[0].unavailable == "5 crashes"
    assert subject.starting.others == {found}


@on_loop
async def test_without_even_a_stand_in_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def launch(*_: Any, **__: Any) -> WorkerProcess:
        raise OSError("too many processes")

    monkeypatch.setattr(ScriptedLauncher, "launch", launch)
    subject = Subject()
    assert await subject.starting.start_stand_in(0, 1, subject.generation, reason="5 crashes", retry_after=7) is None
    assert "nobody answers for pool default" in caplog.text


@on_loop
async def test_pipeline_g07_who_was_told_to_leave_is_killed_behind_its_time(caplog: pytest.LogCaptureFixture) -> None:
    subject = Subject()
    worker = await subject.start()
    with caplog.at_level(logging.ERROR, "penstock"):
        subject.starting.see_off(worker, 0.01)
        await subject.starting.wait_all_ended()
    assert subject.launcher.all[0].killed
    assert "has not ended within 0 s, and is killed" in caplog.text


@on_loop
async def test_who_leaves_in_time_is_not_killed() -> None:
    subject = Subject()
    worker = await subject.start()
    subject.starting.see_off(worker, 0.01)
    assert subject.starting.others == {worker}
    subject.launcher.all[0].end(0)
    await asyncio.sleep(0.03)
    assert not subject.launcher.all[0].killed
    assert subject.starting.others == set()


@on_loop
async def test_pipeline_w06_who_is_left_alone_is_waited_for_no_longer() -> None:
    subject = Subject()
    worker = await subject.start()
    subject.starting.see_off(worker, 0.01)
    subject.starting.forget(worker)
    await subject.starting.wait_all_ended()
    assert not worker.is_ended
    subject.launcher.all[0].end(0)
