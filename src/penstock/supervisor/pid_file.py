"""The file that says which process the server is, for service managers and scripts: one per running server."""

from __future__ import annotations

import os
import sys
from typing import Final

from penstock.errors import ConfigurationError, Problem

# A file that is longer is no PID file, and not ours to write to.
_MOST_BYTES: Final = 32
_ATTEMPTS: Final = 8


class PidFile:
    """The file at `path`, from `write` until `remove`.

    While it is there, it is locked: that is how a server that lives is told from a number that some other process has by now.
    The lock ends with the process, however that ends.
    """

    def __init__(self, path: str, *, descriptor: int = -1) -> None:
        """`descriptor` is that of a file that was written before an upgrade in place, and is still locked by it."""
        self._path = os.path.abspath(path)
        self.descriptor = descriptor

    def write(self) -> None:
        """Write the number of this process, in one piece. The file of a server that has died is replaced.

        Raises ConfigurationError when another server that lives has the file, when it is no PID file, or cannot be written.
        """
        if self.descriptor >= 0:
            return
        try:
            for _ in range(_ATTEMPTS):
                if self._try_to_write():
                    return
        except OSError as error:
            raise self._refusal(f"cannot be written: {error.strerror}") from None
        raise self._refusal("is made and removed by somebody else all the time: give each server one of its own")

    def remove(self) -> None:
        """Remove the file, unless it is another by now. Nothing is raised."""
        if self.descriptor < 0:
            return
        try:
            if _identify(os.fstat(self.descriptor)) == _identify(os.stat(self._path)):
                os.unlink(self._path)
        except OSError:
            pass  # it has gone before
        os.close(self.descriptor)
        self.descriptor = -1

    def _try_to_write(self) -> bool:
        """False when somebody was quicker, and it must be looked at again."""
        fresh = f"{self._path}.{os.getpid()}"
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0), 0o644)
        try:
            os.write(descriptor, b"%d\n" % os.getpid())
            _lock(descriptor)
            if not self._put_in_place(fresh):
                os.close(descriptor)
                return False
        except BaseException:
            os.close(descriptor)
            raise
        finally:
            _unlink(fresh)
        self.descriptor = descriptor
        return True

    def _put_in_place(self, fresh: str) -> bool:
        try:
            os.link(fresh, self._path)  # fails when there is one, so two that start at once do not both succeed
        except FileExistsError:
            return self._replace(fresh)
        return True

    def _replace(self, fresh: str) -> bool:
        try:
            there = os.open(self._path, os.O_RDWR | getattr(os, "O_CLOEXEC", 0))
        except FileNotFoundError:
            return False
        try:
            text = os.read(there, _MOST_BYTES + 1).strip()
            if text and (not text.isdigit() or len(text) > _MOST_BYTES):
                raise self._refusal("exists and is no PID file: choose another path")
            if not _lock(there):
                raise self._refusal(
                    f"belongs to a server that runs, process {text.decode() or 'unknown'}: stop it first"
                )
            if _identify(os.fstat(there)) != _identify(os.stat(self._path)):
                return False
            os.replace(fresh, self._path)
        finally:
            os.close(there)
        return True

    def _refusal(self, message: str) -> ConfigurationError:
        return ConfigurationError([Problem(f"the PID file {self._path} {message}", "[server] pid_file")])


def _lock(descriptor: int) -> bool:
    """Lock the file; False when another process has done so."""
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _identify(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass  # it was renamed
