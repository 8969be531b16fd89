"""This file is the test of a server whose supervisor becomes a newer program, with its sockets and workers kept."""

import signal
from pathlib import Path

from tests.tools.processes import run
from tests.wire.supervisor.supervised import APPLICATION, Supervised, supervised

POOL = """
pool = "reports"
[[pool]]
name = "reports"
start = "on_demand"
"""


def upgrade(server: Supervised) -> None:
    """Send SIGUSR2, and wait until all workers are new."""
    before = server.pids()
    server.send(signal.SIGUSR2)
    server.wait(lambda: server.pids() and not server.pids() & before, "the workers of the new program")


class TestUpgrading:
    def test_it_is_the_same_process_and_goes_on_counting(self, tmp_path: Path) -> None:
        with supervised(tmp_path, workers=2, server='pid_file = "penstock.pid"') as server:
            server.send(signal.SIGTTIN)
            server.wait(lambda: len(server.pids()) == 3, "the third worker")
            before = server.status()
            upgrade(server)
            now = server.status()
            assert now["pid"] == before["pid"] == server.process.pid
            assert now["generation"] > before["generation"]
            assert now["started"] == before["started"]
            numbers = {each["id"] for each in before["workers"]}
            assert not numbers & {each["id"] for each in server.workers()}, "a number is never used again"
            assert len(server.workers()) == 3, "what was scaled by hand stays so"
            assert (tmp_path / "penstock.pid").read_text() == f"{server.process.pid}\n"
            assert run("serve", "penstock.toml", folder=tmp_path).returncode == 2, "the PID file is still locked"
            server.send(signal.SIGTERM)
            assert server.wait_end() == 0
        assert not (tmp_path / "penstock.pid").exists()

    def test_new_code_is_served_from_then_on(self, tmp_path: Path) -> None:
        with supervised(tmp_path, workers=2) as server:
            (tmp_path / "app.py").write_text(APPLICATION.replace('"one"', '"two"'))
            assert server.get()[1].split()[0] == "one"
            upgrade(server)
            assert server.get()[1].split()[0] == "two"

    def test_mistakes_in_the_site_file_refuse_it_and_nothing_changes(self, tmp_path: Path) -> None:
        with supervised(tmp_path, workers=1) as server:
            before = server.pids()
            file = tmp_path / "penstock.toml"
            right = file.read_text()
            file.write_text(right.replace("[[site.app]]", "[[site.ap]]"))
            server.send(signal.SIGUSR2)
            server.wait_line("the new program is refused, the old one goes on")
            server.wait_line('did you mean "app"')
            assert server.pids() == before
            assert server.get()[0] == 200
            file.write_text(right)
            upgrade(server)
            assert server.get()[0] == 200

    def test_new_code_that_does_not_start_leaves_the_old_workers(self, tmp_path: Path) -> None:
        broken = APPLICATION.replace('message["type"] + ".complete"', '"lifespan.startup.failed", "message": "broken"')
        with supervised(tmp_path, workers=1) as server:
            before = server.pids()
            (tmp_path / "app.py").write_text(broken)
            server.send(signal.SIGUSR2)
            server.wait_line("broken")
            assert server.get()[0] == 200
            assert server.pids() == before
            (tmp_path / "app.py").write_text(APPLICATION)
            server.send(signal.SIGHUP)
            server.wait(lambda: server.pids() and not server.pids() & before, "new workers of the new program")

    def test_pools_keep_their_sockets(self, tmp_path: Path) -> None:
        with supervised(tmp_path, workers=1, more=POOL) as server:
            assert server.get()[0] == 200
            upgrade(server)
            assert server.get()[0] == 200
            assert server.wait(lambda: server.workers("reports"), "the worker of the pool")
