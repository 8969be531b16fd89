"""`wsgi.file_wrapper`: a file that a WSGI application returns, sent by the host when it is a real one (PEP 3333)."""

from __future__ import annotations

import io
import os
import stat
from typing import Any, Final

from penstock.errors import ContractError

_BLOCK: Final = 65536


class FileWrapper:
    """Iterates over a file-like object in blocks of `block_size` bytes; `close` closes it."""

    __slots__ = ("_block_size", "_file")

    def __init__(self, filelike: Any, block_size: int = _BLOCK) -> None:
        self._file = filelike
        self._block_size = block_size

    def __iter__(self) -> FileWrapper:
        return self

    def __next__(self) -> bytes:
        block: bytes = self._file.read(self._block_size)
        if not block:
            raise StopIteration
        return block

    def close(self) -> None:
        """Close the file, if it can be closed."""
        close = getattr(self._file, "close", None)
        if close is not None:
            close()

    def take_descriptor(self, content_length: int) -> tuple[int, int, int] | None:
        """A descriptor of our own, an offset and a count, when this is a regular file on disk; else None.

        Sent is what lies between the file's position and its end, or `content_length` bytes of it when that is not -1.
        Raises ContractError when the file is shorter than that.
        """
        file = _find_raw(self._file)
        if file is None:
            return None
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            return None
        offset: int = self._file.tell()
        count = max(status.st_size - offset, 0)
        if content_length >= 0:
            if content_length > count:
                raise ContractError(f"the response has {count} bytes of file but content-length {content_length}")
            count = content_length
        return os.dup(file.fileno()), offset, count


def _find_raw(filelike: object) -> io.FileIO | None:
    # A `fileno` alone proves nothing: that of a GzipFile is the compressed file's.
    if isinstance(filelike, (io.BufferedReader, io.BufferedRandom)):
        filelike = filelike.raw
    return filelike if isinstance(filelike, io.FileIO) and not filelike.closed else None
