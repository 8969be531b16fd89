"""Disconnected: whether the client has left, to be asked and to be waited for (pipeline T-04)."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.intake.worker_request import WorkerRequest


class Disconnected:
    """True when the client has left. `await` it to wait until then; it never raises, and cancelling the wait harms nobody."""

    __slots__ = ("_event", "_worker_request")

    def __init__(self, worker_request: WorkerRequest) -> None:
        self._worker_request = worker_request
        self._event: asyncio.Event | None = None

    def __bool__(self) -> bool:
        # A client that only ended its side may still read: who waited has been told all the same that it seems to have left.
        return self._worker_request.is_disconnected or (self._event is not None and self._event.is_set())

    def __await__(self) -> Generator[Any, Any, Any]:
        return self.wait().__await__()

    async def wait(self) -> None:
        """Wait until the client has left."""
        if self._event is None:
            self._event = asyncio.Event()
            self._worker_request.on_disconnect(self._event.set)
        await self._event.wait()
