"""Folders of code and files whose real path changes, as when `current -> releases/42` is switched; and their modules."""

from __future__ import annotations

import importlib
import linecache
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import NamedTuple

from penstock.errors import StartupError
from penstock.settings import Settings

_SITE_PACKAGES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")


class Move(NamedTuple):
    """`folder`, as the operator has named it, led to `before` and leads to `now`."""

    folder: str
    before: str
    now: str

    def __str__(self) -> str:
        return f"{self.folder} was {self.before} and is {self.now}"


def folders_of(settings: Settings) -> list[str]:
    """The folders from which `settings` serve files and import code, as they are named there."""
    return list(dict.fromkeys([*settings.server.app_dirs, *(site.root for site in settings.sites if site.root)]))


def real_paths(folders: Iterable[str]) -> dict[str, str]:
    """Where each of the `folders` leads now."""
    return {folder: os.path.realpath(folder) for folder in folders}


def find_moves(known: Mapping[str, str]) -> list[Move]:
    """The folders that lead elsewhere than is `known`. One that leads nowhere, as while a link is being replaced, is left alone."""
    now = real_paths(known)
    moves = [Move(folder, before, now[folder]) for folder, before in known.items() if now[folder] != before]
    return [move for move in moves if os.path.isdir(move.now)]


def take_modules(moves: Iterable[Move]) -> dict[str, ModuleType]:
    """Take the modules that were imported from the folders out of `sys.modules`, so that they are imported anew.

    What is installed (in a virtual environment within the folder) stays, and so does Penstock. Returns what was taken.
    """
    places = [place.rstrip(os.sep) + os.sep for move in moves for place in (os.path.abspath(move.folder), move.before)]
    taken = {
        name: module
        for name, module in list(sys.modules.items())
        if name != "__main__" and not _is_own(name) and any(_lies_below(path, places) for path in _paths_of(module))
    }
    for name in taken:
        del sys.modules[name]
    _forget_files()
    return taken


def give_back(taken: Mapping[str, ModuleType]) -> None:
    """Put modules back that were taken: what was imported in their place did not start."""
    sys.modules.update(taken)
    _forget_files()


def check_renewable(taken: Mapping[str, ModuleType]) -> None:
    """Raise StartupError when the code that was taken cannot be started a second time in one process."""
    if taken and "django" in sys.modules:
        # Its URL resolver, models and settings are kept, by name, where they were first imported: old code would answer.
        raise StartupError("Django keeps what it has imported for the life of a process")


def has_environment(moves: Iterable[Move]) -> bool:
    """Whether the running virtual environment lies in one of the folders: what is installed there cannot be exchanged."""
    prefix = os.path.abspath(sys.prefix) + os.sep
    return any(_lies_below(prefix, [f"{move.folder}{os.sep}", f"{move.before}{os.sep}"]) for move in moves)


def _is_own(name: str) -> bool:
    return name.partition(".")[0] == "penstock"


def _paths_of(module: object) -> Iterator[str]:
    # A namespace package has no file, only places; and a module may be anything that somebody has put there.
    file = getattr(module, "__file__", None)
    if isinstance(file, str):
        yield file
    elif file is None:
        try:
            yield from (f"{place}{os.sep}" for place in getattr(module, "__path__", ()) if isinstance(place, str))
        except TypeError:
            return


def _lies_below(path: str, places: Iterable[str]) -> bool:
    if any(part in path for part in _SITE_PACKAGES):
        return False
    return any(path.startswith(place) for place in places)


def _forget_files() -> None:
    importlib.invalidate_caches()
    linecache.checkcache()
