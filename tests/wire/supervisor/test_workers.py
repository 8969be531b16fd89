"""Workers below a supervisor, as processes: started, replaced, scaled, killed, stuck, off, and never a request lost by our doing."""

import os
import signal
import subprocess
import threading
from functools import partial
from pathlib import Path
from typing import Self

import pytest

from tests.wire.supervisor.supervised import APPLICATION, Supervised, supervised


class Load:
    """Requests one after the other, in a thread, from `with Load(server) as load:`; `answers` are statuses, or what failed."""

    def __init__(self, server: Supervised) -> None:
        self.answers: list[object] = []
        self._server = server
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        while not self._is_over.is_set():
            try:
                self.answers.append(self._server.get("/")[0])
            except OSError as error:
                self.answers.append(error)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()


def test_workers_serve_and_stop_with_their_supervisor(tmp_path: Path) -> None:
    with supervised(tmp_path) as server:
        assert "with 2 workers" in server.wait_line(" serving ")
        pids = server.pids()
        assert len(pids) == 2
        assert int(server.get()[1].split()[1]) in pids
        server.send(signal.SIGTERM)
        assert server.wait_end() == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
        assert not os.path.exists(server.control)


def test_pipeline_g04_w03_a_recycle_loses_nothing(tmp_path: Path) -> None:
    with supervised(tmp_path) as server, Load(server) as load:
        before = server.pids()
        status, answer = server.ask("POST", "/v1/recycle", {"wait": True, "reason": "deploy"})
        assert status == 200, answer
        assert answer["pools"][0]["outcome"] == "replaced"
        assert not before & server.pids()
        server.wait(lambda: len(load.answers) > 50)
    assert set(load.answers) == {200}


def test_a_worker_that_is_killed_is_replaced(tmp_path: Path) -> None:
    with supervised(tmp_path) as server:
        victim = next(iter(server.pids()))
        os.kill(victim, signal.SIGKILL)
        server.wait_line("was ended by SIGKILL")
        server.wait(lambda: len(server.pids() - {victim}) == 2)
        assert server.get()[0] == 200


def test_pipeline_w02_a_worker_is_replaced_after_so_many_requests(tmp_path: Path) -> None:
    with supervised(tmp_path, workers=1, recycle="requests = 20") as server:
        (before,) = server.pids()
        seen = {server.get()[0] for _ in range(40)}
        server.wait(lambda: server.pids() - {before})
        assert seen == {200}
        assert server.wait(lambda: server.status()["recycles"].get("RequestLimit"))


def test_pipeline_w02_a_worker_is_replaced_at_its_age(tmp_path: Path) -> None:
    with supervised(tmp_path, workers=1, recycle="age = 1.5") as server:
        (before,) = server.pids()
        server.wait(lambda: server.pids() - {before})
        assert server.status()["recycles"]["Age"] >= 1


def _is_gone(server: Supervised, pid: int) -> bool:
    return pid not in server.pids()


def _has(server: Supervised, workers: int) -> bool:
    return len(server.pids()) == workers


def _ask_in_vain(server: Supervised) -> None:
    with pytest.raises(OSError, match=r"closed|reset"):
        server.get("/stuck")


def test_pipeline_w04_a_stuck_worker_is_replaced_and_its_stacks_are_kept(tmp_path: Path) -> None:
    with supervised(tmp_path, workers=1, recycle="stuck = 1.5") as server:
        (stuck,) = server.pids()
        thread = threading.Thread(target=_ask_in_vain, args=(server,))
        thread.start()
        server.wait_line("its event loop does not turn")
        server.wait_line("in app")
        server.wait(lambda: server.pids() - {stuck})
        thread.join()
        assert server.get()[0] == 200
        server.wait(lambda: not Path(f"/proc/{stuck}").exists())


def test_pipeline_w05_a_pool_that_crashes_again_and_again_is_off_and_comes_back(tmp_path: Path) -> None:
    with supervised(tmp_path, workers=1, recycle="failures = 2\nback_off = 1.5") as server:
        for _ in range(2):
            (victim,) = server.wait(server.pids)
            os.kill(victim, signal.SIGKILL)
            server.wait(partial(_is_gone, server, victim))
        server.wait_line("pool default is off")
        server.wait(lambda: server.get()[0] == 503)
        _, body = server.get("/x/y")
        assert "not available" in body
        assert server.status()["pools"][0]["state"] == "off"
        server.wait(lambda: server.get()[0] == 200)
        assert server.status()["pools"][0]["state"] == "running"


