"""What the supervisor tells of itself, its pools and its workers; the workers are no processes."""

import os
from pathlib import Path
from typing import Any

import pytest

from penstock.settings import PoolSettings, RecycleSettings
from penstock.supervisor.statuses import requests_of, worker_statuses
from penstock.version import VERSION
from tests.supervisor.on_loop import on_loop
from tests.supervisor.pool_subject import Scripted
from tests.supervisor.supervisor_subject import REPORTS, a_supervisor


@on_loop
async def test_the_whole_server(tmp_path: Path) -> None:
    target = str(tmp_path / "penstock.toml")
    async with a_supervisor(pools=(REPORTS,), target=target) as subject:
        status = subject.operator.status()
        assert (status.version, status.pid, status.state, status.generation) == (VERSION, os.getpid(), "running", 1)
        assert status.site_file == target
        assert status.addresses == tuple(subject.supervisor.sockets.urls)
        assert 0 <= status.uptime < 60
        assert [each.name for each in status.pools] == ["reports", "default"]
        assert [(each.id, each.pool, each.slot) for each in status.workers] == [
            (1, "reports", 0),
            (2, "default", 0),
            (3, "default", 1),
        ]


@on_loop
async def test_recycles_of_all_pools_are_added_up() -> None:
    async with a_supervisor(workers=1, pools=(REPORTS,)) as subject:
        await subject.operator.recycle(pool=None, worker=None, reason="deploy", wait=True)
        status = subject.operator.status()
        assert status.recycles == {"Operator": 2}
        assert [each.recycles for each in status.pools] == [{"Operator": 1}, {"Operator": 1}]


@on_loop
async def test_where_a_pool_listens_and_what_it_runs_as() -> None:
    async with a_supervisor(workers=1, pools=(REPORTS,)) as subject:
        reports, default = subject.operator.status().pools
        assert reports.socket == subject.supervisor.pool_sockets.places["reports"]
        assert (reports.start, default.start, default.socket) == ("always", "always", "")


@on_loop
async def test_a_pool_on_demand_is_idle_until_somebody_comes() -> None:
    pool = PoolSettings(name="reports", app_dirs=())
    async with a_supervisor(workers=1, pools=(pool,)) as subject:
        reports = subject.operator.status().pools[0]
        assert (reports.state, reports.start, reports.serving) == ("idle", "on_demand", 0)


@on_loop
async def test_pipeline_g08_a_pool_that_nobody_asks_for_so_long_is_idle_again() -> None:
    pool = PoolSettings(name="reports", app_dirs=(), idle=60)
    async with a_supervisor(workers=1, pools=(pool,)) as subject:
        reports = subject.supervisor.pools["reports"]
        reports.demand.stop()  # as if somebody had connected
        reports._wake()
        await subject.wait(lambda: subject.serving("reports") == [2])
        worker = subject.worker(2)
        worker.last_beat = worker.last_busy + 59
        reports.tick()
        assert subject.operator.status().pools[0].state == "running"
        worker.last_beat = worker.last_busy + 61
        reports.tick()
        await subject.wait(lambda: worker.is_ended)
        status = subject.operator.status().pools[0]
        assert (status.state, status.recycles) == ("idle", {"Idle": 1})


@on_loop
async def test_a_pool_that_is_off_says_why_and_when_it_is_tried() -> None:
    async with a_supervisor(workers=1, recycle=RecycleSettings(failures=1, back_off=30)) as subject:
        subject.worker(1).end(-9)
        (pool,) = subject.operator.status().pools
        assert (pool.state, pool.failures, pool.serving) == ("off", 1, 0)
        assert "was ended by SIGKILL" in pool.reason
        assert 29 <= pool.retry_after <= 30
        await subject.wait(
            lambda: [each.reason for each in subject.operator.status().workers] == ["answers 503 for its pool"]
        )


@on_loop
async def test_a_pool_without_a_worker_that_serves_is_starting_and_one_that_stops_says_so() -> None:
    async with a_supervisor(workers=1) as subject:
        subject.launcher.script = lambda worker: None
        subject.worker(1).end(1)
        assert subject.operator.status().pools[0].state == "starting"
        subject.supervisor.pools["default"].is_stopping = True
        assert subject.operator.status().pools[0].state == "stopping"
        subject.supervisor.pools["default"].is_stopping = False


@on_loop
async def test_a_worker_is_what_its_last_beat_said() -> None:
    async with a_supervisor(workers=1) as subject:
        subject.worker(1).send_beat(
            total=9, failed=1, executing=2, queued=3, sockets=4, connections=5, resident=6, lag=0.5
        )
        (worker,) = worker_statuses(subject.supervisor.pools["default"])
        assert (worker.requests, worker.failed, worker.inside, worker.queued) == (9, 1, 2, 3)
        assert (worker.sockets, worker.connections, worker.rss, worker.lag) == (4, 5, 6, 0.5)
        assert (worker.state, worker.pid, worker.generation) == ("serving", 1001, 1)
        assert worker.last_beat is not None
        assert 0 <= worker.last_beat < 5


@on_loop
async def test_a_worker_tells_why_those_before_it_have_gone_and_one_that_leaves_why_it_does() -> None:
    async with a_supervisor(workers=1) as subject:
        subject.worker(1).is_stubborn = True
        await subject.operator.recycle(pool=None, worker=1, reason="deploy", wait=True)
        new, old = worker_statuses(subject.supervisor.pools["default"])
        assert (new.id, new.last_reasons, new.reason) == (2, ("Operator",), "")
        assert (old.id, old.state, old.reason) == (1, "draining", "Operator")


@on_loop
async def test_requests_of_a_worker_that_does_not_answer_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async def ask(worker: Scripted, about: str, within: float) -> Any:
        if worker.number < 3:
            raise (ConnectionError if worker.number == 1 else TimeoutError)
        return [{"method": "GET", "path": "/", "client": "-", "stage": "EXECUTE", "age": 1.5}]

    async with a_supervisor(workers=3) as subject:
        monkeypatch.setattr(Scripted, "ask", ask)
        (found,) = await requests_of(subject.supervisor.workers, 1.0)
        assert (found.worker, found.pid, found.pool, found.stage, found.age) == (3, 1003, "default", "EXECUTE", 1.5)
