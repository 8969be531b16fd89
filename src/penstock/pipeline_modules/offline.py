"""Offline: while its file exists, a site, or one of its applications, answers with 503 and that file (pipeline E-07)."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from stat import S_ISREG
from typing import TYPE_CHECKING, Final

from penstock.pipeline.context import Context
from penstock.pipeline.module import Hooks
from penstock.pipeline.stages import Stage

if TYPE_CHECKING:
    from penstock.pipeline.target import Target

logger = logging.getLogger("penstock")

# Seconds between two looks at the file: who creates it waits no longer for it to count.
LOOK_INTERVAL: Final = 0.25
# Bytes of a page that is sent; nobody is told to come back later by a megabyte.
MOST_BYTES: Final = 1024 * 1024
# Behind all other hooks of BEGIN, which may rewrite the path: only then is it known whose request it is.
_LAST: Final = 1_000_000


class Offline:
    """A module for the first place of a site. Creating, changing and removing `file` counts within half a second.

    The page is sent as HTML. A file that is empty, unreadable or larger than 1 MiB takes the site offline all the same, with
    an empty page.
    """

    __slots__ = ("_known", "_next_look", "_page", "_retry_after", "file")

    def __init__(self, file: str, *, retry_after: int = 3600) -> None:
        """`file` is a path, `retry_after` in seconds. Raises ValueError when it is negative."""
        if retry_after < 0:
            raise ValueError(f"retry_after is a number of seconds, not {retry_after}")
        self.file = os.fspath(file)
        self._retry_after = str(retry_after)
        self._page: bytes | None = None
        self._known: tuple[int, int, int] | None = None
        self._next_look = 0.0

    def attach(self, hooks: Hooks) -> None:
        """Subscribe to BEGIN."""
        hooks.on(Stage.BEGIN, self.begin)

    def begin(self, context: Context) -> None:
        """Answer for the whole site while the file is there."""
        now = context.runtime.loop.time()
        if now >= self._next_look:
            self._next_look = now + LOOK_INTERVAL
            self._look()
        if self._page is not None:
            response = context.response
            response.status = 503
            response.body = self._page
            response.headers["content-type"] = "text/html; charset=utf-8"
            response.headers["retry-after"] = self._retry_after
            response.headers["cache-control"] = "no-store"
            context.complete()

    def _look(self) -> None:
        """Learn whether the file is there; it is read again only when it has changed."""
        try:
            found = os.stat(self.file)
        except OSError:
            self._page = self._known = None
            return
        identity = (found.st_mtime_ns, found.st_size, found.st_ino)
        if identity != self._known:
            self._page = self._read() if S_ISREG(found.st_mode) else None
            self._known = identity

    def _read(self) -> bytes:
        try:
            with open(self.file, "rb") as file:
                page = file.read(MOST_BYTES + 1)
        except OSError as error:
            logger.warning("the site is offline without a page: %s: %s", self.file, error.strerror)
            return b""
        if len(page) > MOST_BYTES:
            logger.warning("the site is offline without a page: %s has more than %d bytes", self.file, MOST_BYTES)
            return b""
        return page


class OfflineApplications:
    """A module that answers for those applications of a site alone whose file is there; the others go on."""

    __slots__ = ("_by_target",)

    def __init__(self, files: Mapping[Target, str], *, retry_after: int = 3600) -> None:
        """`files` are paths, by what they stand for. Raises as `Offline`."""
        self._by_target = {target: Offline(file, retry_after=retry_after) for target, file in files.items()}

    def attach(self, hooks: Hooks) -> None:
        """Subscribe to BEGIN."""
        hooks.on(Stage.BEGIN, self.begin, priority=_LAST)

    def begin(self, context: Context) -> None:
        """Answer for the application that the request leads to, while its file is there."""
        target = context.plan.target
        offline = self._by_target.get(target.stands_for or target)
        if offline is not None:
            offline.begin(context)
