"""How a change of a file is noticed: told by the system where `watchfiles` is installed, else by looking every so often."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from fnmatch import translate
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, Protocol

from penstock.errors import ConfigurationError, Problem

# Seconds between two looks at the files.
INTERVAL: Final = 0.3
# A save of several files, or a switch to another branch, is one change: it is over when nothing moves for so long.
_SETTLE: Final = 0.05
_SETTLE_AT_MOST: Final = 40

_SKIPPED: Final = frozenset(("__pycache__", "node_modules", "site-packages", "venv"))

# What a file was when it was last seen. Inode and size catch what happens within one tick of the file system's clock.
_Seen = dict[str, tuple[int, int, int]]
_Pause = Callable[[float], None]


class WatchedFiles:
    """Which files are watched: those below `directories` that match a pattern of `includes`, and every one of `files`.

    A pattern without "/" is compared with the name ("*.html"), one with it with the end of the path ("shop/*.json").
    Folders whose name begins with a dot, virtual environments, caches of Python and node_modules are passed over.
    Raises ConfigurationError for a folder that does not exist.
    """

    __slots__ = ("_include", "directories", "files")

    def __init__(
        self, directories: Sequence[str], includes: Sequence[str] = ("*.py",), files: Sequence[str] = ()
    ) -> None:
        missing = [
            Problem(f"{folder} is to be watched, but is no folder")
            for folder in directories
            if not os.path.isdir(folder)
        ]
        if missing:
            raise ConfigurationError(missing)
        self.directories = _outermost([os.path.abspath(folder) for folder in directories])
        self.files = tuple(os.path.abspath(path) for path in files)
        self._include = re.compile("|".join(translate("*/" + pattern.lstrip("/")) for pattern in includes) or r"\Z\A.")

    def match(self, path: str) -> bool:
        """Whether `path` (absolute) is watched, as far as its name tells."""
        return path in self.files or (
            self._include.match(_slashes(path)) is not None and not self._is_passed_over(path)
        )

    def look(self) -> _Seen:
        """What the watched files are now."""
        seen: _Seen = {}
        for path in self.files:
            try:
                seen[path] = _state(os.stat(path))
            except OSError:
                pass  # it may come later
        for folder in self.directories:
            for entry in _walk(folder):
                if self._include.match(_slashes(entry.path)):
                    _note(entry, seen)
        return seen

    def _is_passed_over(self, path: str) -> bool:
        folder = next((folder for folder in self.directories if path.startswith(folder + os.sep)), "")
        parts = path[len(folder) + 1 :].split(os.sep)[:-1]
        return not folder or any(_is_skipped(part) for part in parts)


class Watcher(Protocol):
    """Notices changes."""

    def find_changes(self) -> list[str]:
        """The files that changed since it was last asked; waits for one, but not longer than `INTERVAL` seconds."""


class LookingWatcher:
    """Looks at all files every `INTERVAL` seconds. `pause` waits for so many seconds, or until a signal comes."""

    __slots__ = ("_files", "_seen", "pause")

    def __init__(self, files: WatchedFiles, pause: _Pause) -> None:
        self._files = files
        self.pause = pause
        self._seen = files.look()

    def find_changes(self) -> list[str]:
        """See `Watcher`."""
        self.pause(INTERVAL)
        before, now = self._seen, self._files.look()
        if now == before:
            return []
        for _ in range(_SETTLE_AT_MOST):
            self.pause(_SETTLE)
            earlier, now = now, self._files.look()
            if now == earlier:
                break
        self._seen = now
        return _differences(before, now)


class ToldWatcher:
    """Is told by the system, through `watchfiles`; single files, which editors replace, are looked at all the same.

    What cannot be watched that way (the system has a limit) is looked at instead.
    """

    __slots__ = ("_begin", "_changes", "_looking", "_pause", "_single")

    def __init__(self, files: WatchedFiles, begin: Callable[[], Iterator[Any]], pause: _Pause) -> None:
        self._pause = pause
        self._begin: Callable[[], Iterator[Any]] | None = begin
        self._changes: Iterator[Any] | None = None
        self._single = LookingWatcher(WatchedFiles((), (), files.files), lambda _: None)
        # What changes before the system begins to tell is found by looking: the server need not wait for it.
        self._looking = LookingWatcher(files, lambda _: None)

    def find_changes(self) -> list[str]:
        """See `Watcher`."""
        if self._begin is not None:
            return self._begin_to_watch(self._begin)
        return self._looking.find_changes() if self._changes is None else self._told(self._changes)

    def _begin_to_watch(self, begin: Callable[[], Iterator[Any]]) -> list[str]:
        self._begin = None
        found: list[str] = []
        try:
            changes = begin()
            found = self._told(changes)
            self._changes = changes
        except Exception:
            self._looking.pause = self._pause
        return sorted({*found, *self._looking.find_changes()})

    def _told(self, changes: Iterator[Any]) -> list[str]:
        told = {path for _, path in next(changes, ())}
        return sorted(told.union(self._single.find_changes()))


class _Event:
    """What `watchfiles` asks whether it is to go on waiting."""

    __slots__ = ("is_set",)

    def __init__(self, is_set: Callable[[], bool]) -> None:
        self.is_set = is_set


def open_watcher(files: WatchedFiles, pause: _Pause, is_over: Callable[[], bool]) -> Watcher:
    """Begin to watch. `is_over` tells whether a signal has come, after which waiting makes no sense."""
    if not files.directories or find_spec("watchfiles") is None:
        return LookingWatcher(files, pause)

    def begin() -> Iterator[Any]:
        changes: Iterator[Any] = import_module("watchfiles").watch(
            *files.directories,
            watch_filter=lambda _, path: files.match(path),
            debounce=200,
            step=int(_SETTLE * 1000),
            stop_event=_Event(is_over),
            rust_timeout=int(INTERVAL * 1000),
            yield_on_timeout=True,
            raise_interrupt=False,
        )
        return changes

    return ToldWatcher(files, begin, pause)


def _outermost(folders: Sequence[str]) -> tuple[str, ...]:
    """Without those that lie in another one, which would be looked at twice."""
    kept = dict.fromkeys(folders)
    return tuple(
        one for one in kept if not any(one.startswith(other.rstrip(os.sep) + os.sep) for other in kept if other != one)
    )


def _walk(folder: str) -> Iterator[os.DirEntry[str]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return  # it has gone, or is not for us to read
    for entry in entries:
        if not entry.is_dir():
            yield entry
        elif not _is_skipped(entry.name) and not entry.is_symlink() and not _is_environment(entry.path):
            yield from _walk(entry.path)


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or name in _SKIPPED


def _is_environment(folder: str) -> bool:
    return os.path.exists(os.path.join(folder, "pyvenv.cfg"))


def _note(entry: os.DirEntry[str], seen: _Seen) -> None:
    try:
        seen[entry.path] = _state(entry.stat())
    except OSError:
        pass  # it has gone meanwhile


def _state(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_size, status.st_ino


def _slashes(path: str) -> str:
    return path.replace(os.sep, "/") if os.sep != "/" else path


def _differences(before: _Seen, now: _Seen) -> list[str]:
    return sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))
