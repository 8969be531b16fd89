"""The memory of files that were asked for lately: bounded in bytes, the longest unused goes first."""

from collections import OrderedDict
from typing import Final

from penstock.request_handlers.file_resources import Resource

MOST_SHARE: Final = 8
"""No single resource takes more than one part in so many of the cache."""


class FileCache:
    """Resources by request path, `limit` bytes of them at most; 0 keeps none.

    `resources` may be read directly on the way of a request. How long an entry is believed is the reader's matter.
    """

    __slots__ = ("_limit", "resources", "used")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.used = 0
        self.resources: OrderedDict[str, Resource] = OrderedDict()

    def put(self, path: str, resource: Resource) -> None:
        """Keep `resource` for `path`, in place of what was there, and forget as many others as that takes."""
        self.drop(path)
        if resource.cost * MOST_SHARE > self._limit:
            return
        self.resources[path] = resource
        self.used += resource.cost
        while self.used > self._limit:
            _, forgotten = self.resources.popitem(last=False)
            self.used -= forgotten.cost

    def touch(self, path: str) -> None:
        """Make the entry for `path` the most recently used one, if there is one."""
        if path in self.resources:
            self.resources.move_to_end(path)

    def drop(self, path: str) -> None:
        """Forget the entry for `path`, if there is one."""
        resource = self.resources.pop(path, None)
        if resource is not None:
            self.used -= resource.cost
