"""The temporary files that a test's uploads make, seen while they are there and when they are gone."""

import asyncio
import tempfile
import threading
from typing import IO, Any

import pytest


class TemporaryFiles:
    """Every file that `tempfile.TemporaryFile` has made since."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._make = tempfile.TemporaryFile
        self._files: list[IO[Any]] = []
        self._opened = threading.Event()
        monkeypatch.setattr("tempfile.TemporaryFile", self.open)

    @property
    def states(self) -> list[str]:
        return ["closed" if file.closed else "open" for file in self._files]

    async def wait_opened(self) -> None:
        """Wait until there is one."""
        assert await asyncio.to_thread(self._opened.wait, 10)

    def open(self) -> IO[Any]:
        """What `tempfile.TemporaryFile` does."""
        file = self._make()
        self._files.append(file)
        self._opened.set()
        return file
