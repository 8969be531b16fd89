"""Signals that come while the server is busy with another one: none is lost, none is forgotten, and nothing is left behind."""

import signal
import threading
from pathlib import Path

from tests.soak.lossless import APPLICATION as LATE
from tests.wire.supervisor.supervised import Supervised, supervised

SLOW_START = "import time\ntime.sleep(0.5)\n"


def _application(folder: Path, before: str = "") -> None:
    (folder / "app.py").write_text(before + LATE.replace("sleep(0.05)", "sleep(3)"))


def _zombies(pid: int) -> list[str]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [child for child in children if ") Z " in Path(f"/proc/{child}/stat").read_text()]


def test_pipeline_g04_hangups_during_a_reload_are_one_reload_behind_it(tmp_path: Path) -> None:
    _application(tmp_path, SLOW_START)
    with supervised(tmp_path, workers=1) as server:
        server.send(signal.SIGHUP)
        server.wait(lambda: server.status()["state"] == "reloading")
        for _ in range(20):
            server.send(signal.SIGHUP)
        server.wait(lambda: server.status()["generation"] == 3 and server.status()["state"] == "running")
        assert not [line for line in server.lines if "ERROR" in line]
        assert sum("reload: done" in line for line in server.lines) == 2


def test_an_upgrade_leaves_no_worker_behind_that_was_starting(tmp_path: Path) -> None:
    _application(tmp_path, SLOW_START)
    with supervised(tmp_path, workers=1) as server:
        before = server.pids()
        server.send(signal.SIGUSR2)
        server.wait(lambda: server.status()["state"] == "upgrading")
        _recycle_until_upgraded(server)
        server.wait_line(" has taken over")
        assert not before & server.pids()
        server.wait(lambda: not _zombies(server.process.pid))
        server.wait(lambda: len(server.status()["workers"]) == 1)
        assert not [line for line in server.lines if "the supervisor has gone" in line]


def _recycle_until_upgraded(server: Supervised) -> None:
    """So that one is starting, whenever it happens."""
    while not any("becomes the program" in line for line in server.lines):
        server.ask("POST", "/v1/recycle", {"wait": False})
        threading.Event().wait(0.2)


def test_a_stop_behind_an_upgrade_that_was_checked_is_a_stop(tmp_path: Path) -> None:
    _application(tmp_path)
    with supervised(tmp_path, workers=1) as server:
        answers: list[int] = []
        asking = threading.Thread(target=lambda: answers.append(server.get("/slow")[0]))
        asking.start()
        server.wait(lambda: server.workers()[0]["inside"])
        assert server.ask("POST", "/v1/upgrade")[0] == 202
        server.send(signal.SIGTERM)
        assert server.wait_end() == 0
        asking.join()
        assert answers == [200]
        assert not [line for line in server.lines if "becomes the program" in line]
