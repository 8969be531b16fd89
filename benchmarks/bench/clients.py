"""Loads by clients of our own: server-sent events, idle connections, and the first answer of a start."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench import steady
from benchmarks.bench.answers import check, log_end, wait_first_answer
from benchmarks.bench.model import BenchError, Exchange, Launch, Sample
from benchmarks.bench.processes import LOAD_CORE, RunningServer, on_core

CLIENTS = Path(__file__).resolve().parent.parent / "clients"
SETTLE = 1.0  # seconds


def client_command(name: str, port: int) -> list[str]:
    return [str(CLIENTS / name), str(port)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """Clients that read one endless answer each; counts the events that arrive."""

    clients: int = 200

    def measure(self, launch: Launch, exchange: Exchange, *, seconds: float) -> Sample:
        def generate(server: RunningServer, duration: float) -> steady.Count:
            command = [sys.executable, *client_command("events.py", server.port), str(self.clients), str(duration)]
            said = json.loads(steady.run_generator(command, patience=duration + 30))
            if said["open"] != self.clients:
                raise BenchError(f"{server.command}: {said['open']} of {self.clients} streams held")
            details = {"least_per_client": said["least"], "most_per_client": said["most"]}
            return steady.Count(value=said["events"] / said["seconds"], requests=said["events"], details=details)

        return steady.measure(launch, exchange, generate, seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdleMemory:
    """Resident memory after a first answer, in MB; or what each of many idle connections or WebSockets adds, in KB."""

    connections: int = 0

    def measure(self, launch: Launch, exchange: Exchange, *, seconds: float) -> Sample:
        with launch() as server:
            wait_first_answer(exchange, server)
            time.sleep(SETTLE)
            idle = server.resident()
            if not self.connections:
                return Sample(value=idle / 1e6, requests=1)
            client = "idle_sockets.py" if exchange.opcode else "idle.py"
            with_connections = self.resident_with_connections(server, client=client)
            check(exchange, server)
        details = {"idle_mb": idle / 1e6, "connected_mb": with_connections / 1e6}
        value = (with_connections - idle) / self.connections / 1000
        return Sample(value=value, requests=self.connections, details=details)

    def resident_with_connections(self, server: RunningServer, *, client: str) -> int:
        command = [sys.executable, *client_command(client, server.port), str(self.connections)]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=on_core(LOAD_CORE),  # noqa: PLW1509 (this program has one thread)
        ) as process:
            assert process.stdout is not None
            opened = process.stdout.readline().strip()
            time.sleep(SETTLE)
            resident = server.resident()
            held = process.communicate("")[0].strip()
        if not opened == held == str(self.connections):
            counts = f"{opened or 'not all'} opened, {held or 'none'} held"
            raise BenchError(f"{server.command}: of {self.connections} connections: {counts}{log_end(server)}")
        return resident


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """From the start of the process to its first right answer."""

    def measure(self, launch: Launch, exchange: Exchange, *, seconds: float) -> Sample:
        with launch() as server:
            return Sample(value=wait_first_answer(exchange, server) * 1000, requests=1)
