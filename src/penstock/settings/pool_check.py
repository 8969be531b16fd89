"""Whether the applications of pools can be imported: each pool is asked in its own Python, folder and environment."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from penstock.settings.positions import KeyPath
from penstock.settings.shape import Table

# Runs in the pool's Python, which may have no Penstock; what applications print does not get between.
_PROGRAM = """
import json, os, sys
answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
told = json.load(sys.stdin)
sys.path[:0] = told["app_dirs"]
found = {"version": "", "problems": []}
try:
    import penstock
    from penstock.errors import ConfigurationError, StartupError
    from penstock.settings.references import load_reference
except ImportError:
    pass
else:
    found["version"] = penstock.__version__
    for reference in told["references"]:
        try:
            load_reference(reference)
            found["problems"].append("")
        except ConfigurationError as error:
            found["problems"].append(error.problems[0].message)
        except StartupError as error:
            found["problems"].append(str(error))
json.dump(found, answer)
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
    """What is wrong with pools and their applications: a Python without Penstock, and references that lead nowhere."""
    for index, pool in enumerate(tree.get("pool", [])):
        references = references_of_pool(tree, pool.get("name", ""))
        if references:
            yield from _broken(pool, references, path=("pool", index))


def judge_version(theirs: str, ours: str, python: str) -> str:
    """What is wrong with the Penstock of another Python, as a sentence that names the command; "" means it fits.

    Both are texts such as "1.2.3"; `theirs` is "" where there is none. The minor version must be the same.
    """
    wanted = ".".join(ours.split(".")[:2])
    if theirs and theirs.split(".")[:2] == ours.split(".")[:2]:
        return ""
    told = f"has Penstock {theirs}, and this is {ours}" if theirs else "has no Penstock"
    return f'"{python}" {told}: run {python} -m pip install "penstock=={wanted}.*"'


def _broken(pool: Table, references: Sequence[Reference], *, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    import penstock

    python = pool.get("python") or sys.executable
    if not Path(python).is_file():
        return  # reported before
    try:
        found = _ask(python, pool, [each.text for each in references])
    except (OSError, subprocess.TimeoutExpired) as error:
        yield (*path, "python"), f'python: "{python}" cannot be asked: {error}'
        return
    if isinstance(found, str):
        yield (*path, "python"), f'python: "{python}" failed: {found}'
    elif problem := judge_version(found["version"], penstock.__version__, python):
        yield (*path, "python"), f"python: {problem}"
    else:
        for each, told in zip(references, found["problems"], strict=True):
            if told:
                yield each.path, f"{each.path[-1]}: {told}"


def _ask(python: str, pool: Table, references: Sequence[str]) -> dict[str, Any] | str:
    """What the pool's Python says, or how it failed."""
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
    try:
        found: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        return done.stderr.strip()[-_LONGEST_ERROR:] or f"exit code {done.returncode}"
    return found


def _environment(pool: Table, ours: Mapping[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in ours.items() if not (pool.get("python") and name in _OURS)}
    return {**kept, **pool.get("environment", {})}
