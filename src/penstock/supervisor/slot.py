"""Slot: a place for one worker in a pool, and who has it."""

from __future__ import annotations

import asyncio
from typing import Final

from penstock.supervisor.worker_process import WorkerProcess, WorkerState

# How many reasons of the workers that went are remembered.
_REASONS_KEPT: Final = 5


class Slot:
    """A place in a pool. `worker` is who serves for it, None while there is nobody."""

    __slots__ = ("changed", "is_removed", "lock", "number", "reasons", "worker")

    def __init__(self, number: int) -> None:
        self.number = number
        self.worker: WorkerProcess | None = None
        # Held by whoever starts a worker for it: its keeper, or somebody who replaces the one that is there.
        self.lock = asyncio.Lock()
        self.changed = asyncio.Event()
        self.is_removed = False
        self.reasons: list[str] = []

    @property
    def is_serving(self) -> bool:
        """Whether a worker of the pool's own takes requests for it."""
        worker = self.worker
        return worker is not None and worker.state is WorkerState.SERVING and not worker.is_stand_in

    def remember(self, reason: str) -> None:
        """Why a worker of it has gone."""
        self.reasons = [reason, *self.reasons][:_REASONS_KEPT]
