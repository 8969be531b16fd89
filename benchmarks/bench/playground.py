"""The folder a bench works in, so that nothing is written into the tree: applications, sites, files, a certificate."""

import errno
import getpass
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.bench.model import BenchError, Launch, Recipe
from benchmarks.bench.processes import RunningServer, running

BENCHMARKS = Path(__file__).resolve().parent.parent
FIRST_PORT, ATTEMPTS = 10_000, 50
FILES = {"1k.bin": 1024, "50k.bin": 50_000, "1m.bin": 1_048_576}


@dataclass(frozen=True, slots=True, kw_only=True)
class Playground:
    work: Path
    pythons: dict[str, Path]  # "pure", "compiled", "peers"
    peers: Path  # whether or not they are run

    def launch(self, recipe: Recipe, variant: str) -> Launch:
        """How to start a server; `variant` says which of ours it is, if it is ours."""

        @contextmanager
        def started() -> Iterator[RunningServer]:
            port = free_port()
            command = self.command(recipe, variant, port=port)
            log = self.work / "server.log"
            began = time.perf_counter()
            try:
                with running(command, log, folder=self.work / "apps", environment=environment()) as process:
                    shown = " ".join(command)
                    yield RunningServer(
                        process=process, command=shown, port=port, log=log, began=began, peers=self.peers
                    )
            except FileNotFoundError as error:
                raise BenchError(f"{command[0]} is not installed") from error

        return started

    def command(self, recipe: Recipe, variant: str, *, port: int) -> list[str]:
        places = {"port": str(port), "work": str(self.work), "conf": str(self.work / recipe.template)}
        if recipe.venv:
            places["python"] = str(self.pythons[variant if recipe.venv == "ours" else recipe.venv])
        if recipe.template:
            render(recipe.template, self.work, port=port)
        return [part.format_map(places) for part in recipe.command]


def render(template: str, work: Path, *, port: int) -> None:
    """A file of benchmarks/servers with its places filled in, in the folder `work`."""
    text = (BENCHMARKS / "servers" / template).read_text()
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""  # or its workers could not read the files
    for name, value in {"@PORT@": str(port), "@WORK@": str(work), "@USER@": user}.items():
        text = text.replace(name, value)
    (work / template).write_text(text)


def file_bytes(length: int) -> bytes:
    """What a file of that length holds: nothing that could be compressed, the same in every run."""
    return random.Random(length).randbytes(length)


def lay_out(work: Path) -> None:
    for folder in ("apps", "sites", "servers"):
        shutil.copytree(BENCHMARKS / folder, work / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (work / "public").mkdir()
    for name, length in FILES.items():
        (work / "public" / name).write_bytes(file_bytes(length))
    make_certificate(work / "tls")


def make_certificate(folder: Path) -> None:
    """Signed by itself, for localhost, on the curve P-256."""
    folder.mkdir()
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc"]
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    files = ["-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")]
    subprocess.run(["openssl", "req", "-x509", "-days", "30", *curve, *names, *files], check=True, capture_output=True)


def free_port() -> int:
    """One that no server listens on, and that no client of the bench was or will be given."""
    first_of_clients = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    for port in random.sample(range(FIRST_PORT, first_of_clients), ATTEMPTS):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED:
                return port
    raise BenchError("found no free port")


def environment() -> dict[str, str]:
    """That of the caller, without what would change how Python or a server runs."""
    strange = ("PYTHON", "PENSTOCK_", "UVICORN_", "GRANIAN_", "GUNICORN_", "WEB_CONCURRENCY", "FORWARDED_", "PORT")
    return {name: value for name, value in os.environ.items() if not name.startswith(strange)}
