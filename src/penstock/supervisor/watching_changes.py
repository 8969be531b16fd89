"""What `[server] watch` does: an edited site file is taken over, and pools whose code has changed get new workers (pipeline G-02)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from penstock.errors import ConfigurationError
from penstock.supervisor.control_model import ControlRefused
from penstock.supervisor.watching import WatchedFiles

if TYPE_CHECKING:
    from penstock.supervisor.operator import Operator
    from penstock.supervisor.supervisor import Supervisor
    from penstock.supervisor.worker_pool import WorkerPool

logger = logging.getLogger("penstock")

# Seconds between two looks, and between those at files that change right now.
_INTERVAL: Final = 1.0
_STEP: Final = 0.1
# A deployment that copies many files is one change: it is over after so many seconds without another one (pipeline G-03),
_SETTLE: Final = 0.5
# or, if files never rest, so many seconds behind its first.
_SETTLE_AT_MOST: Final = 3.0

# What the watched files were when they were last seen.
_Seen = dict[str, tuple[int, int, int]]


class ChangeWatch:
    """Looks at the site file of `supervisor`, and at the code below `app_dirs` of its pools, while `[server] watch` is true.

    The looks happen in a thread: thousands of files take longer than the supervisor's loop may stand still.
    """

    def __init__(self, supervisor: Supervisor, operator: Operator, *, interval: float = _INTERVAL) -> None:
        self._supervisor = supervisor
        self._operator = operator
        self._interval = interval
        self._site_file = os.path.abspath(supervisor.target) if supervisor.target.endswith(".toml") else ""
        self._folders: tuple[str, ...] = ()
        self._files: WatchedFiles | None = None
        self._seen: _Seen = {}
        self._changed = 0.0

    async def run(self) -> None:
        """Look every second, and see to what has changed. Never returns."""
        while True:
            await asyncio.sleep(self._interval)
            try:
                changed = await self.look()
                if changed:
                    await self._take_over(await self._settled(changed))
            except Exception:
                logger.exception("what has changed could not be taken over")

    async def look(self) -> set[str]:
        """The files that have changed since the last look; none by the first, which is for the start, before workers import."""
        settings = self._supervisor.generation.settings
        if not settings.server.watch:
            self._files, self._folders = None, ()
            return set()
        folders = self._code_folders()
        if self._files is not None and folders == self._folders:
            return await self._compare(self._files)
        self._folders = folders
        self._files = _watched(folders, self._site_file)
        self._seen = await asyncio.to_thread(self._files.look)
        return set()

    async def _compare(self, files: WatchedFiles) -> set[str]:
        before, self._seen = self._seen, await asyncio.to_thread(files.look)
        changed = {path for path, _ in before.items() ^ self._seen.items()}
        if changed:
            self._changed = time.time()  # whoever is started from now on imports the new code
        return changed

    async def _settled(self, changed: set[str]) -> set[str]:
        """All that changes until nothing does any more (pipeline G-03)."""
        loop = asyncio.get_running_loop()
        last = loop.time() + _SETTLE_AT_MOST
        until = loop.time() + _SETTLE
        while loop.time() < min(until, last):
            await asyncio.sleep(_STEP)
            if more := await self.look():
                changed |= more
                until = loop.time() + _SETTLE
        return changed

    async def _take_over(self, changed: set[str]) -> None:
        since = self._changed
        if self._site_file in changed:
            logger.info("%s has changed: the server is reloaded", self._site_file)
            await self._reload()
        code = changed - {self._site_file}
        for name in self._pools_with(code):
            await self._operator.follow_code(name, sorted(code), since=since)

    async def _reload(self) -> None:
        """Have the site file read. When it is refused, the log says so (pipeline G-11)."""
        with contextlib.suppress(ConfigurationError):
            while True:
                try:
                    await self._operator.reload(wait=True)
                    return
                except ControlRefused:  # another one is under way, which may have read the file before
                    await asyncio.sleep(_SETTLE)

    def _code_folders(self) -> tuple[str, ...]:
        pools = self._supervisor.pools.values()
        of_pools = [folder for pool in pools for folder in _folders_of(pool)]
        return tuple(sorted({*self._supervisor.generation.settings.server.app_dirs, *of_pools}))

    def _pools_with(self, changed: Iterable[str]) -> set[str]:
        return {
            name
            for name, pool in self._supervisor.pools.items()
            if any(_lies_in(path, folder) for folder in _folders_of(pool) for path in changed)
        }


def _watched(folders: Iterable[str], site_file: str) -> WatchedFiles:
    there = [folder for folder in folders if os.path.isdir(folder)]
    return WatchedFiles(there, files=[site_file] if site_file else [])


def _folders_of(pool: WorkerPool) -> tuple[str, ...]:
    settings = pool.terms.pool
    return pool.generation.settings.server.app_dirs if settings is None else settings.app_dirs


def _lies_in(path: str, folder: str) -> bool:
    return path.startswith(os.path.abspath(folder).rstrip(os.sep) + os.sep)
