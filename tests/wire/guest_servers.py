"""This file is somebody else's server with a site as its guest: a real process, for as long as a block lasts."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import penstock
from tests.wire.listener_subject import eventually

APPLICATION = "guest:application"
# How each server is started at a port, and what it says when it answers.
SERVERS = {
    "uvicorn": (["uvicorn", APPLICATION, "--host", "127.0.0.1", "--port", "{port}"], r"Uvicorn running on"),
    "uvicorn-h11-wsproto": (
        ["uvicorn", APPLICATION, "--host", "127.0.0.1", "--port", "{port}", "--http", "h11", "--ws", "wsproto"],
        r"Uvicorn running on",
    ),
    "hypercorn": (["hypercorn", APPLICATION, "--bind", "127.0.0.1:{port}"], r"Running on http"),
    "granian": (
        ["granian", "--interface", "asgi", APPLICATION, "--host", "127.0.0.1", "--port", "{port}"],
        r"Started worker-1",
    ),
    "penstock": (["penstock", "serve", "penstock.toml", "--port", "{port}"], r"serving"),
}
_GUNICORN = ["gunicorn", "--no-control-socket", "--bind", "127.0.0.1:{port}", APPLICATION]
# The same for guests that are no ASGI applications.
RSGI_SERVERS = {
    "granian-rsgi": (
        ["granian", "--interface", "rsgi", APPLICATION, "--host", "127.0.0.1", "--port", "{port}"],
        r"Started worker-1",
    ),
}
WSGI_SERVERS = {
    "gunicorn-sync": (_GUNICORN, r"Booting worker"),
    "gunicorn-gthread": ([*_GUNICORN, "--worker-class", "gthread", "--threads", "4"], r"Booting worker"),
    "gunicorn-preload": ([*_GUNICORN, "--preload", "--threads", "4"], r"Booting worker"),
    "waitress": (["waitress", "--listen=127.0.0.1:{port}", APPLICATION], r"Serving on"),
    "waitress-1": (["waitress", "--threads=1", "--listen=127.0.0.1:{port}", APPLICATION], r"Serving on"),
    "granian-wsgi": (
        ["granian", "--interface", "wsgi", APPLICATION, "--host", "127.0.0.1", "--port", "{port}"],
        r"Started worker-1",
    ),
}


class GuestServer:
    """The process, its address, and the lines it has written so far."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.process = process
        self.name = ""
        self.address = ("127.0.0.1", port)
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def wait_ready(self, ready: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if re.search(ready, line):
                self._reader.start()
                return
        raise AssertionError(f"the server ended with {self.process.wait()}:\n{self.text}")

    def answers(self) -> bool:
        """Whether somebody listens: some say that they do before it is true."""
        try:
            socket.create_connection(self.address, timeout=10).close()
        except ConnectionRefusedError:
            return False
        return True

    def stop(self) -> int:
        """As a person would; the exit code, when all it had to say has been read."""
        code = self.process.poll()
        for _ in range(6):
            if code is not None:
                break
            self.process.terminate()  # again: granian can miss a signal that comes while it begins
            try:
                code = self.process.wait(10)
            except subprocess.TimeoutExpired:
                continue
        if code is None:
            self.process.kill()
            code = self.process.wait(30)
        if self._reader.ident is not None:
            self._reader.join(30)
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)


@contextmanager
def guest_of(server: str, folder: Path, *options: str, ready: str = "") -> Iterator[GuestServer]:
    """`server` with `guest:application` of `folder` as its application."""
    command, says = {**SERVERS, **RSGI_SERVERS, **WSGI_SERVERS}[server]
    with server_of([*command, *options], folder, says=ready or says, is_awaited=not ready) as running:
        running.name = server
        yield running


@contextmanager
def server_of(command: Sequence[str], folder: Path, *, says: str, is_awaited: bool = True) -> Iterator[GuestServer]:
    """`python -m` with `command` at a free port, in `folder`: from when it `says` so; `is_awaited`: and somebody listens."""
    port = free_port()
    source = str(Path(penstock.__file__).parents[1])
    process = subprocess.Popen(
        [sys.executable, "-m", *[word.replace("{port}", str(port)) for word in command]],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(folder), source)), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    running = GuestServer(process, port)
    try:
        running.wait_ready(says)
        assert not is_awaited or eventually(running.answers), running.text
        yield running
    finally:
        try:
            running.stop()
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)  # workers, too, if it has left any behind
            except ProcessLookupError:
                pass
            process.communicate()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def write_site(
    folder: Path, *, application: str, site: str, options: str = "", guest: str = "", face: str = "asgi"
) -> None:
    """A folder with a site file, what it names, and the module that a server is given; `guest` is what else is in that.

    `face` is as what it is served: asgi, rsgi or wsgi.
    """
    (folder / "subject.py").write_text(application, encoding="utf-8")
    (folder / "penstock.toml").write_text(site, encoding="utf-8")
    text = f'import penstock\n\napplication = penstock.{face}("penstock.toml"{options})\n{guest}'
    (folder / "guest.py").write_text(text, encoding="utf-8")
