"""wrk as a load: as many requests as the server answers on a number of connections."""

import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import steady
from benchmarks.bench.model import BenchError, Exchange, Launch, Sample
from benchmarks.bench.processes import RunningServer

# No `request` or `response` function: wrk formats the request once and runs no Lua while it counts.
SCRIPT = """
done = function(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("counted %d %d %d %d %d %d %d %d\\n", summary.requests, summary.duration,
    e.connect, e.read, e.write, e.status, e.timeout, latency:percentile(99)))
end
"""
COUNTED = re.compile(r"^counted (.+)$", re.MULTILINE)
LOG_DELAY = 3.0  # seconds
FAULTS = ("connect", "read", "write", "status", "timeout")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrk:
    connections: int = 32
    access_log: bool = False  # the server's output must hold a line for every request

    def measure(self, launch: Launch, exchange: Exchange, *, seconds: float) -> Sample:
        with tempfile.TemporaryDirectory(prefix="bench-wrk-") as folder:
            script = write_script(exchange, Path(folder))

            def generate(server: RunningServer, duration: float) -> steady.Count:
                lines = count_lines(server) if self.access_log else 0
                counted = self.run(server, exchange, script=script, seconds=duration)
                if self.access_log:
                    wait_lines(server, lines + counted.requests)
                return counted

            return steady.measure(launch, exchange, generate, seconds=seconds)

    def run(self, server: RunningServer, exchange: Exchange, *, script: Path, seconds: float) -> steady.Count:
        url = f"{'https' if exchange.tls else 'http'}://127.0.0.1:{server.port}{exchange.path}"
        duration = max(1, round(seconds))  # wrk takes whole seconds
        command = ["wrk", "-t1", f"-c{self.connections}", f"-d{duration}s", "--timeout", "10s", "-s", str(script), url]
        return read_count(steady.run_generator(command, patience=duration + 30), server)


def write_script(exchange: Exchange, folder: Path) -> Path:
    lines = [f"wrk.method = {quoted(exchange.method)}"]
    lines += [f"wrk.headers[{quoted(name)}] = {quoted(value)}" for name, value in exchange.headers]
    if exchange.body:
        body = folder / "body"
        body.write_bytes(exchange.body)
        lines.append(f'wrk.body = io.open({quoted(str(body))}, "rb"):read("*a")')
    script = folder / "case.lua"
    script.write_text("\n".join(lines) + SCRIPT)
    return script


def quoted(text: str) -> str:
    """A Lua string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def read_count(output: str, server: RunningServer) -> steady.Count:
    found = COUNTED.search(output)
    if found is None:
        raise BenchError(f"wrk said: {output[-500:]}")
    requests, microseconds, *faults, p99 = map(int, found[1].split())
    if any(faults):
        named = ", ".join(f"{count} {name}" for name, count in zip(FAULTS, faults, strict=True) if count)
        raise BenchError(f"{server.command}: under load: {named} errors in {requests} requests")
    return steady.Count(value=requests / microseconds * 1e6, requests=requests, details={"p99_ms": p99 / 1000})


def wait_lines(server: RunningServer, expected: int) -> None:
    """Waits until the access log is complete: it may be written in batches."""
    deadline = time.perf_counter() + LOG_DELAY
    while (lines := count_lines(server)) < expected:
        if time.perf_counter() > deadline:
            raise BenchError(f"{server.command}: {lines} lines in the access log; expected {expected}")
        time.sleep(0.01)


def count_lines(server: RunningServer) -> int:
    with server.log.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 20), b""))
