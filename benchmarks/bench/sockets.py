"""WebSockets as a load: messages that are echoed, and broadcasts to everybody."""

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from benchmarks.bench.answers import check, log_end, wait_first_answer
from benchmarks.bench.clients import client_command
from benchmarks.bench.model import BenchError, Exchange, Launch, Sample
from benchmarks.bench.processes import LOAD_CORE, RunningServer, on_core


@dataclass(frozen=True, slots=True, kw_only=True)
class Sockets:
    """Open WebSockets on which the message of the exchange goes round, as `client` has it (clients/*.py)."""

    client: str = "echo.py"
    sockets: int = 32

    def measure(self, launch: Launch, exchange: Exchange, *, seconds: float) -> Sample:
        with launch() as server:
            wait_first_answer(exchange, server)
            options = [str(self.sockets), str(len(exchange.body)), str(seconds)]
            command = [str(server.peers), *client_command(self.client, server.port), *options]
            with loading(command, server) as process:
                sample = count(process, server)
            check(exchange, server)
        return sample


@contextmanager
def loading(command: list[str], server: RunningServer) -> "Iterator[subprocess.Popen[str]]":
    """The load generator, warm."""
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(
            command,
            stdin=pipe,
            stdout=pipe,
            stderr=pipe,
            text=True,
            preexec_fn=on_core(LOAD_CORE),  # noqa: PLW1509 (this program has one thread)
        )
    except FileNotFoundError as error:
        raise BenchError(f"the load needs picows, and there is no {server.peers}") from error
    with process:
        try:
            say(process, server)
            yield process
        finally:
            process.kill()


def count(process: "subprocess.Popen[str]", server: RunningServer) -> Sample:
    assert process.stdin is not None
    before = server.cpu_seconds()
    began = time.perf_counter()
    process.stdin.write("count\n")
    process.stdin.flush()
    said = json.loads(say(process, server))
    elapsed = time.perf_counter() - began
    used = server.cpu_seconds() - before
    error = process.communicate()[1]
    if error or not said["messages"]:
        raise BenchError(f"{server.command}: {error[-500:] or 'no message'}{log_end(server)}")
    return Sample(
        value=said["messages"] / said["seconds"],
        requests=said["messages"],
        seconds=round(elapsed, 3),
        cpu_us=round(used / said["messages"] * 1e6, 3),
        server_share=round(used / elapsed, 3),
        load_share=round(said["cpu"] / said["seconds"], 3),
        details={"least_per_socket": said["least"], "most_per_socket": said["most"]},
    )


def say(process: "subprocess.Popen[str]", server: RunningServer) -> str:
    """The next line of the load generator, which ends by itself if it has to wait for long."""
    assert process.stdout is not None
    if line := process.stdout.readline():
        return line
    error = process.communicate()[1]
    raise BenchError(f"{server.command}: the load ended: {error[-500:]}{log_end(server)}")
