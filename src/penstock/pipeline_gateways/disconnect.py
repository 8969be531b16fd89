"""Disconnect: what an application waits on that wants to know when its client leaves."""

from __future__ import annotations

import asyncio

from penstock.intake.worker_request import WorkerRequest


class Disconnect:
    """Resolved when the client leaves, or when there is nothing left to tell it. Several may wait at once."""

    __slots__ = ("_future",)

    def __init__(self, loop: asyncio.AbstractEventLoop, worker_request: WorkerRequest) -> None:
        self._future: asyncio.Future[None] = loop.create_future()
        worker_request.on_disconnect(self.resolve)

    def resolve(self) -> None:
        """Let those who wait go on."""
        if not self._future.done():
            self._future.set_result(None)

    async def wait(self) -> None:
        """Wait; being cancelled harms no other who waits."""
        await asyncio.shield(self._future)
