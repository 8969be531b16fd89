"""The worker of a pool: its applications alone, for requests that the default pool has signed, within the limits of the pool."""

from __future__ import annotations

from penstock.server.life import Server, build
from penstock.server.pool_entry import PoolEntry
from penstock.server.pool_sites import pool_settings
from penstock.settings import Settings
from penstock.supervisor.messages import Start
from penstock.supervisor.process_limits import apply_limits


def build_pool(start: Start, settings: Settings) -> Server:
    """The server of a worker of `start.pool`, whose limits hold from now on. Raises as `Server` does, and for limits that cannot be set."""
    own = pool_settings(settings, start.pool)
    apply_limits(own.pools[0])
    return build(own, entry=PoolEntry(bytes.fromhex(start.key), start.pool))
