"""This file is the test of a program that becomes another one in the same process, with its sockets and children kept."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from penstock.supervisor import upgrade
from penstock.supervisor.control_model import ControlRefused
from penstock.supervisor.upgrade import (
    VARIABLE,
    VERSION,
    SavedPool,
    SavedWorker,
    SupervisorState,
    check,
    find_saved,
    save,
)

SITE = """
[[site]]
hosts = ["*"]

[[site.route]]
at = "/"
status = 404
"""

# Supervises one worker: a process that gives back what it is told. At SIGUSR2 the program is replaced by NEW.
OLD = """
import signal, socket, subprocess, sys, time
from penstock.supervisor.host_signals import hold, release
from penstock.supervisor.upgrade import SavedWorker, SupervisorState, become

listening = socket.create_server(("127.0.0.1", 0))
ours, theirs = socket.socketpair()
worker = subprocess.Popen(
    [sys.executable, "-ISc", "import os; os.write(1, os.read(0, 100)); raise SystemExit(7)"], stdin=theirs, stdout=theirs
)
theirs.close()
print(listening.getsockname()[1], flush=True)
sys.stdin.readline()
state = SupervisorState(
    started=time.time(), generation=3, number=8, key="ab" * 32,
    sockets={":8000": [listening.fileno()]},
    workers=(
        SavedWorker(
            number=8, process=worker.pid, channel=ours.fileno(), pool="default", slot=0, generation=3, started=1.5
        ),
    ),
)
become(state, [sys.executable, "-c", sys.argv[1], "one more"])
"""
NEW = """
import os, socket, sys
from penstock.supervisor.host_signals import release
from penstock.supervisor.upgrade import VARIABLE, find_saved

