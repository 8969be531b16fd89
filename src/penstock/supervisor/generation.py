"""Generation: settings that were checked, as workers are given them, and what they mean for each pool."""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import Struct

from penstock.settings import DrainSettings, PoolSettings, RecycleSettings, Settings
from penstock.supervisor.processors import count_processors

# The pool that serves the public addresses.
DEFAULT: Final = "default"


class Terms(Struct, frozen=True, kw_only=True):
    """What holds for the workers of one pool; `pool` is its table, None for the default one."""

    workers: int
    recycle: RecycleSettings
    drain: DrainSettings
    graceful_timeout: float
    is_on_demand: bool = False
    idle: float = 0.0
    pool: PoolSettings | None = None

    @property
    def patience(self) -> float:
        """Seconds until a worker that was told to drain is killed, not counting those for idle connections."""
        return self.graceful_timeout + self.drain.cancel + self.drain.kill


class Generation:
    """`settings` as number so and so; nothing in it ever changes (pipeline G-11)."""

    __slots__ = ("encoded", "number", "settings")

    def __init__(self, number: int, settings: Settings) -> None:
        self.number = number
        self.settings = settings
        self.encoded = msgspec.Raw(msgspec.json.encode(settings))

    @property
    def pools(self) -> tuple[str, ...]:
        """The names of all pools, the default one last: it starts when the others can be asked, and stops before them."""
        return (*[pool.name for pool in self.settings.pools], DEFAULT)

    def terms(self, name: str) -> Terms:
        """What holds for the pool `name`. Raises KeyError when there is none."""
        if name == DEFAULT:
            server = self.settings.server
            return Terms(
                workers=worker_count(self.settings),
                recycle=_with_quota(server.recycle, server.max_requests),
                drain=server.drain,
                graceful_timeout=server.graceful_timeout,
            )
        for pool in self.settings.pools:
            if pool.name == name:
                return Terms(
                    workers=pool.workers,
                    recycle=pool.recycle,
                    drain=pool.drain,
                    graceful_timeout=pool.graceful_timeout,
                    is_on_demand=pool.start == "on_demand",
                    idle=pool.idle,
                    pool=pool,
                )
        raise KeyError(name)


def worker_count(settings: Settings) -> int:
    """How many workers the default pool has; "auto" is one for each processor that this process may use."""
    wanted = settings.server.workers
    if wanted == "auto":
        return count_processors()
    return wanted or 1


def _with_quota(recycle: RecycleSettings, quota: int) -> RecycleSettings:
    """`max_requests` is the older name of `recycle.requests`."""
    return msgspec.structs.replace(recycle, requests=quota) if quota else recycle
