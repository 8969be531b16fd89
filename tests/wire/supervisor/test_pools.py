"""Applications in pools of their own, as processes: started on demand, crashing, limited, replaced, and never a request lost by our doing."""

import os
import signal
import sys
import threading
import venv
from functools import partial
from pathlib import Path

import pytest

from tests.wire.supervisor.supervised import Supervised, supervised
from tests.wire.supervisor.test_workers import Load

OUT = """
import asyncio, os, signal, sys, time

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan, no sockets")
    status, path = 200, scope["path"].removeprefix(scope["root_path"])
    if path == "/crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if path == "/memory":
        bytes(2_000_000_000)
    if path == "/burn":
        while True:
            pass
    if path == "/hold":
        while not os.path.exists("go"):
            await asyncio.sleep(0.01)
    body = f"{os.getpid()} {sys.prefix} {os.getcwd()} {os.environ.get('WHO')}".encode()
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""
APP = """
[[site.app]]
at = "/out"
asgi = "out:app"
pool = "reports"
[[pool]]
name = "reports"
"""


def write_application(folder: Path) -> None:
    (folder / "out.py").write_text(OUT)


def test_pipeline_w01_on_demand_with_another_environment_folder_and_variables(tmp_path: Path) -> None:
    write_application(tmp_path)
    venv.create(tmp_path / "venv", symlinks=True)
    packages = next((tmp_path / "venv").glob("lib/python*/site-packages"))
    (packages / "borrowed.pth").write_text("\n".join(path for path in sys.path if path))
    (tmp_path / "place").mkdir()
    keys = 'python = "venv/bin/python"\ndirectory = "place"\nenvironment = { WHO = "the pool" }\nidle = 1.0\n'
    with supervised(tmp_path, workers=1, more=APP + keys) as server:
        assert server.workers("reports") == []
        status, told = server.get("/out")
        pid, prefix, folder, who = told.split(" ", 3)
        assert (status, prefix, folder, who) == (200, str(tmp_path / "venv"), str(tmp_path / "place"), "the pool")
        assert server.pids("reports") == {int(pid)}
        assert int(pid) not in server.pids()
        # Nobody asks: it goes, and comes back for the next who does.
        server.wait(lambda: not server.pids("reports"))
        assert server.get("/out")[0] == 200


def test_pipeline_w01_a_crash_costs_the_requests_that_the_worker_was_answering_and_no_other(tmp_path: Path) -> None:
    write_application(tmp_path)
    more = (
        APP + 'workers = 2\n[[site.app]]\nat = "/other"\nasgi = "out:app"\npool = "other"\n[[pool]]\nname = "other"\n'
    )
    with supervised(tmp_path, workers=1, more=more) as server:
        held: list[tuple[int, str]] = []
        thread = threading.Thread(target=lambda: held.append(server.get("/other/hold")))
        thread.start()
        server.get("/out")
        for _ in range(3):
            status, body = server.get("/out/crash")
            assert (status, "error id " in body) == (502, True)
            assert server.get("/out")[0] == 200
            assert server.get("/")[0] == 200
        (tmp_path / "go").touch()
        thread.join()
        assert [status for status, _ in held] == [200]
        server.wait_line("of pool reports")
        server.wait_line("was ended by SIGKILL")


def test_pipeline_w01_memory_that_is_used_up_is_a_500_and_processor_time_the_end_of_a_process(tmp_path: Path) -> None:
    write_application(tmp_path)
    with supervised(tmp_path, workers=1, more=APP + "memory = 1_500_000_000\ncpu_time = 2\n") as server:
        before = server.get("/out")[1]
        status, body = server.get("/out/memory")
        assert (status, "error id " in body) == (500, True)
        server.wait_line("MemoryError")
        assert server.get("/out")[1] == before
        assert server.get("/out/burn")[0] == 502
        server.wait_line("was ended by SIGXCPU")
        assert server.get("/out")[0] == 200


class LoadOfPool(Load):
    """Requests to the pool, one after the other."""

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                self.answers.append(self._server.get("/out")[0])
            except OSError as error:
                self.answers.append(error)


def test_pipeline_w03_a_pool_that_is_replaced_loses_nothing(tmp_path: Path) -> None:
    write_application(tmp_path)
    with supervised(tmp_path, workers=1, more=APP + "workers = 2\n[pool.drain]\nidle = 0.2\n") as server:
        server.get("/out")
        with LoadOfPool(server) as load, LoadOfPool(server) as more:
            for _ in range(3):
                before = server.wait(lambda: server.pids("reports"))
                assert server.ask("POST", "/v1/pools/reports/recycle", {"wait": True})[0] == 200
                server.wait(partial(are_gone, server, before))
            seen = len(load.answers)
            server.wait(lambda: len(load.answers) > seen + 20)
    assert set(load.answers + more.answers) == {200}


def are_gone(server: Supervised, pids: set[int]) -> bool:
    return not pids & server.pids("reports")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_pipeline_w03_a_worker_of_a_pool_that_is_killed_while_it_is_idle_costs_nothing(
    tmp_path: Path, number: int
) -> None:
    write_application(tmp_path)
    with supervised(tmp_path, workers=1, more=APP) as server:
        for _ in range(3):
            assert ask_twice(server) == {200}
            (victim,) = server.wait(lambda: server.pids("reports"))
            os.kill(victim, number)
    assert server.process.returncode == 0


def ask_twice(server: Supervised) -> set[int]:
    return {server.get("/out")[0], server.get("/out")[0]}
