"""AnswerFile: the part of an open file that will be answered, sent by the host without going through memory (pipeline O-11)."""

from __future__ import annotations

import os
from stat import S_ISREG
from typing import Any, Final

# Windows does not have it.
_PREAD: Final[Any] = getattr(os, "pread", None)


class AnswerFile:
    """`count` bytes from `offset` of an open file; it belongs to the response, which closes it."""

    __slots__ = ("count", "descriptor", "offset")

    def __init__(self, descriptor: int, offset: int, count: int) -> None:
        self.descriptor = descriptor
        self.offset = offset
        self.count = count

    def read(self, offset: int, count: int) -> bytes:
        """At most `count` bytes from `offset` of the part."""
        at = self.offset + offset
        count = min(count, self.count - offset)
        if _PREAD is None:
            os.lseek(self.descriptor, at, os.SEEK_SET)
            return os.read(self.descriptor, count)
        piece: bytes = _PREAD(self.descriptor, count, at)
        return piece

    def close(self) -> None:
        """Let go of the file."""
        os.close(self.descriptor)


def open_answer_file(file: int | str | os.PathLike[str], offset: int, count: int | None) -> AnswerFile:
    """The part of `file`, a path or an open descriptor, that begins at `offset` and has `count` bytes (None: the rest).

    Raises OSError when it cannot be opened or is no regular file, ValueError when it is shorter than that; a descriptor is
    closed then.
    """
    descriptor = file if isinstance(file, int) else os.open(file, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        status = os.fstat(descriptor)
        if not S_ISREG(status.st_mode):
            raise OSError(f"{file!r} is no regular file")
        rest = status.st_size - offset
        if count is None:
            count = rest
        if offset < 0 or not 0 <= count <= rest:
            raise ValueError(f"{file!r} has {status.st_size} bytes: there are no {count} from {offset} on")
    except BaseException:
        os.close(descriptor)
        raise
    return AnswerFile(descriptor, offset, count)