def test_a_worker_that_cannot_start_stops_the_tree_with_one_traceback(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import os\nraise RuntimeError('no database')\n")
    with supervised(tmp_path, wait=False) as server:
        assert server.wait_end() == 3
        server.wait_line("RuntimeError: no database")
        server.close()
        assert [line.strip() for line in server.lines if "File" not in line] == [
            "Traceback (most recent call last):",
            "raise RuntimeError('no database')",
            "RuntimeError: no database",
        ]


def test_a_worker_that_is_sent_sigterm_by_hand_is_replaced_and_nobody_waits(tmp_path: Path) -> None:
    with supervised(tmp_path, workers=1) as server, Load(server) as load:
        (worker,) = server.pids()
        os.kill(worker, signal.SIGTERM)
        server.wait(lambda: server.pids() and not server.pids() & {worker})
        (pool,) = server.status()["pools"]
        assert (pool["recycles"], pool["failures"]) == ({"Operator": 1}, 0)
        seen = len(load.answers)
        server.wait(lambda: len(load.answers) > seen + 20)
    assert set(load.answers) == {200}


def test_new_code_that_does_not_start_leaves_the_old_workers(tmp_path: Path) -> None:
    with supervised(tmp_path) as server, Load(server) as load:
        before = server.pids()
        (tmp_path / "app.py").write_text("raise RuntimeError('half a deploy')\n")
        server.send(signal.SIGHUP)
        server.wait_line("half a deploy")
        server.wait_line("the old workers go on")
        assert server.pids() == before
        (tmp_path / "app.py").write_text(APPLICATION.replace('"one"', '"two"'))
        server.send(signal.SIGHUP)
        server.wait(lambda: server.get()[1].startswith("two"))
    assert set(load.answers) == {200}


def test_scaled_by_signals_nothing_is_lost(tmp_path: Path) -> None:
    with supervised(tmp_path) as server, Load(server) as load:
        server.send(signal.SIGTTIN)
        server.wait(lambda: len(server.pids()) == 3)
        for left in (2, 1):
            server.send(signal.SIGTTOU)
            server.wait(partial(_has, server, left))
        seen = len(load.answers)
        server.wait(lambda: len(load.answers) > seen + 20)
        status, answer = server.ask("POST", "/v1/pools/default/scale", {"workers": 2})
        assert status == 200, answer
        assert len(server.pids()) == 2
    assert set(load.answers) == {200}


def test_requests_inside_at_a_stop_are_answered(tmp_path: Path) -> None:
    with supervised(tmp_path) as server:
        answers: list[tuple[int, str]] = []
        threads = [threading.Thread(target=lambda: answers.append(server.get("/late"))) for _ in range(8)]
        for thread in threads:
            thread.start()
        server.wait(lambda: len(server.ask("GET", "/v1/requests")[1]["requests"]) == 8)
        server.send(signal.SIGTERM)
        for thread in threads:
            thread.join()
        assert [status for status, _ in answers] == [200] * 8
        assert server.wait_end() == 0


def test_drained_and_resumed_by_hand(tmp_path: Path) -> None:
    with supervised(tmp_path) as server:
        assert server.ask("POST", "/v1/pools/default/drain")[0] == 200
        server.wait(lambda: server.get()[0] == 503)
        assert server.status()["pools"][0]["state"] == "drained"
        assert server.ask("POST", "/v1/pools/default/resume")[0] == 200
        server.wait(lambda: server.get()[0] == 200)


def test_a_wrong_site_file_is_refused_whole(tmp_path: Path) -> None:
    with supervised(tmp_path) as server:
        before = server.pids()
        site = (tmp_path / "penstock.toml").read_text()
        (tmp_path / "penstock.toml").write_text(site.replace('asgi = "app:app"', 'asgo = "app:app"'))
        status, answer = server.ask("POST", "/v1/reload", {"wait": True})
        assert status == 422, answer
        assert "asgo" in str(answer)
        assert server.pids() == before
        (tmp_path / "penstock.toml").write_text(site)
        assert server.ask("POST", "/v1/reload", {"wait": True})[0] == 200
        assert server.pids() == before  # nothing has changed, so nobody is replaced


def test_a_reload_opens_and_closes_places(tmp_path: Path) -> None:
    with supervised(tmp_path, workers=1) as server:
        site = (tmp_path / "penstock.toml").read_text()
        folder = os.path.dirname(server.control)
        (tmp_path / "penstock.toml").write_text(
            site.replace('listen = ["127.0.0.1:0"]', f'listen = ["127.0.0.1:0", "unix:{folder}/web.sock"]')
        )
        assert server.ask("POST", "/v1/reload", {"wait": True})[0] == 200
        found = subprocess.run(
            ["curl", "-s", "--unix-socket", f"{folder}/web.sock", "http://x/"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.startswith("one ")
        (tmp_path / "penstock.toml").write_text(site)
        assert server.ask("POST", "/v1/reload", {"wait": True})[0] == 200
        server.wait(lambda: not os.path.exists(f"{folder}/web.sock"))
        assert server.get()[0] == 200


def test_the_supervisor_is_small(tmp_path: Path) -> None:
    with supervised(tmp_path, workers=1) as server:
        assert server.status()["rss"] < 40_000_000


def test_a_supervisor_that_is_killed_leaves_nobody_behind(tmp_path: Path) -> None:
    with supervised(tmp_path) as server:
        pids = server.pids()
        server.send(signal.SIGKILL)
        server.wait_end()
        server.wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))
    os.unlink(server.control)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_start_that_takes_long_can_be_stopped(tmp_path: Path, number: int) -> None:
    (tmp_path / "app.py").write_text(f"open({str(tmp_path / 'begun')!r}, 'w').close()\nimport time\ntime.sleep(600)\n")
    with supervised(tmp_path, wait=False) as server:
        server.wait((tmp_path / "begun").exists)
        server.send(number)
        assert server.wait_end() == 0
    assert not os.path.exists(server.control)
