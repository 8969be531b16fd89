"""The folder of traces: one file for each, the newest so many, readable by nobody else; and the thread that writes them."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from penstock.errors import ConfigurationError, Problem

logger = logging.getLogger("penstock")

MOST_BYTES: Final = 1_000_000
# The time it ended, to the microsecond in UTC, and its trace id: sorted by name, the newest is the last.
_NAME: Final = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{32}(-\d+)?\.json")
# More than these are not waited for: a disk that does not keep up must not fill the memory.
_MOST_WAITING: Final = 100
_LAST_WORDS: Final = 2.0


class TraceFolder:
    """A folder of traces. Several processes may write into it; whoever finds too many removes the oldest."""

    def __init__(self, path: str | os.PathLike[str], *, most_files: int = 50) -> None:
        """Nothing is done to the disk before `prepare` or `save`."""
        self.path = Path(path)
        self.most_files = most_files

    def prepare(self) -> None:
        """Make the folder, for its owner only. Raises ConfigurationError when traces could not be written into it."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            message = f"traces: {self.path} cannot be made a folder: {error.strerror or error}"
            raise ConfigurationError([Problem(message)]) from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise ConfigurationError([Problem(f"traces: {self.path} is a folder that this user may not write into")])

    def save(self, record: Mapping[str, Any]) -> Path:
        """Write a trace of at most 1 MB into a file of its own, mode 0600, and remove the oldest. Raises OSError."""
        content = encode(record)
        name = _name_of(record)
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, number = self.path / f"{name}.json", 1
        while path.exists():
            number += 1
            path = self.path / f"{name}-{number}.json"
        _write_new(path, content)
        self.remove_oldest()
        return path

    def remove_oldest(self) -> None:
        """Leave the newest so many. Files with other names are not touched."""
        for path in self.files()[self.most_files :]:
            path.unlink(missing_ok=True)

    def files(self) -> list[Path]:
        """The traces, newest first; none when there is no such folder."""
        try:
            names = [name for name in os.listdir(self.path) if _NAME.fullmatch(name)]
        except FileNotFoundError:
            return []
        return [self.path / name for name in sorted(names, reverse=True)]


def encode(record: Mapping[str, Any]) -> bytes:
    """`record` as JSON of at most 1 MB: tracebacks go first, then steps from the middle."""
    content = msgspec.json.encode(record)
    if len(content) <= MOST_BYTES:
        return content
    smaller = dict(record, errors=[dict(error, traceback="") for error in record["errors"]])
    while len(content := msgspec.json.encode(smaller)) > MOST_BYTES and smaller["steps"]:
        steps = smaller["steps"]
        quarter = len(steps) // 4
        kept = [*steps[:quarter], *steps[len(steps) - quarter :]]
        smaller["steps"] = kept
        smaller["steps_left_out"] += len(steps) - len(kept)
    return content


class TraceWriter:
    """Writes traces in a thread of its own, so that the loop never waits for a disk."""

    def __init__(self, folder: TraceFolder) -> None:
        """The thread begins with the first trace."""
        self.folder = folder
        self._executor: ThreadPoolExecutor | None = None
        self._waiting: set[Future[Any]] = set()
        self._lost = 0

    def write(self, record: dict[str, Any]) -> None:
        """Have `record` written; called on the loop. What the disk does not keep up with is lost, and said so."""
        if len(self._waiting) >= _MOST_WAITING:
            self._lost += 1
            if self._lost == 1:
                logger.warning("traces come faster than %s takes them; some are lost", self.folder.path)
            return
        if self._executor is None:
            self._executor = ThreadPoolExecutor(1, thread_name_prefix="penstock-traces")
        future = self._executor.submit(self._save, record)
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)

    def close(self) -> None:
        """Write what is left, for two seconds at most."""
        if self._executor is not None:
            wait(tuple(self._waiting), _LAST_WORDS)
            self._executor.shutdown(wait=False, cancel_futures=True)
            self._executor = None

    def _save(self, record: dict[str, Any]) -> None:
        try:
            path = self.folder.save(record)
        except Exception as error:
            logger.error("a trace could not be written into %s: %s", self.folder.path, error)
        else:
            logger.info("%s %s left the trace %s", record["method"], ascii(record["path"])[1:-1], path.name)


def _name_of(record: Mapping[str, Any]) -> str:
    """The time it ended, and its trace id."""
    ended = datetime.fromisoformat(record["time"]).astimezone(UTC) + timedelta(seconds=record["seconds"])
    return f"{ended:%Y%m%dT%H%M%S.%f}Z-{record['trace_id']}"


def _write_new(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        try:
            file.write(content)
            file.flush()
        except OSError:
            path.unlink(missing_ok=True)  # half a trace is none
            raise
