"""Sites that take no more requests: they are stopped when the last of those inside them has left (pipeline G-04)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from penstock.intake.worker_request import WorkerRequest

if TYPE_CHECKING:
    from penstock.intake.site import Site


class Retired:
    """A generation of sites on its way out. `remaining` are its requests inside."""

    __slots__ = ("_background", "_emptied", "remaining", "sites")

    def __init__(
        self,
        sites: Sequence[Site],
        remaining: Iterable[WorkerRequest],
        background: Iterable[asyncio.Task[None]],
        *,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`background` are the tasks that go on behind their answers."""
        self.sites = tuple(sites)
        self.remaining = set(remaining)
        self._background = tuple(background)
        self._emptied: asyncio.Future[None] = loop.create_future()
        if not self.remaining:
            self._emptied.set_result(None)

    def discard(self, worker_request: WorkerRequest) -> None:
        """A request has left; it may be one of these."""
        self.remaining.discard(worker_request)
        if not self.remaining and not self._emptied.done():
            self._emptied.set_result(None)

    def announce_stop(self) -> None:
        """Tell those inside that no more requests come (pipeline G-06)."""
        for site in self.sites:
            site.announce_stop()

    async def wait_empty(self) -> None:
        """Wait until all have left and nothing goes on behind an answer."""
        await self._emptied
        if self._background:
            await asyncio.wait(self._background)

    async def stop(self) -> None:
        """Stop the sites, in reverse order; those that were stopped already do nothing."""
        for site in reversed(self.sites):
            await site.stop()
