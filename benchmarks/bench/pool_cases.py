"""The row of pools: the same application in process, and in a pool whose worker shares the core of the load."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.apps.hello_asgi import GREETING
from benchmarks.bench.model import REQUESTS, BenchError, Case, Exchange, Launch, Load, Rival, Sample
from benchmarks.bench.processes import LOAD_CORE, RunningServer, members
from benchmarks.bench.recipes import penstock, penstock_site
from benchmarks.bench.wrk import Wrk

PATIENCE = 10.0  # seconds in which the worker of the pool is there
MARK = b"BENCH_POOL=greeter"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """A load on a server with a pool, whose worker is moved to the other core."""

    load: Load

    def measure(self, launch: Launch, exchange: Exchange, *, seconds: float) -> Sample:
        @contextmanager
        def launched() -> Iterator[RunningServer]:
            with launch() as server:
                os.sched_setaffinity(find_worker(server), {LOAD_CORE})
                yield server

        return self.load.measure(launched, exchange, seconds=seconds)


def find_worker(server: RunningServer) -> int:
    """The process of the pool: it alone has what the site file adds to its environment."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        for pid in members(server.process.pid):
            if MARK in environment_of(pid).split(b"\0"):
                return pid
        time.sleep(0.02)
    raise BenchError(f"{server.command}: the pool has no worker")


def environment_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""  # it ended meanwhile


POOL_CASES = (
    Case(
        name="pool-asgi",
        title="ASGI, 13 bytes, in a pool of its own",
        metric=REQUESTS,
        load=Pooled(load=Wrk()),
        exchange=Exchange(expected=GREETING),
        ours=penstock_site("pool"),
        rivals=(
            Rival(
                recipe=replace(penstock("hello_asgi:hello"), name="in process"),
                pure=0.45,
                compiled=0.45,
                load=Wrk(),
            ),
        ),
    ),
)
