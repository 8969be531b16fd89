"""The backends of one proxy: which of them is asked next, and which not at all."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from penstock.errors import BackendFailed
from penstock.request_handlers.proxy_health import Health, watch
from penstock.request_handlers.proxy_place import BackendPlace
from penstock.request_handlers.proxy_pool import BackendPool, PoolLimits

if TYPE_CHECKING:
    import ssl

    from penstock.request_handlers.proxy_answer_head import AnswerReader


class Backend:
    """One server behind this one: `name` as the site file has it, "http://host:port", "https://host:port" or "unix:/path".

    `host` is what it is called in the Host field where the client's name is not used; `inside` how many requests it has.
    """

    __slots__ = ("health", "host", "inside", "name", "place", "pool")

    def __init__(self, name: str, health: Health, pool: BackendPool) -> None:
        self.name = name
        self.health = health
        self.pool = pool
        self.inside = 0
        self.place = BackendPlace(name)
        self.host = self.place.authority


class Backends:
    """Chooses among backends, each in turn, or that with the fewest requests inside (`is_least`). Of one event loop."""

    __slots__ = ("_all", "_is_least", "_next", "_only", "_watching")

    def __init__(self, backends: Sequence[Backend], *, is_least: bool = False) -> None:
        self._all = tuple(backends)
        self._only = self._all[0] if len(self._all) == 1 else None
        self._is_least = is_least
        self._next = 0
        self._watching: list[asyncio.Task[None]] = []

    def choose(self, tried: Collection[Backend] = ()) -> Backend:
        """The next backend, one that was not tried if there is such a one. Raises BackendFailed (503) when all are down."""
        only = self._only
        if only is not None and only.health.is_up:
            return only
        now = asyncio.get_running_loop().time()
        if not self._all:
            raise BackendFailed(503, "the server is stopping", reason="the proxy is not running")
        start = self._next
        self._next = (start + 1) % len(self._all)
        if not self._is_least and not tried and self._all[start].health.is_up:
            return self._all[start]
        order = [*self._all[start:], *self._all[:start]]
        if self._is_least:
            order.sort(key=lambda each: each.inside)
        for backend in sorted(order, key=lambda each: each in tried):
            if backend.health.is_open(now):
                return backend
        seconds = max(1, math.ceil(min(each.health.retry_after(now) for each in order)))
        raise BackendFailed(
            503,
            "no server behind this one is there to answer",
            reason=f"all backends are down: {', '.join([each.name for each in order])}",
            headers=((b"retry-after", b"%d" % seconds),),
        )

    def has_untried(self, tried: Collection[Backend]) -> bool:
        """Whether there is a backend left that can be asked in place of those."""
        return any(each not in tried and each.health.is_up for each in self._all)

    def start(self) -> None:
        """Begin to ask the backends how they are, where they are to be asked."""
        for each in self._all:
            if each.health.path:
                watching = watch(each.health, each.place, each.pool.tls)
                self._watching.append(asyncio.create_task(watching, name="penstock-proxy-health"))

    async def stop(self) -> None:
        """Ask no more, and drop all connections."""
        watching, self._watching = self._watching, []
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
        for each in self._all:
            each.pool.close()


def make_backend(
    name: str, health: Health, *, reader: AnswerReader, limits: PoolLimits, tls: ssl.SSLContext | None = None
) -> Backend:
    """The backend that the site file calls `name`; `tls` is for one of https. Made on the loop."""
    place = BackendPlace(name)
    if place.scheme != "https":
        tls = None
    pool = BackendPool(name, place.host, place.port, path=place.path, reader=reader, limits=limits, tls=tls)
    return Backend(name, health, pool)
