"""This file is a server with workers as a process of its own: its control socket, its log, and what is asked of it over HTTP."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.tools.processes import environment

# Seconds that anything may take on a machine that does many things at once.
PATIENCE = 30.0

APPLICATION = """
import asyncio, os, signal, time

started = time.time()
text = "one"

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    path = scope["path"]
    if path.endswith("/crash"):
        os.kill(os.getpid(), signal.SIGKILL)
    if path.endswith("/stuck"):
        time.sleep(60)
    if path.endswith("/late"):
        await asyncio.sleep(0.5)
    body = f"{text} {os.getpid()}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""

SITE = """
[server]
listen = ["127.0.0.1:0"]
workers = {workers}
graceful_timeout = {graceful}
{server}
[server.control]
socket = "{control}"
[server.log]
access = false
[server.drain]
idle = 0.2
cancel = 0.5
kill = 0.5
[server.recycle]
stagger = 0
{recycle}
[[site]]
{site}
[[site.app]]
at = "/"
asgi = "app:app"
{more}
"""


class Supervised:
    """The process, from `with supervised(...)`."""

    def __init__(self, folder: Path, process: subprocess.Popen[str], control: str) -> None:
        self.folder = folder
        self.process = process
        self.control = control
        self.lines: list[str] = []
        self._heard = threading.Condition()
        streams = (process.stdout, process.stderr)
        self._readers = [threading.Thread(target=self._read, args=(stream,)) for stream in streams]
        for reader in self._readers:
            reader.start()

    def _read(self, stream: Any) -> None:
        with stream:
            for line in stream:
                with self._heard:
                    self.lines.append(line.rstrip("\n"))
                    self._heard.notify_all()

    def close(self) -> None:
        """Read to the end what it has said."""
        for reader in self._readers:
            reader.join(PATIENCE)

    def wait_line(self, text: str, *, behind: int = 0) -> str:
        """The first line with `text` in it among those behind the first `behind`."""
        with self._heard:
            found = self._heard.wait_for(
                lambda: next((line for line in self.lines[behind:] if text in line), None), PATIENCE
            )
        assert found is not None, f"{text!r} is not in:\n" + "\n".join(self.lines)
        return str(found)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        host, _, port = self.wait_line(" serving ").partition("http://")[2].split()[0].rpartition(":")
        return host, int(port)

    def get(self, path: str = "/", *, timeout: float = PATIENCE) -> tuple[int, str]:
        """Status and body of one request on a connection of its own."""
        connection = http.client.HTTPConnection(*self.address, timeout=timeout)
        with contextlib.closing(connection):
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and JSON of what the control socket answers."""
        connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(PATIENCE)
        with contextlib.closing(connection):
            connection.sock.connect(self.control)
            connection.request(method, path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            content = answer.read()
            return answer.status, json.loads(content) if content.startswith((b"{", b"[")) else content.decode()

    def status(self) -> Any:
        """GET /v1/status."""
        return self.ask("GET", "/v1/status")[1]

    def workers(self, pool: str = "default", *, state: str = "serving") -> list[Any]:
        """The workers of a pool in a state."""
        return [each for each in self.status()["workers"] if each["pool"] == pool and each["state"] == state]

    def pids(self, pool: str = "default") -> set[int]:
        """Of the workers that serve."""
        return {each["pid"] for each in self.workers(pool)}

    def wait(self, condition: Callable[[], Any], what: str = "it", *, patience: float = PATIENCE) -> Any:
        """What `condition` returns when it is true."""
        end = time.monotonic() + patience
        while not (found := condition()):
            assert time.monotonic() < end, f"{what} has not come about:\n" + "\n".join(self.lines)
            threading.Event().wait(0.05)
        return found

    def send(self, number: int) -> None:
        """A signal to the supervisor."""
        self.process.send_signal(number)

    def wait_end(self) -> int:
        """The exit code."""
        return self.process.wait(PATIENCE)


def write_site(
    folder: Path,
    *,
    workers: int | str = 2,
    server: str = "",
    recycle: str = "",
    site: str = "",
    more: str = "",
    control: str = "",
    graceful: float = 5,
) -> str:
    """Write application and site file; the path of the control socket."""
    # The paths of pytest's folders are longer than the path of a socket may be.
    path = control or os.path.join(tempfile.mkdtemp(prefix="penstock-test-"), "control.sock")
    if not (folder / "app.py").exists():
        (folder / "app.py").write_text(APPLICATION)
    text = SITE.format(
        workers=workers, server=server, recycle=recycle, site=site, more=more, control=path, graceful=graceful
    )
    (folder / "penstock.toml").write_text(text)
    return path


@contextlib.contextmanager
def supervised(folder: Path, *arguments: str, wait: bool = True, **said: Any) -> Iterator[Supervised]:
    """A server with workers for as long as the block lasts; `said` is for `write_site`."""
    control = write_site(folder, **said)
    process = subprocess.Popen(
        [sys.executable, "-m", "penstock", "serve", "penstock.toml", *arguments],
        cwd=folder,
        env=environment(PYTHONDONTWRITEBYTECODE="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    server = Supervised(folder, process, control)
    try:
        if wait:
            server.wait_line(" serving ")
        yield server
    finally:
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            server.close()
            with contextlib.suppress(OSError):
                os.rmdir(os.path.dirname(control))
