"""Demand: notices that somebody has connected to a pool that has no worker (pipeline W-01)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from penstock.supervisor.slots import Listening


class Demand:
    """Calls `wake` once when a connection waits at one of the sockets; they are left to whoever is started to accept."""

    __slots__ = ("_sockets", "_wake", "is_watching")

    def __init__(self, sockets: Callable[[], Sequence[Listening]], wake: Callable[[], None]) -> None:
        self._sockets = sockets
        self._wake = wake
        self.is_watching = False

    def watch(self) -> None:
        """Wait for the first connection."""
        loop = asyncio.get_running_loop()
        for each in self._sockets():
            loop.add_reader(each.socket, self._notice)
        self.is_watching = True

    def stop(self) -> None:
        """Wait no longer."""
        if self.is_watching:
            loop = asyncio.get_running_loop()
            for each in self._sockets():
                loop.remove_reader(each.socket)
            self.is_watching = False

    def _notice(self) -> None:
        self.stop()
        self._wake()
