"""Files below a root and never outside of it: every folder on the way is opened by descriptor, no link is followed unseen."""

import errno
import os
import stat
from collections.abc import Sequence
from typing import Final

from penstock.errors import HTTPError

# Not every system has all of these; on one that lacks them the path is resolved and compared instead (_open_resolved).
_NO_FOLLOW: Final[int] = getattr(os, "O_NOFOLLOW", 0)
_CLOSE_ON_EXEC: Final[int] = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0)
# O_PATH: a folder that may be entered but not listed can be passed through.
_FOLDER: Final[int] = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | _CLOSE_ON_EXEC
# O_NONBLOCK: a FIFO put in the file's place after it was looked at does not block (row 72).
_FILE: Final[int] = (
    os.O_RDONLY
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
    | _CLOSE_ON_EXEC
)
_HAS_DESCRIPTORS: Final = os.open in os.supports_dir_fd and _NO_FOLLOW != 0

_NOT_THERE: Final = frozenset(
    (
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ELOOP,
        errno.ENAMETOOLONG,
        errno.EINVAL,
        errno.ENXIO,
        errno.ENODEV,
        errno.EISDIR,
    )
)
_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOMEM))

Signature = tuple[int, int, int, int]


class OpenFile:
    """A regular file, opened for reading, or a folder. `close` it, or `take` its descriptor.

    `segments` name it below the root. `signature` is different after it was written or replaced.
    """

    __slots__ = ("fd", "is_folder", "mtime_ns", "segments", "signature", "size")

    def __init__(self, fd: int, status: os.stat_result) -> None:
        self.fd = fd
        self.is_folder = fd < 0
        self.segments: list[str] = []
        self.size = 0
        self.mtime_ns = 0
        self.signature: Signature = (0, 0, 0, 0)
        self.see(status)

    def see(self, status: os.stat_result) -> None:
        """Take over what is known about the file now."""
        self.size = status.st_size
        self.mtime_ns = status.st_mtime_ns
        self.signature = signature_of(status)

    def take(self) -> int:
        """Hand the descriptor over; it is the caller's to close."""
        fd, self.fd = self.fd, -1
        return fd

    def close(self) -> None:
        """Close the descriptor, if there is one left."""
        if self.fd >= 0:
            os.close(self.take())


def signature_of(status: os.stat_result) -> Signature:
    """Give what is different after a file was written or replaced."""
    return (status.st_mtime_ns, status.st_size, status.st_ino, status.st_dev)


class FileTree:
    """The files below `root`, a folder. Symbolic links may stay within it; out of it only with `follow_symlinks`."""

    __slots__ = ("_follow_symlinks", "_root")

    def __init__(self, root: str, *, follow_symlinks: bool = False) -> None:
        self._root = os.path.abspath(root)
        self._follow_symlinks = follow_symlinks

    def open(self, segments: Sequence[str]) -> OpenFile | None:
        """Open the file or folder that `segments` name; the caller has judged them (`file_names.split_path`).

        None: it is not there, leads out of the root, or is neither file nor folder. Raises HTTPError: 403 when the
        system denies access, 503 when the process has no descriptors left; OSError when the disk fails.
        """
        try:
            file = self._open(segments)
            if file is not None:
                file.segments = list(segments)
            return file
        except (UnicodeEncodeError, ValueError):
            return None
        except PermissionError:
            raise HTTPError(403, "the server may not read this file") from None
        except OSError as error:
            if error.errno in _NOT_THERE:
                return None
            if error.errno in _EXHAUSTED:
                raise HTTPError(503, "too many files are open", headers=[(b"retry-after", b"1")]) from error
            raise

    def _open(self, segments: Sequence[str]) -> OpenFile | None:
        if self._follow_symlinks:
            return _open_followed(os.path.join(self._root, *segments))
        if not _HAS_DESCRIPTORS:
            return self._open_resolved(segments)
        try:
            return self._walk(self._root, segments)
        except OSError as error:
            # With O_DIRECTORY a link is "not a directory", without it is a loop.
            if error.errno not in (errno.ELOOP, errno.ENOTDIR):
                raise
        return self._walk_resolved(segments)

    def _walk(self, root: str, segments: Sequence[str]) -> OpenFile | None:
        folder = os.open(root, _FOLDER)
        try:
            for segment in segments[:-1]:
                below = os.open(segment, _FOLDER | _NO_FOLLOW, dir_fd=folder)
                os.close(folder)
                folder = below
            return _open_in(folder, segments[-1] if segments else ".")
        finally:
            os.close(folder)

    def _walk_resolved(self, segments: Sequence[str]) -> OpenFile | None:
        # Some name on the way is a link. Where it leads may be walked like any other path: no link is left on it, and
        # one that is put there between the two steps is refused by the walk (row 72, links that change in between).
        root = os.path.realpath(self._root)
        inside = _below(root, os.path.realpath(os.path.join(root, *segments)))
        return None if inside is None else self._walk(root, inside)

    def _open_resolved(self, segments: Sequence[str]) -> OpenFile | None:
        root = os.path.realpath(self._root)
        resolved = os.path.realpath(os.path.join(root, *segments))
        return None if _below(root, resolved) is None else _open_followed(resolved)


def _below(root: str, path: str) -> list[str] | None:
    if path == root:
        return []
    prefix = root if root.endswith(os.sep) else root + os.sep
    return path[len(prefix) :].split(os.sep) if path.startswith(prefix) else None


def _open_in(folder: int, name: str) -> OpenFile | None:
    # Looked at before it is opened: to open a device may already do something.
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    if stat.S_ISLNK(status.st_mode):
        raise OSError(errno.ELOOP, "is a symbolic link")
    if not stat.S_ISREG(status.st_mode):
        return OpenFile(-1, status) if stat.S_ISDIR(status.st_mode) else None
    return _judged(os.open(name, _FILE | _NO_FOLLOW, dir_fd=folder))


def _open_followed(path: str) -> OpenFile | None:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):
        return OpenFile(-1, status) if stat.S_ISDIR(status.st_mode) else None
    return _judged(os.open(path, _FILE))


def _judged(fd: int) -> OpenFile | None:
    status = os.fstat(fd)
    if stat.S_ISREG(status.st_mode):
        return OpenFile(fd, status)
    os.close(fd)
    return None
