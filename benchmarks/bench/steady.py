"""A steady load on a running server: warmed up, counted, and its answers checked before and after."""

import resource
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.bench.answers import check, log_end, wait_first_answer
from benchmarks.bench.model import BenchError, Exchange, Launch, Sample
from benchmarks.bench.processes import LOAD_CORE, RunningServer, on_core

WARM_UP = 0.5  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """What a load generator counted: the value that is compared, and the answers it received."""

    value: float
    requests: int
    details: dict[str, float]


Generator = Callable[[RunningServer, float], Count]


def measure(launch: Launch, exchange: Exchange, generate: Generator, *, seconds: float) -> Sample:
    """Starts the server and puts the load on it; the processor times are those of the counted part only."""
    with launch() as server:
        wait_first_answer(exchange, server)
        generate(server, min(WARM_UP, seconds))
        sample = count(server, generate, seconds=seconds)
        try:
            check(exchange, server)
        except OSError as error:
            raise BenchError(f"{server.command}: after the load: {error!r}{log_end(server)}") from error
    return sample


def count(server: RunningServer, generate: Generator, *, seconds: float) -> Sample:
    server_before, load_before, began = server.cpu_seconds(), children_cpu(), time.perf_counter()
    counted = generate(server, seconds)
    elapsed = time.perf_counter() - began
    used = server.cpu_seconds() - server_before
    if not counted.requests:
        raise BenchError(f"{server.command}: no answer under load{log_end(server)}")
    return Sample(
        value=counted.value,
        requests=counted.requests,
        seconds=round(elapsed, 3),
        cpu_us=round(used / counted.requests * 1e6, 3),
        server_share=round(used / elapsed, 3),
        load_share=round((children_cpu() - load_before) / elapsed, 3),
        details=counted.details,
    )


def children_cpu() -> float:
    """Processor seconds of the load generators that have ended; servers end outside the counted part."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def run_generator(command: Sequence[str], *, patience: float) -> str:
    """Runs a load generator on its core; returns what it printed. Raises BenchError if it failed."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=patience,
            check=False,
            preexec_fn=on_core(LOAD_CORE),
        )
    except FileNotFoundError as error:
        raise BenchError(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise BenchError(f"{' '.join(command)}: not done after {patience:.0f} s") from error
    if done.returncode:
        raise BenchError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout[-500:]}{done.stderr[-500:]}")
    return done.stdout
