"""This file is the tour site on a free port, from a copy of its folder, as its visitors' tests need it."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TOUR = Path(__file__).parents[1] / "examples" / "tour"
_MADE = shutil.ignore_patterns("var", "static", "venv", "__pycache__")


def make_environment(folder: Path) -> None:
    """Another virtual environment, for the pool; what it imports, it borrows from this one."""
    venv.create(folder, symlinks=True)
    packages = next(folder.glob("lib/python*/site-packages"))
    (packages / "borrowed.pth").write_text("\n".join(path for path in sys.path if path), "utf-8")


def copy_tour(folder: Path) -> Path:
    """A copy of the tour below `folder`, with the environment of its pool; the path of its site file."""
    site = folder / "tour"
    shutil.copytree(TOUR, site, ignore=_MADE)
    make_environment(site / "venv")
    return site / "penstock.toml"


@contextmanager
def running_tour(folder: Path) -> Iterator[str]:
    """Serve a copy of the tour from `folder` for as long as the block lasts; yields its address as a URL without path."""
    command = [sys.executable, "-m", "penstock", "serve", str(copy_tour(folder)), "--port", "0"]
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith("PENSTOCK_S") and name != "PORT"
    }
    # Nobody reads standard output behind the first line, and a full pipe would hold the server up.
    environ["PENSTOCK_SERVER__LOG__ACCESS_FILE"] = str(folder / "access.log")
    with (folder / "log").open("w+b") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environ, text=True)
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            log.seek(0)
            assert " at http" in line, line + log.read().decode()
            yield line.split(" at ")[1].split(",")[0].strip()
        finally:
            process.terminate()
            process.communicate(timeout=30)
        log.seek(0)
        messages = log.read().decode()
        assert process.returncode == 0, messages
        assert "Traceback" not in messages, messages
