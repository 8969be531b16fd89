"""Loading a site file: text and environment in, frozen settings out, or every mistake at once with its place."""

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import inspect

from penstock.errors import ConfigurationError, Problem
from penstock.settings.catalog import find_type, label
from penstock.settings.environment import FOREIGN_PREFIX, Override, overrides_in, value_from_text, variable_of
from penstock.settings.model import ServerSettings, Settings
from penstock.settings.names import find_nearest
from penstock.settings.paths import Paths
from penstock.settings.positions import KeyPath, Positions
from penstock.settings.rules import Rules
from penstock.settings.shape import Shape, Table


@dataclass(frozen=True, slots=True)
class SiteFile:
    """A site file that was loaded: its settings, and the place (file and line, or variable) of each key."""

    path: Path
    settings: Settings
    where: Callable[[KeyPath], str]


def load(path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> Settings:
    """The settings of a site file under the overrides of `environ` (default: the environment of the process).

    Paths in the result are absolute, names of headers and hosts lower-case. Raises `ConfigurationError` with all
    mistakes at once (the operator's fault). Imports nothing that the file names: see `check_references`.
    """
    return load_site_file(path, environ).settings


def load_site_file(path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> SiteFile:
    """Like `load`, with the places of the keys, for messages about what is found out later."""
    file = Path(path)
    text = _read(file)
    tree = _parse(text, file)
    loading = _Loading(file.parent, name=str(file), positions=Positions(text))
    return SiteFile(file, loading.load(tree, os.environ if environ is None else environ), loading.where)


def load_server(environ: Mapping[str, str]) -> ServerSettings:
    """The server's settings where there is no site file: defaults and overrides, relative to the current folder."""
    return _Loading(Path(), name="", positions=Positions("")).load({}, environ, needs_site=False).server


def _read(file: Path) -> str:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise _refusal("there is no such file", file) from None
    except IsADirectoryError:
        raise _refusal("this is a folder, not a site file", file) from None
    except (OSError, ValueError) as error:
        raise _refusal(f"cannot be read: {getattr(error, 'strerror', None) or error}", file) from None
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _refusal(f"the byte 0x{content[error.start]:02x} is not UTF-8, which TOML must be", file, line) from None


def _parse(text: str, file: Path) -> Table:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise _refusal("arrays or tables are nested too deeply", file, 1) from None
    except ValueError as error:  # TOMLDecodeError is one, and so is a number of too many digits
        found = re.fullmatch(r"(.*) \(at (?:line (\d+), column \d+|end of document)\)", str(error), re.DOTALL)
        message = found[1] if found else str(error)
        line = int(found[2]) if found and found[2] else text.count("\n") + 1
        raise _refusal(f"not valid TOML: {message[:1].lower()}{message[1:]}", file, line) from None


def _refusal(message: str, file: Path, line: int | None = None) -> ConfigurationError:
    return ConfigurationError([Problem(message, str(file) if line is None else f"{file}:{line}")])


class _Loading:
    """One load: collects the problems of every judge, with the place of each."""

    def __init__(self, folder: Path, *, name: str, positions: Positions) -> None:
        self._folder = folder
        self._name = name
        self._positions = positions
        self._variables: dict[KeyPath, str] = {}
        self._problems: list[tuple[KeyPath, str]] = []
        self._other_problems: list[Problem] = []

    def load(self, tree: Table, environ: Mapping[str, str], *, needs_site: bool = True) -> Settings:
        self._override(tree, environ)
        shape = Shape(self._report)
        cleaned = shape.clean(tree)
        Rules(self._report, self.where, refused=shape.refused).judge(cleaned)
        Paths(self._folder, self._report, refused=shape.refused).resolve(cleaned)
        if needs_site and not tree.get("site"):
            self._report((), "there is no [[site]], so nothing would be answered")
        self._raise_problems()
        return msgspec.convert(_normalised(cleaned), Settings)

    def where(self, path: KeyPath) -> str:
        """The place of a key: `penstock.toml:12`, or the variable that overrides it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._variables:
                return self._variables[path[:end]]
        if not self._name:
            return variable_of(path)
        return f"{self._name}:{self._positions.line_of(path)}"

    def _report(self, path: KeyPath, message: str) -> None:
        self._problems.append((path, message))

    def _raise_problems(self) -> None:
        found = sorted(self._problems, key=lambda problem: self._positions.line_of(problem[0]))  # stable
        problems = [Problem(message, self.where(path)) for path, message in found] + self._other_problems
        if problems:
            raise ConfigurationError(problems)

    def _override(self, tree: Table, environ: Mapping[str, str]) -> None:
        for name in sorted(environ):
            if name.startswith(FOREIGN_PREFIX):
                self._other_problems.append(Problem("only keys of [server] can be set by variables", name))
        for override in overrides_in(environ):
            kind = find_type(override.path)
            if kind is None:
                self._other_problems.append(_unknown_variable(override))
            elif _place(tree, override.path, value_from_text(override.text, _wanted(kind))):
                self._variables[override.path] = override.variable


def _unknown_variable(override: Override) -> Problem:
    length = next(n for n in range(len(override.path)) if find_type(override.path[: n + 1]) is None)
    table, wrong, rest = override.path[:length], override.path[length], override.path[length + 1 :]
    kind = find_type(table)
    if not isinstance(kind, inspect.StructType):
        return Problem(f"{table[-1]} has no keys of its own: set {variable_of(table)}, to JSON", override.variable)
    near = find_nearest(wrong, (field.encode_name for field in kind.fields))
    advice = f"; did you mean {variable_of((*table, near, *rest))}?" if near else ""
    return Problem(f'{label(table)} does not know "{wrong}"{advice}', override.variable)


def _wanted(kind: inspect.Type) -> str:
    if isinstance(kind, inspect.StrType | inspect.LiteralType):
        return "text"
    if isinstance(kind, inspect.BoolType):
        return "boolean"
    return "texts" if isinstance(kind, inspect.VarTupleType) else "json"


def _place(tree: Table, path: tuple[str, ...], value: object) -> bool:
    """Put `value` into the tree; not where the file has something else than a table on the way, which is reported."""
    for key in path[:-1]:
        inner = tree.setdefault(key, {})
        if not isinstance(inner, dict):
            return False
        tree = inner
    tree[path[-1]] = value
    return True


def _normalised(tree: Table) -> Table:
    server = tree.get("server", {})
    owners: list[dict[str, Any]] = [server]
    for site in tree.get("site", []):
        owners += site.get("location", [])
        if "hosts" in site:
            site["hosts"] = [host.lower() for host in site["hosts"]]
    for owner in owners:
        if "headers" in owner:
            owner["headers"] = {name.lower(): value for name, value in owner["headers"].items()}
    return tree
