"""The machine and the versions a result was made with."""

import ast
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.bench.model import BenchError
from benchmarks.bench.processes import LOAD_CORE, SERVER_CORE
from benchmarks.bench.results import Entry

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = (
    "click fastapi fastpysgi fastwsgi granian gunicorn httptools penstock picows pydantic starlette uvicorn uvloop "
    "websockets wsproto"
)
# Prints one line of Python: versions, and whether penstock is compiled.
PROBE = """
import importlib.metadata as metadata, importlib.util, pathlib, platform
versions = {"python": platform.python_version()}
for name in %r.split():
    try:
        versions[name] = metadata.version(name)
    except metadata.PackageNotFoundError:
        pass
spec = importlib.util.find_spec("penstock")
folder = pathlib.Path(spec.origin).parent if spec and spec.origin else None
compiled = folder is not None and any(folder.rglob("*.so"))
print({"versions": versions, "compiled": compiled, "penstock": bool(folder)})
"""
PROGRAMS = {
    "wrk": (("wrk", "-v"), r"wrk (\S+)"),
    "h2load": (("h2load", "--version"), r"nghttp2/(\S+)"),
    "nginx": (("nginx", "-v"), r"nginx/(\S+)"),
    "openssl": (("openssl", "version"), r"OpenSSL (\S+)"),
}


def describe(pythons: Mapping[str, Path]) -> Entry:
    """The machine, and what is installed for each interpreter. Raises BenchError if a wheel is not what it should be."""
    probes = {name: probe(python) for name, python in pythons.items()}
    for variant in ("pure", "compiled"):
        if variant in probes:
            check_variant(variant, probes[variant], python=pythons[variant])
    return {
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor(),
        "cores": os.cpu_count(),
        "server_core": SERVER_CORE,
        "load_core": LOAD_CORE,
        "programs": {name: version(command, pattern) for name, (command, pattern) in PROGRAMS.items()},
        "environments": {name: found["versions"] for name, found in probes.items()},
        "bench_python": platform.python_version(),
    }


def made() -> Entry:
    """When, and from which commit; a "+" after it: with changes that are in no commit."""
    return {"date": datetime.now(UTC).isoformat(timespec="seconds"), "commit": commit()}


def probe(python: Path) -> Entry:
    command = [str(python), "-c", PROBE % PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    if done.returncode:
        raise BenchError(f"{python}: {done.stderr.strip()}")
    found: Entry = ast.literal_eval(done.stdout)
    return found


def check_variant(variant: str, found: Entry, *, python: Path) -> None:
    if not found["penstock"]:
        raise BenchError(f"{python}: penstock is not installed there")
    if found["compiled"] != (variant == "compiled"):
        is_what = "compiled" if found["compiled"] else "pure"
        raise BenchError(f"{python}: the penstock installed there is {is_what}; it should be {variant}")


def processor() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.processor()


def version(command: tuple[str, ...], pattern: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "not installed"
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "unknown"


def commit() -> str:
    command = ["git", "describe", "--always", "--dirty=+", "--abbrev=12"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    return done.stdout.strip() or "unknown"


def load_average() -> float:
    return os.getloadavg()[0] if sys.platform != "win32" else 0.0
