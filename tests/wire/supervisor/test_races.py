"""Signals that come while the server is busy with another one: none is lost, none is forgotten, and nothing is left behind."""

import contextlib
import os
import signal
import socket
import threading
from pathlib import Path

from tests.soak.lossless import APPLICATION as LATE
from tests.wire.supervisor.supervised import Supervised, supervised

SLOW_START = "import time\ntime.sleep(0.3)\n"


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
        with contextlib.suppress(OSError):  # what is asked in the very moment of the upgrade has no answer
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


POOL = """
[[site.app]]
at = "/other"
asgi = "other:app"
pool = "other"
[[pool]]
name = "other"
start = "always"
"""


def _change(server: Supervised, before: str, after: str) -> None:
    path = server.folder / "penstock.toml"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def _taken() -> socket.socket:
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    return taken


def test_pipeline_g04_a_new_pool_that_does_not_start_changes_nothing_until_it_does_and_goes_as_it_came(
    tmp_path: Path,
) -> None:
    (tmp_path / "other.py").write_text("raise RuntimeError('half a deploy')\n")
    with supervised(tmp_path, workers=1) as server, _taken() as place:
        port = place.getsockname()[1]
        place.close()
        before = (tmp_path / "penstock.toml").read_text()
        _change(server, '["127.0.0.1:0"]', f'["127.0.0.1:0", "127.0.0.1:{port}"]')
        (tmp_path / "penstock.toml").write_text((tmp_path / "penstock.toml").read_text() + POOL)
        for _ in range(2):
            status, answer = server.ask("POST", "/v1/reload", {"wait": True})
            assert status == 424, answer
            assert server.get("/other/")[0] == 200  # that of "/"
        (tmp_path / "other.py").write_text("from app import app\n")
        assert server.ask("POST", "/v1/reload", {"wait": True})[0] == 200
        # An old worker that has just been told to drain may have accepted once more.
        server.wait(lambda: int(server.get("/other/")[1].split()[1]) in server.pids("other"))
        (tmp_path / "penstock.toml").write_text(before)
        assert server.ask("POST", "/v1/reload", {"wait": True})[0] == 200
        server.wait(lambda: int(server.get("/other/")[1].split()[1]) in server.pids())
        assert [pool["name"] for pool in server.status()["pools"]] == ["default"]


def test_an_upgrade_to_settings_that_cannot_all_be_had_goes_on_with_the_others(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(
        "async def app(scope, receive, send):\n    await receive()\n    await send({'type': 'lifespan.startup.failed'})\n"
    )
    with supervised(tmp_path, workers=1) as server, _taken() as place:
        before = server.pids()
        _change(server, '["127.0.0.1:0"]', f'["127.0.0.1:0", "127.0.0.1:{place.getsockname()[1]}"]')
        _change(server, "workers = 1\n", "")
        _change(server, server.control, f"{server.control}.new")
        (tmp_path / "penstock.toml").write_text((tmp_path / "penstock.toml").read_text() + POOL)
        server.send(signal.SIGUSR2)
        server.wait_line(" has taken over")
        assert not os.path.exists(server.control)
        server.control += ".new"
        assert not server.pids() & before
        assert server.get()[0] == 200
        assert server.wait_line("is already in use")
        assert server.wait_line("ASGI other:app failed to start")
        assert server.get("/other/")[0] == 503
