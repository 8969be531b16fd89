"""Finds what answers a path, in memory or on the disk, and remembers it for a while."""

import time
from collections.abc import Callable
from typing import Final

from penstock.errors import HTTPError
from penstock.request_handlers.file_cache import FileCache
from penstock.request_handlers.file_lookup import FileLookup, Located
from penstock.request_handlers.file_resources import Fields, Resource, load_resource

RECHECK: Final = 0.5
"""Seconds for which a file that was looked at is believed to be as it was: a change shows after this time at most."""

_VARY_ENCODING: Final = (b"vary", b"accept-encoding")


class FileFinder:
    """Looks at the disk at most once in RECHECK seconds for a path that is in the cache, every time for others.

    `resources` are those in the cache, by path; one is to be believed while `clock()` is below its `valid_until`.
    `common` are fields for every answer.
    """

    __slots__ = ("_cache", "_common", "_lookup", "_time_of_day", "clock", "resources")

    def __init__(
        self,
        lookup: FileLookup,
        cache: FileCache,
        *,
        common: Fields,
        clock: Callable[[], float] = time.monotonic,
        time_of_day: Callable[[], float] = time.time,
    ) -> None:
        self._lookup = lookup
        self._cache = cache
        self._common = common
        self._time_of_day = time_of_day
        self.clock = clock
        self.resources = cache.resources

    def find(self, path: str) -> Resource | None:
        """Find what answers `path`; None: it names a folder and lacks its slash. Raises as `FileLookup.locate`."""
        known = self.resources.get(path)
        if known is not None and self.clock() < known.valid_until:
            return known
        try:
            located = self._lookup.locate(path)
        except HTTPError:
            self._cache.drop(path)
            raise
        try:
            return self._remember(path, located, known=known) if located.files else None
        finally:
            located.close()

    def _remember(self, path: str, located: Located, *, known: Resource | None) -> Resource:
        valid_until = self.clock() + RECHECK
        if known is not None and known.is_settled and known.signature == located.signature:
            known.valid_until = valid_until
            self._cache.touch(path)
            return known
        now_ns = int(self._time_of_day() * 1_000_000_000)
        # RFC 9110 section 12.5.5: also on the plain file, or a shared cache gives it to everybody (bad-input row 75).
        common = [_VARY_ENCODING, *self._common] if self._lookup.can_have_siblings(located.name) else self._common
        resource = load_resource(path, located, common=common, now_ns=now_ns)
        resource.valid_until = valid_until
        self._cache.put(path, resource)
        return resource
