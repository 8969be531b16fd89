"""Whether the applications of pools can be imported: each pool is asked in its own Python, folder and environment."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from penstock.settings.positions import KeyPath
from penstock.settings.shape import Table

# Runs in the pool's Python; what applications print does not get between. A Python without Penstock says nothing.
_PROGRAM = """
import json, os, sys
answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
told = json.load(sys.stdin)
sys.path[:0] = told["app_dirs"]
problems = []
try:
    from penstock.errors import ConfigurationError, StartupError
    from penstock.settings.references import load_reference
except ImportError:
    os._exit(0)
for reference in told["references"]:
    try:
        load_reference(reference)
        problems.append("")
    except ConfigurationError as error:
        problems.append(error.problems[0].message)
    except StartupError as error:
        problems.append(str(error))
json.dump(problems, answer)
answer.flush()
os._exit(0)
"""
# What of our environment would lead another Python astray.
_OURS = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV")
_LONGEST_ERROR = 300
_PATIENCE = 60.0


class Reference(NamedTuple):
    """An application as the site file names it: the path of its key, and the reference."""

    path: KeyPath
    text: str


def references_of_pool(tree: Table, name: str) -> list[Reference]:
    """The applications that run in the pool called `name`."""
    return [
        Reference(("site", number, "app", index, key), app[key])
        for number, site in enumerate(tree.get("site", []))
        for index, app in enumerate(site.get("app", []))
        for key in ("asgi", "wsgi", "owin", "app")
        if name and app.get("pool") == name and app.get(key)
    ]


def broken_pools(tree: Table) -> Iterator[tuple[KeyPath, str]]:
    """References of pools that lead nowhere. Whether a Python has the right Penstock at all is judged where pools are started."""
    for index, pool in enumerate(tree.get("pool", [])):
        references = references_of_pool(tree, pool.get("name", ""))
        python = pool.get("python") or sys.executable
        if references and Path(python).is_file():
            yield from _broken(python, pool, references, path=("pool", index))


def _broken(
    python: str, pool: Table, references: Sequence[Reference], *, path: KeyPath
) -> Iterator[tuple[KeyPath, str]]:
    try:
        problems = _ask(python, pool, [each.text for each in references])
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        yield path, f'"{python}" does not say what it can import: {error}'
        return
    for each, told in zip(references, problems, strict=False):
        if told:
            yield each.path, f"{each.path[-1]}: {told}"


def _ask(python: str, pool: Table, references: Sequence[str]) -> list[str]:
    """What the pool's Python says of each. Raises ValueError when that is nothing that we understand."""
    folder = pool.get("directory") or None
    done = subprocess.run(
        [python, "-c", _PROGRAM],
        input=json.dumps({"app_dirs": pool.get("app_dirs", []), "references": references}),
        cwd=folder if folder and Path(folder).is_dir() else None,
        env=_environment(pool, os.environ),
        capture_output=True,
        text=True,
        timeout=_PATIENCE,
        check=False,
    )
    if done.returncode:
        raise ValueError(done.stderr.strip()[-_LONGEST_ERROR:] or f"exit code {done.returncode}")
    found: list[str] = json.loads(done.stdout or "[]")
    return found


def _environment(pool: Table, ours: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in ours.items() if not (pool.get("python") and name in _OURS)}
    return {**kept, **pool.get("environment", {})}