state = find_saved()
release()
assert state.generation == 3 and state.number == 8 and state.key == "ab" * 32
assert VARIABLE not in os.environ and find_saved() is None
assert sys.argv[1] == "one more"
assert not any(os.get_inheritable(each) for each in state.descriptors)
listening = socket.socket(fileno=state.sockets[":8000"][0])
connection, _ = listening.accept()
worker = state.workers[0]
channel = socket.socket(fileno=worker.channel)
channel.sendall(connection.recv(100))
connection.sendall(channel.recv(100))
_, status = os.waitpid(worker.process, 0)
print(os.getpid(), os.waitstatus_to_exitcode(status), len(os.listdir("/proc/self/fd")), flush=True)
"""


class TestBecoming:
    def test_a_connection_that_came_before_is_answered_after(self) -> None:
        """The same process, its socket, its worker and the channel to it: all are there in the new program."""
        with subprocess.Popen(
            [sys.executable, "-c", OLD, NEW], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            assert server.stdin is not None
            assert server.stdout is not None
            port = int(server.stdout.readline())
            with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
                client.sendall(b"waiting since before")
                server.stdin.write("become\n")
                server.stdin.flush()
                assert client.recv(100) == b"waiting since before"
            process, code, open_files = map(int, server.stdout.readline().split())
            assert process == server.pid
            assert code == 7
            # Three standard ones, socket, connection, channel, and the one that lists: nothing was left open.
            assert open_files == 7
        assert server.returncode == 0

    def test_a_program_that_is_not_there_changes_nothing(self, tmp_path: Path) -> None:
        before = os.listdir("/proc/self/fd")
        with socket.create_server(("127.0.0.1", 0)) as listening:
            state = SupervisorState(started=1.0, generation=1, number=1, key="", sockets={":0": [listening.fileno()]})
            with pytest.raises(ControlRefused, match=r"cannot be started: .*nowhere: No such file or directory"):
                upgrade.become(state, [str(tmp_path / "nowhere")])
            assert not os.get_inheritable(listening.fileno())
        assert os.listdir("/proc/self/fd") == before
        assert signal.SIGHUP not in signal.pthread_sigmask(signal.SIG_BLOCK, [])

    def test_it_starts_where_a_link_leads_by_now(self, tmp_path: Path) -> None:
        """Releases that are switched by a link: the program was started in `current`, which leads to the next one."""
        for name in ("1", "2"):
            (tmp_path / name).mkdir()
        (tmp_path / "current").symlink_to("1")
        program = (
            "import os, sys\n"
            "from penstock.supervisor.upgrade import SupervisorState, become\n"
            "os.remove('../current')\n"
            "os.symlink('2', '../current')\n"
            "state = SupervisorState(started=1.0, generation=1, number=1, key='')\n"
            "become(state, [sys.executable, '-c', 'import os; print(os.getcwd())'])\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path / "current",
            env={**os.environ, "PWD": str(tmp_path / "current")},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == str(tmp_path / "2")


class TestSaved:
    def test_all_comes_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            worker = SavedWorker(
                number=1, process=2, channel=ours.fileno(), pool="reports", slot=1, generation=4, started=2.5
            )
            pool = SavedPool(workers=3, listening=theirs.fileno(), drained="by hand", recycles={"Age": 2})
            state = SupervisorState(
                started=1.5, generation=4, number=9, key="00", workers=(worker,), pools={"reports": pool}, folder="/x"
            )
            assert state.descriptors == [ours.fileno(), theirs.fileno()]
            monkeypatch.setenv(VARIABLE, f"{os.getpid()}:{save(state)}")
            assert os.get_inheritable(ours.fileno())
            assert find_saved() == state
            assert not os.get_inheritable(ours.fileno())

    def test_nothing_at_an_ordinary_start(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(VARIABLE, raising=False)
        assert find_saved() is None

    @pytest.mark.parametrize("text", ["1:0", "nonsense", "9", ""])
    def test_a_variable_that_is_not_for_this_process_is_passed_over(
        self, monkeypatch: pytest.MonkeyPatch, text: str
    ) -> None:
        monkeypatch.setenv(VARIABLE, text)
        assert find_saved() is None
        assert VARIABLE not in os.environ

    def test_what_cannot_be_read_is_told(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "state").write_text("{}")
        descriptor = os.open(tmp_path / "state", os.O_RDONLY)
        monkeypatch.setenv(VARIABLE, f"{os.getpid()}:{descriptor}")
        with pytest.raises(ControlRefused, match="what the program before has left cannot be read"):
            find_saved()


class TestCheck:
    def test_the_program_on_the_disk_and_the_site_file_are_asked(self, tmp_path: Path) -> None:
        (tmp_path / "penstock.toml").write_text(SITE)
        asyncio.run(check(str(tmp_path / "penstock.toml")))

    def test_a_site_file_with_mistakes_refuses_it_with_all_of_them(self, tmp_path: Path) -> None:
        file = tmp_path / "penstock.toml"
        file.write_text(SITE.replace("status", "staus").replace("hosts", "hotst"))
        with pytest.raises(ControlRefused, match="the new program is refused, the old one goes on") as refused:
            asyncio.run(check(str(file)))
        assert 'did you mean "status"' in str(refused.value)
        assert 'did you mean "hosts"' in str(refused.value)

    def test_a_program_that_cannot_be_imported_refuses_it(self, tmp_path: Path) -> None:
        (tmp_path / "penstock").mkdir()
        (tmp_path / "penstock" / "__init__.py").write_text("1 / 0\n")
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        with pytest.raises(ControlRefused, match="ZeroDivisionError"):
            asyncio.run(check("shop.api:app", environment=environment))

    def test_a_program_of_another_version_refuses_it(self) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "penstock.supervisor.upgrade", str(VERSION + 1)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert "cannot take over from the one that runs" in done.stderr

    def test_a_python_that_is_gone_refuses_it(self, tmp_path: Path) -> None:
        with pytest.raises(ControlRefused, match="No such file or directory"):
            asyncio.run(check("", python=str(tmp_path / "python")))

    def test_one_that_says_nothing_is_ended(self, tmp_path: Path) -> None:
        program = tmp_path / "python"
        program.write_text("#!/bin/sh\nexec sleep 60\n")
        program.chmod(0o755)
        with pytest.raises(ControlRefused, match=r"says nothing for 0\.1 s"):
            asyncio.run(check("", python=str(program), patience=0.1))
