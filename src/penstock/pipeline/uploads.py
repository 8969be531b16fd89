"""Upload: a file that came with a form, in memory while it is small, in a temporary file beyond, gone when its request is."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from io import BytesIO
from threading import Lock
from typing import BinaryIO, Final, TypeVar, cast

from penstock.errors import ContractError, HTTPError

T = TypeVar("T")

# So much is collected before a thread writes it: each way there and back costs about as much as writing 100 KB.
_WRITTEN_AT_ONCE: Final = 262_144
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Upload:
    """One file of a form.

    `name` is that of its field. `filename` is the last part of what the client calls it: for people to read, never a path
    to be trusted. `content_type` is what the client says it is, "" when it says nothing. `headers` are those of the part,
    with lower-case names. `size` is in bytes.
    """

    __slots__ = (
        "_buffer",
        "_file",
        "_is_closed",
        "_lock",
        "_memory",
        "_open_file",
        "_users",
        "content_type",
        "filename",
        "headers",
        "name",
        "size",
    )

    def __init__(
        self,
        name: str,
        filename: str,
        *,
        content_type: str = "",
        headers: dict[str, str] | None = None,
        memory: int = 81_920,
        open_file: Callable[[], BinaryIO] | None = None,
    ) -> None:
        """`memory` is how many bytes are kept in memory; `open_file` makes the temporary file for more."""
        self.name = name
        self.filename = filename
        self.content_type = content_type
        self.headers: dict[str, str] = headers or {}
        self.size = 0
        self._memory = memory
        self._open_file = open_file or open_temporary_file
        self._buffer = bytearray()
        self._file: BinaryIO | None = None
        self._lock = Lock()
        self._users = 0
        self._is_closed = False

    @property
    def is_in_memory(self) -> bool:
        """Whether it was small enough to be kept in memory."""
        return self._file is None or isinstance(self._file, BytesIO)

    @property
    def file(self) -> BinaryIO:
        """The content as a binary file. One of a large upload reads from a disk: use it in a thread, or use `read`.

        Raises ContractError once the request has ended.
        """
        return self._use(self._find_file)

    async def read(self, size: int = -1) -> bytes:
        """The next `size` bytes, or all that are left; b"" at the end. A disk is read in a thread.

        Raises ContractError once the request has ended.
        """
        if self.is_in_memory:
            return self.file.read(size)
        return await asyncio.get_running_loop().run_in_executor(None, self._use, lambda: self._find_file().read(size))

    async def save(self, path: str | os.PathLike[str]) -> None:
        """Write the whole content to a new file `path`, in a thread; make the path from names of your own.

        Raises FileExistsError rather than overwrite, ContractError once the request has ended.
        """
        await asyncio.get_running_loop().run_in_executor(None, self._use, lambda: self._copy_to(path))

    def close(self) -> None:
        """Remove it. The pipeline does so when the request ends; a thread that is using it removes it when it is through."""
        with self._lock:
            self._is_closed = True
            if not self._users:
                self._remove()

    # -- used while the form is read ---------------------------------------------------------------------------------------

    def add(self, piece: bytes) -> bool:
        """Used by the reader of forms: one more piece of the content. True means: call `spill`, which blocks."""
        self._buffer += piece
        self.size += len(piece)
        return len(self._buffer) > (self._memory if self._file is None else _WRITTEN_AT_ONCE)

    def spill(self) -> None:
        """Used by the reader of forms, in a thread: write what has come to the temporary file.

        Raises HTTPError: 507 when the disk is full, 500 when it cannot be written to.
        """
        self._use(self._write)

    def finish(self) -> bool:
        """Used by the reader of forms: the content is whole. True means: call `spill` a last time."""
        return self._file is not None and bool(self._buffer)

    def rewind(self) -> None:
        """Used by the reader of forms: whoever reads it begins at the beginning."""
        if self._file is not None:
            self._file.seek(0)

    # ----------------------------------------------------------------------------------------------------------------------

    def _use(self, action: Callable[[], T]) -> T:
        # A file that is closed while a thread writes to it could be another one by then: the last to use it closes it.
        with self._lock:
            if self._is_closed:
                raise ContractError(f"the upload {self.filename!r} was removed when its request ended: save it before")
            self._users += 1
        try:
            return action()
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._is_closed and not self._users:
                self._remove()

    def _find_file(self) -> BinaryIO:
        if self._file is None:
            self._file = BytesIO(self._buffer)
            self._buffer = bytearray()
        return self._file

    def _write(self) -> None:
        try:
            if self._file is None:
                self._file = self._open_file()
            self._file.write(self._buffer)
            self._file.flush()
        except OSError as error:
            is_full = error.errno in _FULL
            failure = HTTPError(507 if is_full else 500, "there is no room for the upload" if is_full else "")
            failure.__cause__ = error  # mypyc drops the cause of "raise ... from ..."
            raise failure from error
        self._buffer = bytearray()

    def _copy_to(self, path: str | os.PathLike[str]) -> None:
        from shutil import copyfileobj

        file = self._find_file()
        position = file.tell()
        file.seek(0)
        try:
            with open(path, "xb") as saved:
                try:
                    copyfileobj(file, saved)
                except BaseException:
                    os.unlink(path)  # nobody takes half of it for the whole
                    raise
        finally:
            file.seek(position)

    def _remove(self) -> None:
        self._buffer = bytearray()
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError:
                pass  # closing tries once more to write what could not be written


def open_temporary_file() -> BinaryIO:
    """A temporary file that has no name, or loses it at once: it is gone when it is closed, and when the process dies."""
    from tempfile import TemporaryFile

    return cast("BinaryIO", TemporaryFile())
