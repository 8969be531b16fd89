"""`wsgi.input`: the body of a request as a file, which asks the loop only for what has not come yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from penstock.intake.worker_request import WorkerRequest


class BodySource(Protocol):
    """Where the rest of a body comes from."""

    def pull(self) -> bytes:
        """The next piece, b"" at the end. Waits. Raises ClientGone (an OSError) and RequestRejected."""


class WsgiInput:
    """A body that is still arriving. Sizes are in bytes; a negative size, or None, means all of it."""

    __slots__ = ("_buffer", "_is_at_end", "_source")

    def __init__(self, source: BodySource, received: bytes) -> None:
        """`received` has come already; the rest is pulled from `source`."""
        self._source = source
        self._buffer = bytearray(received)
        self._is_at_end = False

    def read(self, size: int | None = -1) -> bytes:
        """Exactly `size` bytes, or what there is until the end."""
        if size is None or size < 0:
            while self._pull():
                pass
            return self._take(len(self._buffer))
        while len(self._buffer) < size and self._pull():
            pass
        return self._take(size)

    def readline(self, size: int | None = -1) -> bytes:
        """One line with its end, at most `size` bytes of it; b"" at the end."""
        searched = 0
        while True:
            end = self._buffer.find(b"\n", searched) + 1
            searched = len(self._buffer)
            limit = searched if size is None or size < 0 else size
            if end:
                return self._take(min(end, limit))
            if limit < searched or limit == size == searched or not self._pull():
                return self._take(limit)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """Lines until the end, or until they are `hint` bytes together."""
        lines: list[bytes] = []
        total = 0
        while line := self.readline():
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint <= total:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _pull(self) -> bool:
        """Wait for more and append it; False at the end."""
        if self._is_at_end:
            return False
        piece = self._source.pull()
        self._is_at_end = not piece
        self._buffer += piece
        return not self._is_at_end


def take_whole(worker_request: WorkerRequest) -> tuple[bytes, bool]:
    """What has come of the body, and whether that is all of it. Called on the loop.

    Raises RequestRejected for a body that cannot be accepted, ClientGone when its rest will not come.
    """
    piece = worker_request.take()
    if piece is None:
        return b"", False
    if not piece:
        return b"", True
    more = worker_request.take()
    return (piece + more, False) if more else (piece, more is not None)
