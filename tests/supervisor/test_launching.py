"""What a worker is told first, and how its process is started; no processes."""

import socket
from typing import Any

import msgspec
import pytest

from penstock.intake.metadata import derive_key
from penstock.settings import PoolSettings, ServerSettings, Settings
from penstock.supervisor.generation import DEFAULT, Generation
from penstock.supervisor.launching import Launcher
from penstock.supervisor.messages import Start
from penstock.supervisor.slots import Listening
from penstock.supervisor.worker_process import WorkerProcess
from tests.supervisor.on_loop import on_loop

PLACES = {"reports": "/run/penstock/reports.sock"}
POOL = PoolSettings(name="reports", environment={"COLOUR": "blue"}, directory="/")


class Subject:
    """A launcher, and what would have been started."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.starts: list[Start] = []
        self.options: list[dict[str, Any]] = []

        async def launch(_: WorkerProcess, start: Start, sockets: Any, **options: Any) -> None:
            self.starts.append(start)
            self.options.append({**options, "sockets": sockets})

        monkeypatch.setattr(WorkerProcess, "launch", launch)
        self.socket = socket.socket()
        self.asked: list[tuple[str, int, int]] = []
        self.launcher = Launcher(self._sockets, places=lambda: PLACES, log_config="log.json")
        self.generation = Generation(3, Settings(server=ServerSettings(workers=2), pools=(POOL,)))

    def _sockets(self, pool: str, slot: int, count: int) -> list[Listening]:
        self.asked.append((pool, slot, count))
        return [Listening(self.socket, "fd:5")]


@on_loop
async def test_a_worker_of_the_default_pool_is_told_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject(monkeypatch)
    with subject.socket:
        worker = await subject.launcher.launch(DEFAULT, 1, 2, subject.generation, requests=40)
    (start,) = subject.starts
    assert msgspec.json.decode(start.settings, type=Settings) == subject.generation.settings
    assert (start.sockets, start.pool, start.slot, start.generation) == (("fd:5",), DEFAULT, 1, 3)
    assert (start.key, start.places, start.log_config) == (subject.launcher.key, PLACES, "log.json")
    assert (start.requests, worker.request_limit, worker.is_stand_in) == (40, 40, False)
    assert subject.asked == [(DEFAULT, 1, 2)]
    assert subject.options[0]["sockets"] == [subject.socket]


@on_loop
async def test_pipeline_w01_a_worker_of_a_pool_has_its_own_key_alone_and_runs_as_its_table_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject = Subject(monkeypatch)
    with subject.socket:
        await subject.launcher.launch("reports", 0, 1, subject.generation)
    (start,) = subject.starts
    assert start.key == derive_key(bytes.fromhex(subject.launcher.key), "reports").hex() != subject.launcher.key
    assert start.places == {}
    assert subject.options[0]["environment"]["COLOUR"] == "blue"
    assert subject.options[0]["options"]["cwd"] == "/"


@on_loop
async def test_a_stand_in_runs_as_the_server_does(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject(monkeypatch)
    with subject.socket:
        worker = await subject.launcher.launch(
            "reports", 0, 1, subject.generation, unavailable="5 crashes", retry_after=9
        )
    (start,) = subject.starts
    assert (worker.is_stand_in, start.unavailable, start.retry_after) == (True, "5 crashes", 9)
    assert "COLOUR" not in subject.options[0]["environment"]


@on_loop
async def test_what_systemd_told_the_supervisor_is_not_told_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    subject = Subject(monkeypatch)
    with subject.socket:
        for pool in (DEFAULT, "reports"):
            await subject.launcher.launch(pool, 0, 1, subject.generation)
    assert not any("NOTIFY_SOCKET" in each["environment"] for each in subject.options)


@on_loop
async def test_numbers_are_never_used_again_also_behind_an_upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = Subject(monkeypatch)
    subject.launcher.go_on("ab" * 32, 11)
    with subject.socket:
        workers = [await subject.launcher.launch(DEFAULT, 0, 1, subject.generation) for _ in range(2)]
    assert [worker.number for worker in workers] == [12, 13]
    assert subject.launcher.last_number == 13
    assert subject.starts[0].key == "ab" * 32
