"""Runtime: takes requests in, finds the site, counts them out; starts, drains and stops what answers."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence
from contextvars import copy_context
from enum import Enum
from typing import Final

from penstock.errors import HTTPError
from penstock.intake.admission import Admission
from penstock.intake.draining import LAST_WORDS, cancel_inside, tell_if_empty, wait_empty
from penstock.intake.gate import CHECK_INTERVAL, Gate
from penstock.intake.health_paths import HealthPaths
from penstock.intake.host_names import match_host
from penstock.intake.open_sockets import OpenSockets
from penstock.intake.refusals import answer_plainly
from penstock.intake.requests_inside import RequestInside, Waiting, describe_waiting
from penstock.intake.retired import Retired
from penstock.intake.site import Site, start_sites
from penstock.intake.statistics import RuntimeStatistics
from penstock.intake.stuck_threads import StuckThreads
from penstock.intake.worker_request import Address, WorkerRequest, client_name

logger = logging.getLogger("penstock")

# How many reasons for one recycle are remembered.
_REASONS_KEPT: Final = 100
# Seconds in which the WebSockets of sites that were replaced may end.
_PATIENCE: Final = 30.0


class RuntimeState(Enum):
    """The life of a runtime, in this order."""

    NEW = "new"
    RUNNING = "running"
    DRAINING = "draining"
    STOPPED = "stopped"


class Runtime:
    """Every request of every host passes here once in and once out."""

    def __init__(
        self,
        sites: Sequence[Site],
        *,
        requests_inside: int = 1000,
        queue: int = 1000,
        retry_after: int = 1,
        stuck_threads: int = 10,
        sockets: int = 0,
        record: Callable[[WorkerRequest, int, list[tuple[bytes, bytes]]], None] | None = None,
        health: HealthPaths | None = None,
    ) -> None:
        """`sockets` is how many WebSockets may be open, 0 for any number. `record`, when given, is called with each request, its status and its response headers after the last byte. `health` answers probes."""
        self.sites = tuple(sites)
        self.state = RuntimeState.NEW
        self.loop: asyncio.AbstractEventLoop = asyncio.get_running_loop()
        self.thread = threading.get_ident()
        # Every request gets a copy of these, not of what another has left: it may be begun in the middle of that other one.
        self.variables = copy_context()
        self.admission = Admission(requests_inside, queue)
        self.background: set[asyncio.Task[None]] = set()
        # Those that wait, put here by whoever makes one wait for the first time, and taken out by `leave`: a request that passes
        # without waiting is never in it (pipeline D-05).
        self.inside: dict[WorkerRequest, Waiting] = {}
        # The next look at their deadlines, while there are any.
        self.sweeping: asyncio.TimerHandle | None = None
        self.record = record
        self.health = health
        self.stuck = StuckThreads(stuck_threads, self.recycle)
        self.sockets = OpenSockets(self.loop, sockets)
        self.gate = Gate(self.loop)
        self.on_recycle: Callable[[str], None] | None = None
        self.recycle_reasons: list[str] = []
        self._on_quota: Callable[[], None] | None = None
        self._quota = 0
        self._retry_after = retry_after
        self._total = 0
        self._succeeded = 0
        self._failed = 0
        self._rejected = 0
        self._disconnected = 0
        self._not_authorized = 0
        self._not_found = 0
        self._timed_out = 0
        self._places_kept = 0
        self._retired: list[Retired] = []
        self.emptied: asyncio.Future[None] | None = None
        self._by_host: dict[str, Site] = {}
        self._only_site: Site | None = None
        self._use(sites)

    async def start(self) -> None:
        """Start all sites. Raises StartupError after stopping those that had started."""
        try:
            await start_sites(self.sites)
        except BaseException:
            self.state = RuntimeState.STOPPED
            raise
        self.state = RuntimeState.RUNNING
        self.gate.set_running(True)

    def process(self, worker_request: WorkerRequest) -> None:
        """Take a request in. Never raises; the answer comes through the worker request."""
        if self.health is not None and self.health.answer(worker_request, self):
            return
        self._total += 1
        admission = self.admission
        if admission.inside >= admission.limit or self.gate.is_shut:
            self._wait_or_refuse(worker_request)
            return
        admission.inside += 1
        try:
            site = self._only_site or self.find_site(worker_request.head.host)
            if site is None:
                self._refuse_host(worker_request)
                return
            site.process(worker_request, self)
        except Exception as error:
            self._fail_entry(worker_request, error)

    def leave(
        self, worker_request: WorkerRequest, status: int, headers: list[tuple[bytes, bytes]], is_recorded: bool
    ) -> None:
        """Count a request out that was answered with `status`; let in the one that has waited longest."""
        if worker_request.is_disconnected:
            self._disconnected += 1
        elif status < 400:
            self._succeeded += 1
        else:
            self._count_failure(status)
        if is_recorded and self.record is not None:
            try:
                self.record(worker_request, status, headers)
            except Exception:
                logger.exception("the access record of a request could not be written")
        if self.inside:
            self.inside.pop(worker_request, None)
            if self._retired:
                for retired in self._retired:
                    retired.discard(worker_request)
        admission = self.admission
        if admission.queue:
            # Its place is kept for who has waited longest: whoever comes in between comes behind (pipeline E-09).
            self._places_kept += 1
            self.loop.call_soon(self._admit_waiting)
        else:
            admission.inside -= 1
        if self._quota and self._total >= self._quota:
            self._reach_quota()
        if self.emptied is not None:
            tell_if_empty(self)

    def reject(self, worker_request: WorkerRequest | None, status: int, *, reason: str, client: Address | None) -> None:
        """Count a request that never got inside; it was answered with `status`. None: it never became one."""
        if worker_request is None:
            self._total += 1
        self._rejected += 1
        logger.info("request from %s refused with %d: %s", client_name(client), status, reason)
        if worker_request is not None and self.record is not None:
            try:
                self.record(worker_request, status, [])
            except Exception:
                logger.exception("the access record of a request could not be written")

    def limit_requests(self, quota: int, reached: Callable[[], None]) -> None:
        """Call `reached` once when `quota` requests were taken in."""
        self._quota = quota
        self._on_quota = reached

    def find_site(self, host: str) -> Site | None:
        """The site for a host name: the exact one, else the longest wildcard, else "*"."""
        site = self._by_host.get(host)
        if site is None:
            found = match_host(self.sites, host)
            site = None if found is None else found[0]
            if site is not None and len(self._by_host) < 1024:
                self._by_host[host] = site
        return site

    def run_behind(self, task: asyncio.Task[None]) -> None:
        """Count a task that goes on behind its answer, so that draining waits for it."""
        if not task.done():
            self.background.add(task)
            task.add_done_callback(self.end_behind)

    def requests(self) -> list[RequestInside]:
        """The requests that wait inside at this moment, in the order in which they began to wait."""
        now = self.loop.time()
        return [describe_waiting(each, now) for each in self.inside.values()]

    def recycle(self, reason: str) -> None:
        """Ask that what runs be started anew. The first reason wins, and `on_recycle` is called with it; all are logged (G-01)."""
        self.recycle_reasons.append(reason)
        if len(self.recycle_reasons) > 1:
            logger.warning("a recycle was asked for again: %s (first: %s)", reason, self.recycle_reasons[0])
            del self.recycle_reasons[_REASONS_KEPT:]
            return
        logger.warning("a recycle was asked for: %s", reason)
        if self.on_recycle is not None:
            self.on_recycle(reason)

    def guard(self, ask: Callable[[], None], *, interval: float = CHECK_INTERVAL) -> None:
        """Call `ask()` in front of a request, at most every `interval` seconds: it may use `gate` to keep requests out."""
        self.gate.ask(ask, interval)

    def let_in(self) -> None:
        """Open the gate: those that were held go in, in the order in which they came."""
        self.gate.open()
        self._admit()

    def turn_away(self, reason: str, seconds: float) -> None:
        """Answer those that were held, and who comes within so many seconds, with 503."""
        self.gate.turn_away(reason, seconds)
        while self.admission.queue:
            self._refuse(self.admission.queue.popleft(), reason, self.gate.retry_after)
        tell_if_empty(self)

    def replace_sites(self, sites: Sequence[Site]) -> Retired:
        """From now on requests go to `sites`, which have started. Returns those that had them so far (pipeline G-04)."""
        retired = Retired(self.sites, self.inside, self.background, loop=self.loop)
        self._retired.append(retired)
        self._use(sites)
        retired.announce_stop()
        self.recycle_reasons = []
        return retired

    async def stop_retired(self, retired: Retired) -> None:
        """Stop sites that were replaced, when the last of their requests has left, and their WebSockets have closed."""
        await self.sockets.retire(retired.sites, _PATIENCE)
        await retired.wait_empty()
        await self.sockets.retire(retired.sites, _PATIENCE)  # of handshakes that were still inside
        if retired in self._retired:
            self._retired.remove(retired)
            await retired.stop()

    def announce_stop(self) -> None:
        """The drain begins: streams are told to end, WebSockets are closed with 1001. Requests still go in (pipeline G-06)."""
        if self.state is not RuntimeState.STOPPED:
            self.state = RuntimeState.DRAINING
        self.sockets.go_away()
        for site in self.sites:
            site.announce_stop()

    async def drain(self, within: float) -> bool:
        """Let nobody more in and wait at most `within` seconds for those inside and in the queue. Did all leave in time?

        Those who still wait in the queue then are answered with 503.
        """
        self.announce_stop()
        deadline = self.loop.time() + within
        self.gate.set_running(False)
        have_left = await wait_empty(self, within)
        while self.admission.queue:
            self._refuse(self.admission.queue.popleft(), "the server is stopping")
        return await self.sockets.wait_empty(deadline - self.loop.time()) and have_left

    async def stop(self, within: float = LAST_WORDS) -> None:
        """Cancel what is left, which has `within` seconds to clean up, then stop the sites in reverse order."""
        if self.state is RuntimeState.STOPPED:
            return
        self.announce_stop()
        self.state = RuntimeState.STOPPED
        self.gate.set_running(False)
        await cancel_inside(self, within)
        while self._retired:
            await self._retired.pop().stop()
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
            not_authorized=self._not_authorized,
            not_found=self._not_found,
            timed_out=self._timed_out,
            sockets=self.sockets.statistics().executing,
        )

    def find_obstacle(self) -> str:
        """Why no traffic should be sent here now, for a probe; "" for no reason."""
        if self.state is RuntimeState.RUNNING:
            return "not accepting" if self.gate.is_holding or self.gate.reason else ""
        return "starting" if self.state is RuntimeState.NEW else "stopping"

    def retry_field(self, seconds: int = 0) -> tuple[bytes, bytes]:
        """The field of a 503 that says when to come back: in so many seconds, 0 for the usual."""
        return (b"retry-after", b"%d" % (seconds or self._retry_after))

    def _wait_or_refuse(self, worker_request: WorkerRequest) -> None:
        gate = self.gate
        gate.check()
        admission = self.admission
        if not gate.is_running:
            self._refuse(worker_request, "the server is stopping")
        elif gate.reason:
            self._refuse(worker_request, gate.reason, gate.retry_after)
        elif gate.is_holding or admission.inside >= admission.limit:
            self._enqueue(worker_request)
        else:
            self._take_in(worker_request)

    def _enqueue(self, worker_request: WorkerRequest) -> None:
        if not self.admission.enqueue(worker_request):
            for gone in self.admission.take_disconnected():
                self._drop(gone)
            if not self.admission.enqueue(worker_request):
                self._refuse(worker_request, "too many requests are inside and the queue is full")

    def _take_in(self, worker_request: WorkerRequest) -> None:
        """As `process`, for those that have been judged already."""
        self.admission.inside += 1
        try:
            site = self._only_site or self.find_site(worker_request.head.host)
            if site is None:
                self._refuse_host(worker_request)
                return
            site.process(worker_request, self)
        except Exception as error:
            self._fail_entry(worker_request, error)

    def _admit_waiting(self) -> None:
        self._places_kept -= 1
        self.admission.inside -= 1
        self._admit()

    def _admit(self) -> None:
        while not self.gate.is_holding and (worker_request := self.admission.find_next()) is not None:
            if worker_request.is_disconnected:
                self._drop(worker_request)
            else:
                self._take_in(worker_request)
        tell_if_empty(self)

    def _fail_entry(self, worker_request: WorkerRequest, error: Exception) -> None:
        """No context could be made for this request: 400, and counted out as everybody else (pipeline E-03, E-04)."""
        status = error.status if isinstance(error, HTTPError) else 400
        logger.error("a request could not be led into its site, answered with %d: %s", status, error, exc_info=error)
        if worker_request.has_sent_all:
            return  # it has been answered, and has left: nobody is answered twice
        headers = answer_plainly(worker_request, status, "")
        self.leave(worker_request, status, headers, True)

    def _drop(self, worker_request: WorkerRequest) -> None:
        # Its client left while it waited: it is never run (pipeline E-08).
        self._disconnected += 1
        worker_request.abort()

    def _refuse(self, worker_request: WorkerRequest, reason: str, retry_after: int = 0) -> None:
        answer_plainly(worker_request, 503, "", self.retry_field(retry_after))
        self.reject(worker_request, 503, reason=reason, client=worker_request.client)

    def _refuse_host(self, worker_request: WorkerRequest) -> None:
        # RFC 9110 section 15.5.20: no site is configured for this host.
        headers = answer_plainly(worker_request, 421, ": no site answers for this host")
        self.leave(worker_request, 421, headers, True)

    def _count_failure(self, status: int) -> None:
        self._failed += 1
        if status == 401:
            self._not_authorized += 1
        elif status == 404 or status == 414:
            self._not_found += 1
        elif status == 504:
            self._timed_out += 1

    def _use(self, sites: Sequence[Site]) -> None:
        self.sites = tuple(sites)
        self._by_host = {}
        self._only_site = self.sites[0] if len(self.sites) == 1 and "*" in self.sites[0].hosts else None

    def _reach_quota(self) -> None:
        self._quota = 0
        if self._on_quota is None:
            return
        try:
            self._on_quota()
        except Exception:
            logger.exception("what was to happen after so many requests failed")

    def end_behind(self, task: asyncio.Task[None]) -> None:
        """A task that went on behind its answer has ended."""
        self.background.discard(task)
        tell_if_empty(self)
