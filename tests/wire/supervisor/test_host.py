"""This file is the test of a server with workers towards its host: signals, systemd, the PID file, files of logs."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.tools.processes import environment, run
from tests.wire.supervisor.supervised import PATIENCE, Supervised, supervised

ENVIRONMENT = """
import os

async def app(scope, receive, send):
    names = [name for name in os.environ if name.startswith(("NOTIFY_", "WATCHDOG_", "LISTEN_"))]
    body = repr(names).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""
LONG = """
import asyncio, pathlib

async def app(scope, receive, send):
    if scope["type"] == "http":
        pathlib.Path("inside").touch()
        await asyncio.sleep(600)
"""
LOGGING = """{
    "version": 1,
    "handlers": {"file": {"class": "logging.FileHandler", "filename": "FILE"}},
    "root": {"level": "INFO", "handlers": ["file"]}
}"""


class Systemd:
    """What a server is told to send its messages to."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(PATIENCE)

    def wait(self, word: str) -> dict[str, str]:
        """The next message with `word` in it; those before it are passed over."""
        while True:
            told = dict(line.split("=", 1) for line in self._socket.recv(4096).decode().splitlines())
            if word in told:
                return told

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    path = tmp_path / "notify"
    listener = Systemd(path)
    monkeypatch.setenv("NOTIFY_SOCKET", str(path))
    monkeypatch.setenv("WATCHDOG_USEC", "4000000")
    yield listener
    listener.close()


class TestSystemd:
    def test_it_is_told_of_start_reload_and_stop(self, systemd: Systemd, tmp_path: Path) -> None:
        (tmp_path / "app.py").write_text(ENVIRONMENT)
        with supervised(tmp_path, workers=1) as server:
            pid = str(server.process.pid)
            assert int(systemd.wait("EXTEND_TIMEOUT_USEC")["EXTEND_TIMEOUT_USEC"]) > 60_000_000, "start_timeout"
            assert systemd.wait("READY")["MAINPID"] == pid
            assert server.get() == (200, "[]"), "what systemd says is for the supervisor alone"
            systemd.wait("WATCHDOG")
            server.send(signal.SIGHUP)
            assert systemd.wait("RELOADING")["MONOTONIC_USEC"].isdecimal()
            assert systemd.wait("READY")["MAINPID"] == pid
            server.send(signal.SIGTERM)
            systemd.wait("STOPPING")
            # graceful_timeout 5, and idle, cancel and kill of 0.2 + 0.5 + 0.5
            assert int(systemd.wait("EXTEND_TIMEOUT_USEC")["EXTEND_TIMEOUT_USEC"]) > 6_200_000
            assert server.wait_end() == 0

    def test_one_process_without_a_supervisor_tells_it_too(self, systemd: Systemd, tmp_path: Path) -> None:
        (tmp_path / "app.py").write_text(ENVIRONMENT)
        command = [sys.executable, "-m", "penstock", "serve", "app:app", "--port", "0"]
        with subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE) as server:
            assert systemd.wait("READY")["MAINPID"] == str(server.pid)
            systemd.wait("WATCHDOG")
            systemd.wait("WATCHDOG")
            server.terminate()
            server.communicate()


HAND_OVER = (
    "import os, sys\n"
    "number = int(sys.argv[1])\n"
    "os.dup2(number, 3) if number != 3 else os.set_inheritable(3, True)\n"
    "os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'penstock', 'serve', *sys.argv[2:]])\n"
)


class TestSocketActivation:
    @pytest.mark.parametrize("workers", [(), ("--workers", "2")])
    def test_who_connects_before_the_start_is_served(self, tmp_path: Path, workers: tuple[str, ...]) -> None:
        (tmp_path / "app.py").write_text(ENVIRONMENT)
        with socket.create_server(("127.0.0.1", 0)) as listening, socket.socket() as client:
            client.settimeout(PATIENCE)
            client.connect(listening.getsockname())
            client.sendall(b"GET / HTTP/1.1\r\nhost: shop\r\nconnection: close\r\n\r\n")
            command = [sys.executable, "-c", HAND_OVER, str(listening.fileno()), "app:app", *workers]
            with subprocess.Popen(
                command,
                cwd=tmp_path,
                env=environment(),
                stdout=subprocess.PIPE,
                text=True,
                pass_fds=[listening.fileno()],
            ) as server:
                answer = b""
                while piece := client.recv(65536):
                    answer += piece
                assert answer.startswith(b"HTTP/1.1 200 ")
                assert server.stdout is not None
                assert f"127.0.0.1:{listening.getsockname()[1]}" in server.stdout.readline()
                server.send_signal(signal.SIGTERM)
                server.communicate()
                assert server.returncode == 0


class TestPidFile:
    def test_it_is_there_while_the_server_runs_and_for_one_server(self, tmp_path: Path) -> None:
        path = tmp_path / "penstock.pid"
        with supervised(tmp_path, workers=1, server='pid_file = "penstock.pid"') as server:
            assert path.read_text() == f"{server.process.pid}\n"
            second = run("serve", "penstock.toml", folder=tmp_path)
            assert second.returncode == 2
            assert f"belongs to a server that runs, process {server.process.pid}: stop it first" in second.stderr
            server.send(signal.SIGTERM)
            assert server.wait_end() == 0
        assert not path.exists()


class TestSignals:
    def test_sigusr1_reopens_the_access_log_of_every_worker(self, tmp_path: Path) -> None:
        log = tmp_path / "access.log"
        with supervised(tmp_path, workers=2) as server:
            site = (tmp_path / "penstock.toml").read_text()
            (tmp_path / "penstock.toml").write_text(
                site.replace("access = false", 'access = true\naccess_file = "access.log"')
            )
            assert server.ask("POST", "/v1/reload", {})[0] == 200
            # The old workers, which write no log, may still have been there for the first request.
            server.wait(lambda: server.get("/before")[0] == 200 and "/before" in _text_of(log), "the line")
            log.rename(tmp_path / "access.log.1")
            server.send(signal.SIGUSR1)
            server.wait(log.exists, "the new file")
            moved = (tmp_path / "access.log.1").stat().st_ino
            held = [Path(f"/proc/{pid}/fd") for pid in server.pids()]
            server.wait(lambda: not any(_holds(folder, moved) for folder in held), "that the old file is let go")
            for number in range(20):
                server.get(f"/after/{number}")
            server.wait(lambda: log.read_text().count("/after/") == 20, "the lines")
            assert "/after/" not in (tmp_path / "access.log.1").read_text()

    def test_who_connects_while_it_stops_is_refused_at_once_and_not_reset_in_the_end(self, tmp_path: Path) -> None:
        (tmp_path / "app.py").write_text(LONG)
        with supervised(tmp_path, workers=2) as server:
            address = server.address
            asking = threading.Thread(target=_ask_in_vain, args=(server,))
            asking.start()
            server.wait((tmp_path / "inside").exists, "the request")
            server.send(signal.SIGTERM)
            server.wait(lambda: _is_refused(address), "that it is refused", patience=3)
            assert server.process.poll() is None
            server.send(signal.SIGQUIT)
            assert server.wait_end() == 0
            asking.join(PATIENCE)

    def test_sighup_reads_the_logging_configuration_again(self, tmp_path: Path) -> None:
        """gunicorn #3353."""
        log = tmp_path / "log.json"
        log.write_text(LOGGING.replace("FILE", "first.log"))
        with supervised(tmp_path, "--log-config", "log.json", workers=1) as server:
            log.write_text(LOGGING.replace("FILE", "second.log"))
            server.send(signal.SIGHUP)
            second = tmp_path / "second.log"
            server.wait(lambda: second.exists() and "reload: done" in second.read_text(), "the supervisor's line")
        assert "reload: done" not in (tmp_path / "first.log").read_text()

    def test_sighup_with_one_worker_is_a_reload_and_not_the_end(self, tmp_path: Path) -> None:
        """uvicorn PR #2596."""
        with supervised(tmp_path, workers=1) as server:
            before = server.pids()
            server.send(signal.SIGHUP)
            server.wait(lambda: server.pids() and not server.pids() & before, "another worker")
            assert server.get()[0] == 200
            assert server.process.poll() is None

    @pytest.mark.parametrize("numbers", [[signal.SIGQUIT], [signal.SIGINT, signal.SIGINT]])
    def test_at_once_means_at_once(self, tmp_path: Path, numbers: list[int]) -> None:
        (tmp_path / "app.py").write_text(LONG)
        with supervised(tmp_path, workers=1) as server:
            asking = threading.Thread(target=_ask_in_vain, args=(server,))
            asking.start()
            server.wait((tmp_path / "inside").exists, "the request")
            began = time.monotonic()
            for number in numbers:
                server.send(number)
                server.wait(lambda: server.process.poll() is not None or "stops" in "".join(server.lines))
            assert server.wait_end() == 0
            assert time.monotonic() - began < 3
            asking.join(PATIENCE)


def _text_of(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _holds(folder: Path, inode: int) -> bool:
    """Whether a process has the file open; `folder` is that of its descriptors."""
    for each in folder.iterdir():
        with contextlib.suppress(OSError):
            if os.stat(each).st_ino == inode:
                return True
    return False


def _ask_in_vain(server: Supervised) -> None:
    with contextlib.suppress(Exception):
        server.get("/long")


def _is_refused(address: tuple[str, int]) -> bool:
    try:
        socket.create_connection(address, timeout=PATIENCE).close()
    except ConnectionRefusedError:
        return True
    return False
