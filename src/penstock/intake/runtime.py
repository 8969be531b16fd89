"""Runtime: takes requests in, finds the site, counts them out; starts, drains and stops what answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Protocol

from penstock.http.messages import ResponseHead
from penstock.intake.admission import Admission
from penstock.intake.statistics import RuntimeStatistics
from penstock.intake.worker_request import Address, WorkerRequest, client_name

logger = logging.getLogger("penstock")


class RuntimeState(Enum):
    """The life of a runtime, in this order."""

    NEW = "new"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPED = "stopped"


class Site(Protocol):
    """What answers for some hosts; the runtime knows nothing more about it."""

    @property
    def hosts(self) -> Sequence[str]:
        """The host names it answers for: exact, "*.example.org", or "*"."""

    async def start(self) -> None:
        """Start its modules and applications. Raises StartupError."""

    async def stop(self) -> None:
        """Stop what was started, in reverse order."""

    def process(self, worker_request: WorkerRequest, runtime: Runtime) -> None:
        """Lead a request through the stages. Never raises; ends with `runtime.leave`, now or later."""


class Runtime:
    """Every request of every host passes here once in and once out."""

    def __init__(
        self,
        sites: Sequence[Site],
        *,
        requests_inside: int = 1000,
        queue: int = 1000,
        retry_after: int = 1,
        record: Callable[[WorkerRequest, int, list[tuple[bytes, bytes]]], None] | None = None,
    ) -> None:
        """`record`, when given, is called with each request, its status and its response headers after the last byte."""
        self.sites = tuple(sites)
        self.state = RuntimeState.NEW
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.admission = Admission(requests_inside, queue)
        self.background: set[asyncio.Task[None]] = set()
        self.record = record
        self._on_quota: Callable[[], None] | None = None
        self._quota = 0
        self._retry_after = retry_after
        self._total = 0
        self._succeeded = 0
        self._failed = 0
        self._rejected = 0
        self._disconnected = 0
        self._places_kept = 0
        self._empty: asyncio.Future[None] | None = None
        self._by_host: dict[str, Site] = {}
        self._only_site = self.sites[0] if len(self.sites) == 1 and "*" in self.sites[0].hosts else None

    async def start(self) -> None:
        """Start all sites. Raises StartupError after stopping those that had started."""
        started: list[Site] = []
        try:
            for site in self.sites:
                await site.start()
                started.append(site)
        except BaseException:
            for site in reversed(started):
                await site.stop()
            self.state = RuntimeState.STOPPED
            raise
        self.state = RuntimeState.RUNNING

    def process(self, worker_request: WorkerRequest) -> None:
        """Take a request in. Never raises; the answer comes through the worker request."""
        self._total += 1
        admission = self.admission
        if admission.inside >= admission.limit or self.state is not RuntimeState.RUNNING:
            self._wait_or_refuse(worker_request)
            return
        admission.inside += 1
        site = self._only_site or self.find_site(worker_request.head.host)
        if site is None:
            self._refuse_host(worker_request)
            return
        site.process(worker_request, self)

    def leave(
        self, worker_request: WorkerRequest, status: int, headers: list[tuple[bytes, bytes]], is_recorded: bool
    ) -> None:
        """Count a request out that was answered with `status`; let in the one that has waited longest."""
        if worker_request.is_disconnected:
            self._disconnected += 1
        elif status < 400:
            self._succeeded += 1
        else:
            self._failed += 1
        if is_recorded and self.record is not None:
            self.record(worker_request, status, headers)
        admission = self.admission
        if admission.queue:
            # Its place is kept for who has waited longest: whoever comes in between comes behind (pipeline E-09).
            self._places_kept += 1
            self.loop.call_soon(self._admit_waiting)
        else:
            admission.inside -= 1
        if self._quota and self._total >= self._quota:
            self._reach_quota()
        if self._empty is not None:
            self._check_empty()

    def reject(self, worker_request: WorkerRequest | None, status: int, *, reason: str, client: Address | None) -> None:
        """Count a request that never got inside; it was answered with `status`. None: it never became one."""
        if worker_request is None:
            self._total += 1
        self._rejected += 1
        logger.info("request from %s refused with %d: %s", client_name(client), status, reason)
        if worker_request is not None and self.record is not None:
            self.record(worker_request, status, [])

    def limit_requests(self, quota: int, reached: Callable[[], None]) -> None:
        """Call `reached` once when `quota` requests were taken in."""
        self._quota = quota
        self._on_quota = reached

    def find_site(self, host: str) -> Site | None:
        """The site for a host name: the exact one, else the longest wildcard, else "*"."""
        site = self._by_host.get(host)
        if site is None:
            site = _match_host(self.sites, host)
            if site is not None and len(self._by_host) < 1024:
                self._by_host[host] = site
        return site

    def run_behind(self, task: asyncio.Task[None]) -> None:
        """Count a task that goes on behind its answer, so that draining waits for it."""
        if not task.done():
            self.background.add(task)
            task.add_done_callback(self.end_behind)

    async def drain(self, within: float) -> bool:
        """Let nothing more in and wait at most `within` seconds for those inside. Did all leave in time?"""
        self.state = RuntimeState.DRAINING
        while self.admission.queue:
            self._refuse(self.admission.queue.popleft(), "the server is stopping")
        if self.admission.inside == 0 and not self.background:
            return True
        self._empty = self.loop.create_future()
        try:
            async with asyncio.timeout(within):
                await self._empty
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """Cancel what is left, then stop the sites in reverse order."""
        if self.state is RuntimeState.STOPPED:
            return
        self.state = RuntimeState.STOPPED
        for task in tuple(self.background):
            task.cancel()
        for site in reversed(self.sites):
            await site.stop()

    def statistics(self) -> RuntimeStatistics:
        """A snapshot of the counters."""
        return RuntimeStatistics(
            total=self._total,
            executing=self.admission.inside - self._places_kept,
            queued=len(self.admission.queue),
            succeeded=self._succeeded,
            failed=self._failed,
            rejected=self._rejected,
            disconnected=self._disconnected,
            background=len(self.background),
        )

    def _wait_or_refuse(self, worker_request: WorkerRequest) -> None:
        if self.state is not RuntimeState.RUNNING:
            self._refuse(worker_request, "the server is stopping")
        elif not self.admission.enqueue(worker_request):
            for gone in self.admission.take_disconnected():
                self._drop(gone)
            if not self.admission.enqueue(worker_request):
                self._refuse(worker_request, "too many requests are inside and the queue is full")

    def _admit_waiting(self) -> None:
        self._places_kept -= 1
        self.admission.inside -= 1
        while (worker_request := self.admission.find_next()) is not None:
            if worker_request.is_disconnected:
                self._drop(worker_request)
            else:
                self._total -= 1
                self.process(worker_request)
        if self._empty is not None:
            self._check_empty()

    def _drop(self, worker_request: WorkerRequest) -> None:
        # Its client left while it waited: it is never run (pipeline E-08).
        self._disconnected += 1
        worker_request.abort()

    def _refuse(self, worker_request: WorkerRequest, reason: str) -> None:
        body = b"503 Service Unavailable\n"
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"%d" % len(body)),
            (b"retry-after", b"%d" % self._retry_after),
        ]
        worker_request.send(ResponseHead(503, headers), body, False)
        self.reject(worker_request, 503, reason=reason, client=worker_request.client)

    def _refuse_host(self, worker_request: WorkerRequest) -> None:
        # RFC 9110 section 15.5.20: no site is configured for this host.
        body = b"421 Misdirected Request: no site answers for this host\n"
        headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", b"%d" % len(body))]
        worker_request.send(ResponseHead(421, headers), body, False)
        self.leave(worker_request, 421, headers, True)

    def _reach_quota(self) -> None:
        self._quota = 0
        if self._on_quota is not None:
            self._on_quota()

    def end_behind(self, task: asyncio.Task[None]) -> None:
        """A task that went on behind its answer has ended."""
        self.background.discard(task)
        if self._empty is not None:
            self._check_empty()

    def _check_empty(self) -> None:
        if self._empty is not None and not self._empty.done() and self.admission.inside == 0 and not self.background:
            self._empty.set_result(None)


def _match_host(sites: Sequence[Site], host: str) -> Site | None:
    best: Site | None = None
    best_length = -1
    for site in sites:
        for pattern in site.hosts:
            length = _match_length(pattern.lower(), host)
            if length > best_length:
                best, best_length = site, length
    return best


def _match_length(pattern: str, host: str) -> int:
    if pattern == host:
        return 1000
    if pattern == "*":
        return 0
    if pattern[:2] == "*." and host.endswith(pattern[1:]) and len(host) >= len(pattern):
        return len(pattern)
    return -1
