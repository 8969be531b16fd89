"""h2load as a load: requests at a constant rate, and how long 99 of 100 of them take at most."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import steady
from benchmarks.bench.clients import client_command
from benchmarks.bench.model import BenchError, Exchange, Launch, Sample
from benchmarks.bench.processes import LOAD_CORE, RunningServer, on_core

CLIENTS = 32
PER_CLIENT = 156  # requests a second: 4 992 in all

LEAST = 0.9  # of the requests due: with fewer the rate was not constant, and its percentiles mean nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class ConstantRate:
    burning: str = ""  # a path that other connections ask for all the while

    def measure(self, launch: Launch, exchange: Exchange, *, seconds: float) -> Sample:
        def generate(server: RunningServer, duration: float) -> steady.Count:
            with busy(server, self.burning) as burnt:
                counted = run(server, exchange, seconds=duration)
            return steady.Count(value=counted.value, requests=counted.requests, details=counted.details | burnt)

        return steady.measure(launch, exchange, generate, seconds=seconds)


def run(server: RunningServer, exchange: Exchange, *, seconds: float) -> steady.Count:
    duration = max(1, round(seconds))  # h2load takes whole seconds
    with tempfile.TemporaryDirectory(prefix="bench-h2load-") as folder:
        log = Path(folder, "log")
        url = f"http://127.0.0.1:{server.port}{exchange.path}"
        rate = ["--rps", str(PER_CLIENT), "-D", f"{duration}s", f"--log-file={log}"]
        steady.run_generator(["h2load", "--h1", f"-c{CLIENTS}", "-t1", *rate, url], patience=duration + 30)
        counted = read_log(log, server)
    due = CLIENTS * PER_CLIENT * duration
    if counted.requests < LEAST * due:
        raise BenchError(f"{server.command}: answered {counted.requests} of {due} requests at a constant rate")
    return counted


def read_log(log: Path, server: RunningServer) -> steady.Count:
    """Lines of: start in microseconds since the epoch, status, microseconds until the end of the answer."""
    times: list[int] = []
    wrong = 0
    for line in log.read_text().splitlines():
        _, status, microseconds = line.split("\t")[:3]
        wrong += status != "200"
        times.append(int(microseconds))
    if wrong or not times:
        raise BenchError(f"{server.command}: {wrong} of {len(times)} answers were not 200")
    times.sort()
    details = {"p50_ms": percentile(times, 50), "p999_ms": percentile(times, 99.9), "max_ms": times[-1] / 1000}
    return steady.Count(value=percentile(times, 99), requests=len(times), details=details)


def percentile(ordered: list[int], percent: float) -> float:
    """In milliseconds, of ordered microseconds: the nearest rank."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] / 1000


@contextmanager
def busy(server: RunningServer, path: str) -> Iterator[dict[str, float]]:
    """Keeps the server busy at a path meanwhile; fills in how many such requests were answered a second."""
    burnt: dict[str, float] = {}
    if not path:
        yield burnt
        return
    command = [sys.executable, *client_command("burning.py", server.port), path]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=on_core(LOAD_CORE),  # noqa: PLW1509 (this program has one thread)
    ) as process:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise BenchError(f"{server.command}: no answer at {path}")
        yield burnt
        output, _ = process.communicate()
    if process.returncode or not output:
        raise BenchError(f"{server.command}: the requests for {path} failed")
    burnt["burnt_per_second"] = json.loads(output)["per_second"]
