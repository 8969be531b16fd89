"""The rows of the proxy: the same backend behind ours, behind nginx and behind httpx; it shares the core of the load."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.apps.hello_asgi import GREETING
from benchmarks.bench.model import REQUESTS, BenchError, Case, Exchange, Launch, Load, Recipe, Rival, Sample
from benchmarks.bench.playground import file_bytes, render
from benchmarks.bench.processes import LOAD_CORE, RunningServer, end, note, on_core
from benchmarks.bench.recipes import penstock_site, uvicorn
from benchmarks.bench.wrk import Wrk

PATIENCE = 5.0  # seconds in which the backend is there
BACKEND = "backend.conf"

NGINX_PROXY = Recipe(
    name="nginx proxy_pass", venv="", command=("nginx", "-p", "{work}", "-c", "{conf}"), template="nginx_proxy.conf"
)
HTTPX_PROXY = replace(uvicorn("httpx_proxy:proxy", "--lifespan", "off"), name="httpx on uvicorn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxied:
    """A load on a server that stands in front of another one."""

    load: Load

    def measure(self, launch: Launch, exchange: Exchange, *, seconds: float) -> Sample:
        @contextmanager
        def launched() -> Iterator[RunningServer]:
            with launch() as server, backend(server.log.parent):
                yield server

        return self.load.measure(launched, exchange, seconds=seconds)


@contextmanager
def backend(work: Path) -> Iterator[None]:
    """nginx on the core of the load, listening on a Unix socket in `work`."""
    render(BACKEND, work, port=0)
    command = ["nginx", "-p", str(work), "-c", str(work / BACKEND)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=on_core(LOAD_CORE),  # noqa: PLW1509 (this program has one thread)
    )
    note(process.pid, "+")
    try:
        wait_socket(work / "backend.sock")
        yield
    finally:
        end(process)
        (work / "backend.sock").unlink(missing_ok=True)


def wait_socket(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(path)) == 0:
                return
        time.sleep(0.01)
    raise BenchError(f"the backend does not listen on {path}")


def proxy_case(name: str, title: str, *, exchange: Exchange) -> Case:
    return Case(
        name=name,
        title=title,
        metric=REQUESTS,
        load=Proxied(load=Wrk()),
        exchange=exchange,
        ours=penstock_site("proxy"),
        rivals=(
            Rival(recipe=NGINX_PROXY, pure=0.35, compiled=0.35, aim=0.5),
            Rival(recipe=HTTPX_PROXY, pure=5.0, compiled=5.0),
        ),
    )


PROXY_CASES = (
    proxy_case("proxy", "proxy in front of nginx, 13 bytes", exchange=Exchange(expected=GREETING)),
    proxy_case(
        "proxy-50k",
        "proxy in front of nginx, answer of 50 KB",
        exchange=Exchange(path="/50k.bin", expected=file_bytes(50_000)),
    ),
)
