"""Other virtual environments: whether a pool's Python has a Penstock that understands what this one tells it."""

from __future__ import annotations

import glob
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import ConfigurationError, Problem
from penstock.version import VERSION

if TYPE_CHECKING:
    from penstock.settings import Settings

# Seconds that a Python may take to say what it has.
_PATIENCE: Final = 60.0
_OLDEST: Final = (3, 11)
# Isolated from our environment and the current folder: what counts is what is installed there.
_QUESTION: Final = """
import json, sys
found = {"python": list(sys.version_info[:3]), "penstock": None, "missing": None}
if sys.version_info >= (3, 11):
    try:
        import penstock
        found["penstock"] = penstock.__version__
        import penstock.supervisor.worker
    except ImportError as error:
        found["missing"] = error.name or str(error)
print(json.dumps(found))
"""

_Stamp = tuple[tuple[str, int], ...]
_judged: dict[str, tuple[_Stamp, str]] = {}


def check_environment(python: str) -> str:
    """What is wrong with the Python at the path `python`, in a sentence that names what would help; "" when it is fit.

    It is asked once, and again when something was installed there.
    """
    stamp = _stamp_of(python)
    known = _judged.get(python)
    if known is not None and known[0] == stamp:
        return known[1]
    judgement = _judge(python)
    _judged[python] = (stamp, judgement)
    return judgement


def judge_environments(settings: Settings, where: Callable[[tuple[str | int, ...]], str] | None = None) -> None:
    """Look at the Python of every pool. `where` gives the place of a key. Raises ConfigurationError with all that are not fit."""
    problems = environment_problems(settings, where)
    if problems:
        raise ConfigurationError(problems)


def environment_problems(
    settings: Settings, where: Callable[[tuple[str | int, ...]], str] | None = None
) -> list[Problem]:
    """What is wrong with the Pythons of pools, each at its place."""
    problems = []
    for number, pool in enumerate(settings.pools):
        wrong = check_environment(pool.python) if pool.python else ""
        if wrong:
            place = "" if where is None else where(("pool", number, "python"))
            problems.append(Problem(wrong, place or f'[[pool]] "{pool.name}"'))
    return problems


def _judge(python: str) -> str:
    if not os.path.isfile(python):
        return f"python: there is no {python}: make the virtual environment with {sys.executable} -m venv"
    found = _ask(python)
    if isinstance(found, str):
        return f"python: {python} {found}"
    version = tuple(found["python"][:2])
    if version < _OLDEST:
        return f"python: {python} is Python {version[0]}.{version[1]}, and Penstock needs {_OLDEST[0]}.{_OLDEST[1]} or later"
    minor = ".".join(VERSION.split(".")[:2])
    advice = f"install it: {python} -m pip install {requirement(minor)}"
    has = found["penstock"]
    if has is None:
        return f"python: {python} has no Penstock: {advice}"
    if has.split(".")[:2] != minor.split("."):
        return f"python: {python} has Penstock {has}, and this is {VERSION}: {advice}"
    if found["missing"] is not None:
        return f"python: the Penstock of {python} lacks {found['missing']}: {advice}"
    return ""


def requirement(minor: str) -> str:
    """What pip is to install, for a shell: where our own Penstock came from when that is still there, by PEP 610, else the version."""
    # Imported here: who has nothing to install need not hold them in memory.
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.request import url2pathname

    try:
        origin = json.loads(distribution("penstock").read_text("direct_url.json") or "{}").get("url", "")
    except (PackageNotFoundError, ValueError, AttributeError):
        origin = ""
    path = url2pathname(origin.removeprefix("file://")) if origin.startswith("file:") else ""
    return shlex.quote(path) if path and os.path.exists(path) else f'"penstock=={minor}.*"'


def _ask(python: str) -> dict[str, Any] | str:
    """What it says, or why it says nothing."""
    try:
        # The path is the operator's own, from the site file, and is run with our rights or less in any case.
        answer = subprocess.run(
            [python, "-I", "-c", _QUESTION],
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except OSError as error:
        return f"cannot be run: {error.strerror}"
    except subprocess.TimeoutExpired:
        return f"did not say within {_PATIENCE:g} s what it has"
    try:
        found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
        return found if isinstance(found["python"], list) else "is no Python"
    except (ValueError, LookupError, TypeError):
        told = answer.stderr.decode("utf-8", "replace").strip().splitlines()
        return f"is no Python that works: {told[-1] if told else f'exit code {answer.returncode}'}"


def _stamp_of(python: str) -> _Stamp:
    """What changes when something is installed: the Python itself, and the folders of its packages."""
    root = os.path.dirname(os.path.dirname(python))
    folders = glob.glob(os.path.join(glob.escape(root), "lib*", "python*", "site-packages"))
    folders += glob.glob(os.path.join(glob.escape(root), "Lib", "site-packages"))
    return tuple([(path, _changed(path)) for path in (python, *sorted(folders))])


def _changed(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns
    except OSError:
        return -1
