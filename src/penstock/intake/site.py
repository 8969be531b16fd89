"""Site: what answers for some hosts; the runtime knows nothing more about it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from penstock.intake.worker_request import WorkerRequest

if TYPE_CHECKING:
    from penstock.intake.runtime import Runtime


class Site(Protocol):
    """What answers for some hosts; the runtime knows nothing more about it."""

    @property
    def hosts(self) -> Sequence[str]:
        """The host names it answers for: exact, "*.example.org", or "*"."""

    async def start(self) -> None:
        """Start its modules and applications. Raises StartupError."""

    async def stop(self) -> None:
        """Stop what was started, in reverse order."""

    def announce_stop(self) -> None:
        """The drain begins: tell those inside who would hold it up (pipeline G-06)."""

    def process(self, worker_request: WorkerRequest, runtime: Runtime) -> None:
        """Lead a request through the stages. Never raises; ends with `runtime.leave`, now or later."""


async def start_sites(sites: Sequence[Site]) -> None:
    """Start all sites, in order. Raises StartupError after stopping those that had started."""
    started: list[Site] = []
    # Compiled by mypyc, a coroutine that waits inside `except` and raises again breaks when it is cancelled.
    failure: BaseException | None = None
    try:
        for site in sites:
            await site.start()
            started.append(site)
    except BaseException as error:
        failure = error
    if failure is not None:
        for site in reversed(started):
            await site.stop()
        raise failure
