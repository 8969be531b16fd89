"""The rules of worker processes as a client and an operator see them: on demand, recycled, warmed up, stuck, failing, left to a debugger."""

import contextlib
import http.client
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from tests.tools.processes import run
from tests.wire.supervisor.supervised import PATIENCE, Supervised, supervised, write_site
from tests.wire.supervisor.test_rules_hosting import GATED, POOL, Asked, gated, inside, is_gone, state_of
from tests.wire.supervisor.test_workers import Load

# Answers `/warm` only while there is a file `warm`, with what is in it; writes down by which host name it was asked.
WARMED = """
import asyncio, os, pathlib

async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan, no sockets")
    status = 200
    if scope["path"] == "/warm":
        pathlib.Path("host").write_text(dict(scope["headers"])[b"host"].decode())
        while not os.path.exists("warm"):
            await asyncio.sleep(0.01)
        status = int(pathlib.Path("warm").read_text())
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": f"{os.getpid()}".encode()})
"""
BUSY = """
import time

def app(environ, start_response):
    if environ["PATH_INFO"] == "/burn":
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            pass
    start_response("200 OK", [])
    return [b"done"]
"""


def write_warm(folder: Path, status: int) -> None:
    (folder / "new").write_text(str(status))
    os.replace(folder / "new", folder / "warm")


def failures(server: Supervised, pool: str = "default") -> int:
    """How many a pool has counted."""
    return int({each["name"]: each["failures"] for each in server.status()["pools"]}[pool])


def test_pipeline_w01_many_first_requests_start_one_process_and_are_all_served_by_it(tmp_path: Path) -> None:
    with gated(tmp_path, workers=1, more=POOL + "idle = 0.2\n") as server:
        (tmp_path / "start").unlink()
        asked = [Asked(server, "/out/hold") for _ in range(10)]
        server.wait(lambda: server.workers("reports", state="starting"))
        server.wait(lambda: inside(server, "/out/hold") == 10)
        # It starts for longer than it may be idle: that counts from when it serves.
        server.wait(lambda: server.workers("reports", state="starting")[0]["uptime"] > 0.5)
        (tmp_path / "start").touch()
        (pid,) = server.wait(lambda: server.pids("reports"))
        (tmp_path / "go").touch()
        assert {each.wait()[:2] for each in asked} == {(200, f"first {pid}")}


def test_pipeline_w01_a_pool_that_is_always_there_starts_with_the_server_and_stays(tmp_path: Path) -> None:
    with gated(tmp_path, workers=1, more=POOL + 'start = "always"\nworkers = 2\n') as server:
        assert len(server.wait(lambda: server.pids("reports"))) == 2
        assert {server.get("/out")[0] for _ in range(10)} == {200}


def test_pipeline_w02_a_client_that_keeps_its_connection_meets_no_error_at_the_limit(tmp_path: Path) -> None:
    with supervised(tmp_path, workers=1, recycle="requests = 10") as server:
        pids: list[bytes] = []
        connection = http.client.HTTPConnection(*server.address, timeout=PATIENCE)
        with contextlib.closing(connection):

            def ask_until_the_third() -> bool:
                connection.request("GET", "/")
                answer = connection.getresponse()
                assert answer.status == 200
                pids.append(answer.read().split()[1])
                return len(set(pids)) == 3

            server.wait(ask_until_the_third)
        assert pids == sorted(pids, key=list(dict.fromkeys(pids)).index)  # who has gone never comes back
        server.wait_line("RequestLimit")


def test_pipeline_w02_a_worker_that_holds_too_much_memory_is_replaced(tmp_path: Path) -> None:
    with gated(tmp_path, workers=1) as server:
        (worker,) = server.wait(lambda: [each for each in server.workers() if each["rss"]])
        site = (tmp_path / "penstock.toml").read_text()
        limit = worker["rss"] + 40_000_000
        (tmp_path / "penstock.toml").write_text(site.replace("stagger = 0", f"stagger = 0\nmemory = {limit}"))
        assert server.ask("POST", "/v1/reload", {"wait": True})[0] == 200
        assert "Memory" not in server.status()["recycles"]
        (tmp_path / "app.py").write_text(
            GATED + "\nheld = []\nif not os.path.exists('held'):\n    held.append(b'x' * 90_000_000)\n"
        )
        assert server.ask("POST", "/v1/recycle", {"wait": True})[0] == 200
        (tmp_path / "held").touch()
        server.wait(lambda: server.status()["recycles"].get("Memory"))
        server.wait_line("Memory")
        assert server.get()[0] == 200


