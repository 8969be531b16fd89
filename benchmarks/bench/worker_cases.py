"""The row of workers: two on both cores beside one, and the same of uvicorn, for an application that costs far more than the load."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from benchmarks.apps.hello_asgi import GREETING
from benchmarks.bench.model import REQUESTS, Case, Exchange, Launch, Load, Rival, Sample
from benchmarks.bench.processes import LOAD_CORE, SERVER_CORE, RunningServer, members
from benchmarks.bench.recipes import penstock, uvicorn
from benchmarks.bench.wrk import Wrk

BUSY = "busy_asgi:busy"
SETTLED = 2.0  # seconds in which all workers of a server are there


@dataclass(frozen=True, slots=True, kw_only=True)
class OnAllCores:
    """A load on a server whose processes may use every core."""

    load: Load

    def measure(self, launch: Launch, exchange: Exchange, *, seconds: float) -> Sample:
        @contextmanager
        def launched() -> Iterator[RunningServer]:
            with launch() as server:
                time.sleep(SETTLED)
                for pid in members(server.process.pid):
                    os.sched_setaffinity(pid, {SERVER_CORE, LOAD_CORE})
                yield server

        return self.load.measure(launched, exchange, seconds=seconds)


WORKER_CASES = (
    Case(
        name="workers",
        title="ASGI that computes for half a millisecond, two workers on two cores",
        metric=REQUESTS,
        load=OnAllCores(load=Wrk(connections=64)),
        exchange=Exchange(expected=GREETING),
        ours=penstock(BUSY, "--workers", "2"),
        rivals=(
            Rival(recipe=replace(penstock(BUSY, "--workers", "1"), name="one worker"), pure=1.8, compiled=1.8),
            Rival(recipe=replace(uvicorn(BUSY, "--workers", "2"), name="uvicorn, two workers"), pure=1.0, compiled=1.0),
            Rival(recipe=replace(uvicorn(BUSY), name="uvicorn, one process"), pure=1.8, compiled=1.8),
        ),
    ),
)
