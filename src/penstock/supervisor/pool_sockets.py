"""Where the pools listen: a Unix socket for each, in a folder that only this user may enter."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Final

from penstock.hosts.listener import open_sockets, parse_bind
from penstock.supervisor.slots import Listening, SlotSockets

_BACKLOG: Final = 2048


class PoolSockets:
    """The sockets of all pools but the default one. They stay open as long as the pool is there, whoever accepts on them."""

    def __init__(self, folder: str = "") -> None:
        """`folder` is one that an earlier program of this process has made; without it one is made when it is needed."""
        self.folder = folder
        self._sockets: dict[str, SlotSockets] = {}

    @property
    def places(self) -> dict[str, str]:
        """The path of each pool's socket."""
        return {name: self._path(name) for name in self._sockets}

    @property
    def descriptors(self) -> dict[str, int]:
        """Those of the listening sockets, by pool."""
        return {name: sockets.bound[0].socket.fileno() for name, sockets in self._sockets.items()}

    def open(self, name: str, descriptor: int = -1) -> None:
        """Listen for the pool `name`, on the socket `descriptor` when an earlier program has left one. Raises ConfigurationError."""
        if name in self._sockets:
            return
        if not self.folder:
            # mkdtemp: readable, writable and searchable only by this user.
            self.folder = tempfile.mkdtemp(prefix="penstock-")
        place = f"unix:{self._path(name)}" if descriptor < 0 else f"fd:{descriptor}"
        self._sockets[name] = SlotSockets(open_sockets([parse_bind(place)], backlog=_BACKLOG), backlog=_BACKLOG)

    def of(self, name: str) -> list[Listening]:
        """Those on which the workers of the pool `name` accept."""
        return self._sockets[name].of_slot(0, 1)

    def close(self, name: str) -> None:
        """The pool is gone."""
        sockets = self._sockets.pop(name, None)
        if sockets is not None:
            sockets.close()

    def close_all(self) -> None:
        """Close all, and remove the folder."""
        for name in tuple(self._sockets):
            self.close(name)
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> str:
        return os.path.join(self.folder, f"{name}.sock")