def test_pipeline_w03_the_old_worker_serves_until_the_new_one_is_warm(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(WARMED)
    write_warm(tmp_path, 200)
    with supervised(tmp_path, workers=1, recycle='preload = ["/warm"]') as server:
        (tmp_path / "warm").unlink()
        (tmp_path / "host").unlink()
        (old,) = server.pids()
        with Load(server) as load:
            assert server.ask("POST", "/v1/recycle", {"wait": False})[0] == 202
            server.wait((tmp_path / "host").exists)
            assert {server.get()[1] for _ in range(20)} == {str(old)}
            write_warm(tmp_path, 200)
            server.wait(lambda: server.pids() not in ({old}, set()))
            (new,) = server.pids()
            server.wait(partial(is_gone, old))
            assert server.get()[1] == str(new)

            write_warm(tmp_path, 500)
            status, told = server.ask("POST", "/v1/recycle", {"wait": True})
            assert (status, "/warm" in str(told)) == (424, True)
            assert server.pids() == {new}
            assert failures(server) == 1
        assert set(load.answers) == {200}


def test_pipeline_w03_a_first_worker_that_cannot_be_warmed_up_ends_the_start_with_code_3(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(WARMED)
    write_warm(tmp_path, 503)
    with supervised(tmp_path, wait=False, recycle='preload = ["/warm"]') as server:
        assert server.wait_end() == 3
        assert "503" in server.wait_line("/warm")


def test_pipeline_w04_threads_that_work_are_not_taken_for_a_loop_that_is_stuck(tmp_path: Path) -> None:
    (tmp_path / "busy.py").write_text(BUSY)
    more = '[[site.app]]\nat = "/busy"\nwsgi = "busy:app"\n'
    with supervised(tmp_path, workers=1, recycle="stuck = 1.5", more=more) as server:
        before = server.pids()
        burning = [Asked(server, "/busy/burn") for _ in range(3)]
        assert [each.wait()[:2] for each in burning] == [(200, "done")] * 3
        assert server.pids() == before
        assert server.status()["recycles"] == {}


def test_pipeline_w05_a_start_that_takes_too_long_counts_and_one_replaced_in_good_order_does_not(
    tmp_path: Path,
) -> None:
    with gated(tmp_path, workers=1, recycle="failures = 2\nstart_timeout = 4") as server:
        for _ in range(3):
            assert server.ask("POST", "/v1/recycle", {"wait": True})[0] == 200
        assert (failures(server), state_of(server, "default")) == (0, "running")
        before = server.pids()
        (tmp_path / "start").unlink()
        status, told = server.ask("POST", "/v1/recycle", {"wait": True})
        assert (status, "within 4" in str(told)) == (424, True)
        assert (failures(server), server.pids()) == (1, before)
        assert server.get()[0] == 200


def test_pipeline_w05_a_pool_that_is_off_costs_the_others_nothing_and_is_tried_again(tmp_path: Path) -> None:
    with gated(tmp_path, workers=1, more=POOL + "[pool.recycle]\nfailures = 2\nback_off = 1.0\n") as server:
        for _ in range(2):
            server.get("/out")
            (victim,) = server.wait(lambda: server.pids("reports"))
            os.kill(victim, signal.SIGKILL)
            server.wait(partial(is_gone, victim))
        server.wait(lambda: state_of(server, "reports") == "off")
        with Load(server) as load:
            status, _, headers = Asked(server, "/out").wait()
            if status == 503:  # one that came in the second in which it was tried again is served
                assert int(headers["retry-after"]) >= 1
            server.wait(lambda: server.get("/out")[0] == 200)
            assert state_of(server, "reports") == "running"
        assert set(load.answers) == {200}


def test_pipeline_w06_with_orphan_a_stuck_worker_is_left_running_and_a_program_is_told_of_it(tmp_path: Path) -> None:
    program = tmp_path / "inspect"
    program.write_text(f"#!/bin/sh\ncd '{tmp_path}' && echo $1 > new && mv new orphan\n")
    program.chmod(0o755)
    with supervised(tmp_path, workers=1, recycle=f'stuck = 1.0\norphan = "{program}"') as server:
        (stuck,) = server.pids()
        asked = Asked(server, "/stuck")
        try:
            server.wait(lambda: server.pids() - {stuck})
            assert server.get()[0] == 200
            server.wait((tmp_path / "orphan").exists)
            assert (tmp_path / "orphan").read_text().split() == [str(stuck)]
            assert not is_gone(stuck)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(stuck, signal.SIGKILL)
        asked.wait()


def test_pipeline_w08_preload_asks_by_a_host_name_of_its_own_before_anybody_is_served(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(WARMED)
    site = 'hosts = ["shop.example"]'
    with supervised(tmp_path, workers=1, site=site, wait=False, recycle='preload = ["/warm"]') as server:
        server.wait((tmp_path / "host").exists)
        assert not any(" serving " in line for line in server.lines)
        assert server.workers(state="serving") == []
        write_warm(tmp_path, 200)
        server.wait_line(" serving ")
        assert (tmp_path / "host").read_text() == "shop.example"


def test_a_worker_that_is_sent_sigterm_by_hand_drains_and_another_takes_its_place(tmp_path: Path) -> None:
    with gated(tmp_path, workers=1) as server:
        (old,) = server.pids()
        held = Asked(server, "/hold")
        server.wait(lambda: inside(server, "/hold"))
        os.kill(old, signal.SIGTERM)
        server.wait(lambda: server.pids() - {old})
        assert server.get()[0] == 200
        (tmp_path / "go").touch()
        assert held.wait()[:2] == (200, f"one {old}")
        server.wait(partial(is_gone, old))


@pytest.mark.parametrize("arguments", [("--workers", "0"), ("--workers", "some")])
def test_a_number_of_workers_that_is_none_ends_with_code_2(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    write_site(tmp_path)
    found = run("serve", "penstock.toml", *arguments, folder=tmp_path)
    assert found.returncode == 2
    assert "--workers" in found.stderr
