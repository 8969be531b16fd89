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
from penstock.settings.environment import FOREIGN_PREFIXES, Override, overrides_in, value_from_text, variable_of
from penstock.settings.model import ServerSettings, Settings
from penstock.settings.names import find_nearest
from penstock.settings.paths import Paths
from penstock.settings.pool_paths import PoolPaths
from penstock.settings.pool_rules import PoolRules
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
    mistakes at once (the operator's fault). Imports nothing that the file names: see `check_site_file`.
    """
    return load_site_file(path, environ).settings


def load_site_file(path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> SiteFile:
    """Like `load`, with the places of the keys, for messages about what is found out later."""
    draft = draft_of(path, environ)
    return SiteFile(draft.path, draft.settings(), draft.where)


def load_server(environ: Mapping[str, str]) -> ServerSettings:
    """The server's settings where there is no site file: defaults and overrides, relative to the current folder."""
    draft = Draft(Path(), name="", positions=Positions(""))
    draft.judge({}, environ)
    return draft.settings().server


def draft_of(path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> "Draft":
    """A site file that was judged, right or wrong. Raises `ConfigurationError` only where it cannot be read as TOML."""
    file = Path(path)
    text = _read(file)
    tree = _parse(text, file)
    draft = Draft(file.parent, name=str(file), positions=Positions(text))
    draft.judge(tree, os.environ if environ is None else environ)
    if not tree.get("site"):
        draft.report((), "there is no [[site]], so nothing would be answered")
    return draft


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


class Draft:
    """A site file on its way to settings: what is right so far is in `tree`, and every judge reports to it."""

    def __init__(self, folder: Path, *, name: str, positions: Positions) -> None:
        self.tree: Table = {}
        self.path = Path(name)
        self._folder = folder
        self._name = name
        self._positions = positions
        self._variables: dict[KeyPath, str] = {}
        self._found: list[tuple[KeyPath, str]] = []
        self._unplaced: list[Problem] = []

    def judge(self, tree: Table, environ: Mapping[str, str]) -> None:
        """Put the overrides above `tree`, and report everything that is wrong with the outcome."""
        self._override(tree, environ)
        shape = Shape(self.report)
        self.tree = shape.clean(tree)
        Rules(self.report, self.where, refused=shape.refused).judge(self.tree)
        PoolRules(self.report, self.where, refused=shape.refused).judge(self.tree)
        Paths(self._folder, self.report, refused=shape.refused).resolve(self.tree)
        PoolPaths(self._folder, self.report).resolve(self.tree)

    def report(self, path: KeyPath, message: str) -> None:
        """Note one mistake."""
        self._found.append((path, message))

    def where(self, path: KeyPath) -> str:
        """The place of a key: `penstock.toml:12`, or the variable that overrides it."""
        for end in range(len(path), 0, -1):
            if path[:end] in self._variables:
                return self._variables[path[:end]]
        if not self._name:
            return variable_of(path)
        return f"{self._name}:{self._positions.line_of(path)}"

    def settings(self) -> Settings:
        """The settings. Raises `ConfigurationError` with all mistakes, in the order of the file, if there is one."""
        found = sorted(self._found, key=lambda problem: self._positions.line_of(problem[0]))  # stable
        problems = [Problem(message, self.where(path)) for path, message in found] + self._unplaced
        if problems:
            raise ConfigurationError(problems)
        return msgspec.convert(_normalised(self.tree), Settings)

    def _override(self, tree: Table, environ: Mapping[str, str]) -> None:
        for name in sorted(environ):
            if name.startswith(FOREIGN_PREFIXES):
                self._unplaced.append(Problem("only keys of [server] can be set by variables", name))
        for override in overrides_in(environ):
            kind = find_type(override.path)
            if kind is None:
                self._unplaced.append(_unknown_variable(override))
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
