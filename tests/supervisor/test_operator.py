"""What is asked of the supervisor: reload, recycle, scale, drain, and what it tells; its workers are no processes."""

import asyncio
import logging
import os
import time
from typing import Any

import pytest

from penstock.errors import ConfigurationError, Problem
from penstock.settings import ControlSettings, PoolSettings, RecycleSettings
from penstock.supervisor.control_model import ControlRefused, Unknown
from tests.supervisor.on_loop import on_loop
from tests.supervisor.pool_subject import Scripted
from tests.supervisor.supervisor_subject import REPORTS, a_supervisor

WRONG = ConfigurationError([Problem("there is no key asgo", "penstock.toml:7")])


def failing(worker: Scripted) -> None:
    """An application with a mistake."""
    worker.fail("no database")


@on_loop
async def test_pipeline_g11_a_reload_replaces_the_workers_of_pools_that_change_and_no_others() -> None:
    async with a_supervisor(pools=(REPORTS,)) as subject:
        assert (subject.serving("reports"), subject.serving()) == ([1], [2, 3])
        outcome = await subject.operator.reload(wait=True)
        assert (outcome.changed.changes, outcome.pools) == ((), ())
        subject.change(pools=(PoolSettings(name="reports", start="always", app_dirs=(), idle=7),))
        outcome = await subject.operator.reload(wait=True)
        assert [(each.pool, each.outcome) for each in outcome.pools] == [("reports", "replaced")]
        assert (subject.serving("reports"), subject.serving()) == ([4], [2, 3])
        assert subject.supervisor.pools["reports"].recycles == {"SettingsChanged": 1}
        assert subject.operator.status().last_reload == "done"


@on_loop
async def test_pipeline_g11_settings_with_mistakes_change_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with a_supervisor() as subject:
        subject.saved = WRONG
        with pytest.raises(ConfigurationError):
            await subject.operator.reload(wait=True)
        with pytest.raises(ConfigurationError):
            await subject.operator.diff()
        assert subject.serving() == [1, 2]
        assert subject.operator.status().last_reload == "refused: the settings have mistakes"
        subject.saved = subject.settings
        await subject.operator.reload(wait=True)
    assert "there is no key asgo" in caplog.text


