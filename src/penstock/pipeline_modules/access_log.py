"""Where the lines of the access log go: kept as records, formatted and written in batches, never waited for."""

from __future__ import annotations

import logging
import os
import select
import stat
import sys
from typing import Any, Final, TextIO

from penstock.errors import ConfigurationError, Problem
from penstock.pipeline_modules.access_formats import AccessRecord, Line, compile_format

__all__ = ["FLUSH_INTERVAL", "AccessLogFile", "AccessRecord", "compile_format", "open_access_log"]

# Seconds between two calls of `flush` by the owner's clock: a person who watches the log does not notice them.
FLUSH_INTERVAL: Final = 0.1
# Records that wait at most: formatting so many takes about a millisecond.
FLUSH_AT: Final = 1000
# Bytes kept for a log that is not read; what comes beyond them is dropped and counted.
KEPT: Final = 4_000_000

# POSIX: a pipe that is writable takes this many bytes without blocking, and nobody else's bytes get between them.
_PIPE: Final = getattr(select, "PIPE_BUF", 512)

_logger = logging.getLogger("penstock.access_log")


class AccessLogFile:
    """A file, or a stream such as standard output, that takes records.

    `write` is called for every request and costs an append. The owner calls `flush` every `FLUSH_INTERVAL` seconds and
    `close` in the end; all on one thread. A log that cannot be written, or whose reader is slow, hurts no request: lines
    are dropped and counted in `lost`, and that is said once.

    Raises ConfigurationError when the file cannot be opened; `where` says where it was named.
    """

    __slots__ = (
        "_descriptor",
        "_is_failing",
        "_line",
        "_path",
        "_pending",
        "_stream",
        "_unwritten",
        "_writable",
        "lost",
    )

    def __init__(self, target: str | TextIO, line: Line, *, where: str = "") -> None:
        self.lost = 0
        self._line = line
        self._pending: list[AccessRecord] = []
        self._unwritten = b""
        self._is_failing = False
        self._path = target if isinstance(target, str) else ""
        self._stream = None if isinstance(target, str) else target
        self._descriptor = -1
        self._writable: Any = None  # select.poll has no public type, and Windows has none at all
        try:
            self._watch(_open(target) if isinstance(target, str) else _descriptor_of(target))
        except OSError as error:
            message = f"the access log {target} cannot be opened: {error.strerror}"
            raise ConfigurationError([Problem(message, where)]) from None

    def write(self, record: AccessRecord) -> None:
        """Take a record. It reaches the file with the next `flush`, or at once when many wait."""
        pending = self._pending
        pending.append(record)
        if len(pending) >= FLUSH_AT:
            self.flush()

    def flush(self) -> None:
        """Hand to the system what waits, as far as it takes it without blocking. Never raises."""
        pending = self._pending
        if pending:
            self._pending = []
            self._format(pending)
        if self._unwritten:
            self._hand_over(patience=0)

    def reopen(self) -> None:
        """Go on in a new file of the same name: the old one was moved. What waits still goes to the old one; a stream stays.

        When the new file cannot be opened, that is said, and the old one is written on. Never raises.
        """
        if not self._path or self._descriptor < 0:
            return
        self.flush()
        try:
            fresh = _open(self._path)
        except OSError as error:
            _logger.warning("the access log %s cannot be opened again: %s", self._path, error.strerror)
            return
        os.close(self._descriptor)
        self._watch(fresh)

    def close(self) -> None:
        """Write what waits, giving a slow reader one more second, and close the file; a stream stays open."""
        self.flush()
        if self._unwritten:
            self._hand_over(patience=1000)
        self._drop()
        if self._stream is None and self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _format(self, records: list[AccessRecord]) -> None:
        if len(self._unwritten) > KEPT:
            self._fail("nobody reads it", len(records))
            return
        line = self._line
        text = "\n".join([line(record) for record in records])
        self._unwritten += text.encode("utf-8", "backslashreplace") + b"\n"

    def _hand_over(self, *, patience: int) -> None:
        """Write as much as does not block, waiting at most `patience` milliseconds for a reader each time."""
        unwritten = self._unwritten
        written = 0
        try:
            if self._descriptor < 0:
                written = self._write_stream(unwritten)
            while written < len(unwritten) and (self._writable is None or self._writable.poll(patience)):
                written += os.write(self._descriptor, self._next_piece(unwritten, written))
        except BlockingIOError:
            pass  # somebody made the pipe non-blocking, and it is full
        except (OSError, ValueError) as error:
            self._unwritten = unwritten[written:]
            self._drop(getattr(error, "strerror", None) or str(error))
            return
        self._unwritten = unwritten[written:]
        if self._is_failing and not self._unwritten:
            self._is_failing = False
            _logger.warning("the access log is written again; %d lines were lost so far", self.lost)

    def _next_piece(self, unwritten: bytes, begin: int) -> bytes:
        if self._writable is None:
            return unwritten[begin:]
        # Whole lines, so that those of other processes do not get into ours.
        end = unwritten.rfind(b"\n", begin, begin + _PIPE) + 1
        return unwritten[begin : end or begin + _PIPE]

    def _write_stream(self, unwritten: bytes) -> int:
        if self._stream is not None:
            self._stream.write(unwritten.decode("utf-8"))
            self._stream.flush()
        return len(unwritten)

    def _drop(self, reason: str = "nobody reads it") -> None:
        lines = self._unwritten.count(b"\n")
        self._unwritten = b""
        if lines:
            self._fail(reason, lines)

    def _fail(self, reason: str, lines: int) -> None:
        self.lost += lines
        if not self._is_failing:
            self._is_failing = True
            _logger.warning("the access log cannot be written (%s): lines are dropped until it can", reason)

    def _watch(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._writable = None
        if sys.platform != "win32" and descriptor >= 0 and not stat.S_ISREG(os.fstat(descriptor).st_mode):
            # A regular file never makes anybody wait for a reader. Everything else is asked first.
            self._writable = select.poll()
            self._writable.register(descriptor, select.POLLOUT)


def open_access_log(path: str = "", text: str = "auto", *, where: str = "") -> AccessLogFile:
    """The access log at `path` ("" or "-" is standard output) in the format `text`, as the settings name them.

    "auto" is readable on a terminal and combined elsewhere. Colours are for terminals only, and only while NO_COLOR is
    empty. Raises ConfigurationError for a format that does not exist or a file that cannot be opened.
    """
    if path not in ("", "-"):
        return AccessLogFile(path, compile_format(text, where=where), where=where)
    is_terminal = sys.stdout.isatty()
    name = "readable" if text == "auto" and is_terminal else text
    colour = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return AccessLogFile(sys.stdout, compile_format(name, colour=colour, where=where), where=where)


def _open(path: str) -> int:
    # Appending: several processes may write, and each batch stays in one piece.
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_CLOEXEC", 0), 0o644)


def _descriptor_of(stream: TextIO) -> int:
    """The descriptor below a stream; -1 for one that is in memory only."""
    try:
        stream.flush()
        return stream.fileno()
    except (OSError, ValueError):
        return -1
