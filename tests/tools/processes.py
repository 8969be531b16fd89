"""This file is the command line as a process of its own, with what it needs to be tried: an application and a free port."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ASGI = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    body = f"{scope['root_path']}|{scope['path']}|{scope['scheme']}|{scope['client']}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})

def make():
    return app
"""
WSGI = """
def app(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    return [f"{environ['SCRIPT_NAME']}|{environ['PATH_INFO']}".encode()]
"""


def environment(**more: str) -> Mapping[str, str]:
    """The environment without what would decide something for the server, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_") and name != "PORT"}
    return {**kept, **more}


def run(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run `penstock` to its end."""
    command = [sys.executable, "-m", "penstock", *arguments]
    return subprocess.run(
        command, cwd=folder, env=environment(**variables), capture_output=True, text=True, timeout=60, check=False
    )


@contextmanager
def serving(*arguments: str, folder: Path, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run `penstock serve` for as long as the block lasts; yields the process and its first line."""
    command = [sys.executable, "-m", "penstock", "serve", *arguments]
    process = subprocess.Popen(
        command, cwd=folder, env=environment(**variables), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield process, line.rstrip("\n")
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


def url_in(line: str) -> str:
    """The address in a start-up line."""
    return line.rpartition(" at ")[2]