@on_loop
async def test_pipeline_g11_a_place_that_cannot_be_had_refuses_the_whole_reload(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with a_supervisor() as subject:
        taken = subject.supervisor.sockets.urls[0].removeprefix("http://")
        subject.change(listen=("127.0.0.1:0", taken), graceful_timeout=9)
        with pytest.raises(ConfigurationError, match=taken):
            await subject.operator.reload(wait=True)
        assert subject.serving() == [1, 2]
        subject.change(graceful_timeout=9)
        await subject.operator.reload(wait=True)
        assert subject.serving() == [3, 4]
    assert "the old ones stay" in caplog.text


@on_loop
async def test_pipeline_g11_a_generation_that_does_not_start_leaves_the_old_one_and_is_tried_again() -> None:
    async with a_supervisor() as subject:
        subject.change(graceful_timeout=9)
        subject.launcher.script = failing
        outcome = await subject.operator.reload(wait=True)
        assert outcome.pools[0].outcome == "failed"
        assert "no database" in outcome.pools[0].error
        assert subject.serving() == [1, 2]
        assert "the old workers go on" in subject.operator.status().last_reload
        subject.launcher.script = Scripted.get_ready
        outcome = await subject.operator.reload(wait=True)
        assert outcome.pools[0].outcome == "replaced"
        assert not {1, 2} & set(subject.serving())


@on_loop
async def test_pools_come_and_go_with_a_reload() -> None:
    async with a_supervisor() as subject:
        subject.change(pools=(REPORTS,))
        outcome = await subject.operator.reload(wait=True)
        assert {each.pool: each.outcome for each in outcome.pools}["reports"] == "started"
        (worker,) = subject.serving("reports")
        subject.saved = subject.settings
        outcome = await subject.operator.reload(wait=True)
        assert {each.pool: each.outcome for each in outcome.pools}["reports"] == "stopped"
        assert list(subject.supervisor.pools) == ["default"]
        assert subject.worker(worker).is_ended


@on_loop
async def test_a_new_pool_that_does_not_start_is_told_and_the_others_serve() -> None:
    async with a_supervisor() as subject:
        subject.launcher.script = lambda worker: (failing if worker.pool == "reports" else Scripted.get_ready)(worker)
        subject.change(pools=(REPORTS,))
        outcome = await subject.operator.reload(wait=True)
        assert ("reports", "failed") in [(each.pool, each.outcome) for each in outcome.pools]
        assert subject.serving() == [1, 2] or len(subject.serving()) == 2


@on_loop
async def test_one_reload_at_a_time_and_who_does_not_wait_is_told_what_is_under_way() -> None:
    async with a_supervisor(workers=1) as subject:
        subject.launcher.script = lambda worker: None
        subject.change(graceful_timeout=9)
        outcome = await subject.operator.reload(wait=False)
        assert [(each.pool, each.outcome) for each in outcome.pools] == [("default", "under_way")]
        with pytest.raises(ControlRefused, match="a reload is under way"):
            await subject.operator.reload(wait=True)
        await subject.wait(lambda: len(subject.launcher.all) == 2)
        assert subject.operator.status().state == "reloading"
        subject.worker(2).get_ready()
        await subject.wait(lambda: subject.serving() == [2] and subject.operator.status().state == "running")


@on_loop
async def test_what_only_a_new_start_changes_is_told_until_then() -> None:
    async with a_supervisor() as subject:
        assert subject.operator.status().needs_restart == ()
        subject.change(pid_file="other.pid", control=ControlSettings(socket="/run/other.sock"))
        await subject.operator.reload(wait=True)
        changes = await subject.operator.diff()
        assert changes.changes == ()
        assert changes.needs_restart == ("server.pid_file", "server.control.socket")
        assert subject.operator.status().needs_restart == changes.needs_restart
        subject.saved = subject.settings
        assert (await subject.operator.diff()).needs_restart == ()
        await subject.operator.reload(wait=True)
        assert subject.operator.status().needs_restart == ()


@on_loop
async def test_a_recycle_of_one_worker_one_pool_or_all() -> None:
    async with a_supervisor(pools=(REPORTS,)) as subject:
        (outcome,) = await subject.operator.recycle(pool=None, worker=2, reason="deploy", wait=True)
        assert (outcome.pool, outcome.outcome, outcome.workers) == ("default", "replaced", (2,))
        assert subject.serving() == [4, 3]
        (outcome,) = await subject.operator.recycle(pool="reports", worker=None, reason="deploy", wait=True)
        assert subject.serving("reports") == [5]
        outcomes = await subject.operator.recycle(pool=None, worker=None, reason="deploy", wait=False)
        assert {each.outcome for each in outcomes} == {"under_way"}
        await subject.wait(lambda: sorted(subject.serving() + subject.serving("reports")) == [6, 7, 8])
        (outcome,) = await subject.operator.recycle(pool=None, worker=subject.serving()[0], reason="", wait=False)
        assert outcome.outcome == "under_way"


@on_loop
async def test_a_recycle_that_fails_says_why() -> None:
    async with a_supervisor(workers=1) as subject:
        subject.launcher.script = failing
        for worker in (None, 1):
            (outcome,) = await subject.operator.recycle(pool=None, worker=worker, reason="deploy", wait=True)
            assert (outcome.outcome, subject.serving()) == ("failed", [1])
            assert "no database" in outcome.error


@on_loop
async def test_what_is_not_there_is_unknown() -> None:
    async with a_supervisor(workers=1) as subject:
        with pytest.raises(Unknown, match="there is no pool web") as unknown:
            await subject.operator.drain("web")
        assert unknown.value.known == ("default",)
        with pytest.raises(Unknown, match="there is no worker 7"):
            await subject.operator.recycle(pool=None, worker=7, reason="", wait=True)


@on_loop
async def test_a_worker_that_leaves_is_not_recycled() -> None:
    async with a_supervisor(workers=1) as subject:
        subject.worker(1).is_stubborn = True
        await subject.operator.recycle(pool="default", worker=None, reason="", wait=True)
        with pytest.raises(ControlRefused, match="worker 1 is leaving already"):
            await subject.operator.recycle(pool=None, worker=1, reason="", wait=True)


@on_loop
async def test_scaled_up_and_down_and_not_further_than_workers_start() -> None:
    async with a_supervisor(workers=1) as subject:
        assert (await subject.operator.scale("default", 3)).workers == 3
        assert len(subject.serving()) == 3
        assert (await subject.operator.scale("default", 1)).serving == 1
        subject.launcher.script = failing
        with pytest.raises(ControlRefused, match="pool default stays at 1"):
            await subject.operator.scale("default", 2)


@on_loop
async def test_drained_and_resumed() -> None:
    async with a_supervisor(workers=1) as subject:
        status = await subject.operator.drain("default")
        assert (status.state, status.reason) == ("drained", "it was drained by the operator")
        await subject.operator.resume("default")
        await subject.wait(lambda: subject.operator.status().pools[0].state == "running")


@on_loop
async def test_pipeline_g02_code_that_changed_recycles_its_pool(caplog: pytest.LogCaptureFixture) -> None:
    async with a_supervisor(pools=(REPORTS,)) as subject:
        with caplog.at_level(logging.INFO, "penstock"):
            await subject.operator.follow_code("default", ["/srv/app.py", "/srv/views.py"], since=time.time())
        assert (subject.serving("reports"), subject.serving()) == ([1], [4, 5])
        assert subject.operator.status().recycles == {"FileChange": 2}
        assert "pool default is recycled: /srv/app.py and 1 more files have changed" in caplog.text


@on_loop
async def test_pipeline_g03_who_was_started_behind_the_change_has_it() -> None:
    async with a_supervisor() as subject:
        since = time.time()
        subject.worker(1).started = since - 1
        subject.worker(2).started = since + 1
        await subject.operator.follow_code("default", ["/srv/app.py"], since=since)
        assert subject.serving() == [3, 2]


@on_loop
async def test_code_that_does_not_start_is_tried_once_and_not_with_every_worker() -> None:
    async with a_supervisor(workers=3) as subject:
        subject.launcher.script = failing
        await subject.operator.follow_code("default", ["/srv/app.py"], since=time.time())
        assert (subject.serving(), len(subject.launcher.all)) == ([1, 2, 3], 4)
        assert subject.operator.status().pools[0].failures == 1


@on_loop
async def test_code_that_changed_leaves_a_drained_pool_alone_and_one_that_is_gone() -> None:
    async with a_supervisor(workers=1) as subject:
        await subject.operator.drain("default")
        await subject.operator.follow_code("default", ["/srv/app.py"], since=time.time())
        await subject.operator.follow_code("reports", ["/srv/app.py"], since=time.time())
        assert subject.operator.status().pools[0].state == "drained"
        assert subject.serving() == []


@on_loop
async def test_pipeline_w05_code_that_changed_lets_a_pool_that_is_off_be_tried_at_once() -> None:
    recycle = RecycleSettings(stagger=0, failures=1, back_off=300)
    async with a_supervisor(workers=1, recycle=recycle) as subject:
        subject.worker(1).end(1)
        await subject.wait(lambda: subject.operator.status().pools[0].state == "off")
        await subject.operator.follow_code("default", ["/srv/app.py"], since=time.time())
        await subject.wait(lambda: subject.operator.status().pools[0].state == "running")


@on_loop
async def test_stacks_are_asked_for_and_taken_where_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_supervisor(workers=2) as subject:

        async def ask(worker: Scripted, about: str, within: float) -> Any:
            if worker.number == 2:
                raise TimeoutError
            return f"{about} of {worker.number}"

        monkeypatch.setattr(Scripted, "ask", ask)
        assert await subject.operator.stacks(1) == "stacks of 1"
        assert await subject.operator.stacks(2) == 'File "app.py", line 1, in app'


@on_loop
async def test_requests_of_those_that_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = {"method": "GET", "path": "/", "client": "-", "stage": "BEGIN", "age": 0.5}

    async def ask(worker: Scripted, about: str, within: float) -> Any:
        return [inside] * worker.number

    async with a_supervisor(workers=2, pools=(REPORTS,)) as subject:
        monkeypatch.setattr(Scripted, "ask", ask)
        assert [each.worker for each in await subject.operator.requests(None)] == [1, 2, 2, 3, 3, 3]
        assert [each.pool for each in await subject.operator.requests("reports")] == ["reports"]


@on_loop
async def test_stop_and_upgrade_are_the_supervisors(monkeypatch: pytest.MonkeyPatch) -> None:
    async with a_supervisor(workers=1) as subject:
        supervisor = subject.supervisor
        asked: list[str] = []

        async def upgrade() -> None:
            asked.append("upgrade")

        monkeypatch.setattr(supervisor, "begin_upgrade", upgrade)
        monkeypatch.setattr(supervisor, "reopen_logs", lambda: asked.append("reopen"))
        await subject.operator.upgrade()
        subject.operator.reopen_logs()
        assert asked == ["upgrade", "reopen"]
        subject.operator.stop()
        await subject.wait(lambda: subject.supervisor.state == "stopping")
        await asyncio.sleep(0)
    assert subject.worker(1).is_ended
    assert os.path.basename(subject.operator.status().site_file) == ""
