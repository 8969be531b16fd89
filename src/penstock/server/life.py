"""The life of a server: sockets opened, applications started, requests served, drained and stopped."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from penstock.hosts.clock import Clock
from penstock.hosts.http1_service import Http1Service
from penstock.hosts.listener import BoundSocket
from penstock.hosts.loop import new_event_loop
from penstock.hosts.socket_host import SocketHost
from penstock.intake.health_paths import HealthPaths
from penstock.intake.runtime import Runtime
from penstock.pipeline.site import PipelineSite
from penstock.server.composition import Objects, compose_sites
from penstock.server.generations import Generations
from penstock.server.listening import has_tls, judge_fastcgi, open_fastcgi, open_listeners, open_server_tls
from penstock.server.messages import configure_messages
from penstock.server.moved_folders import folders_of
from penstock.server.observation import Observation
from penstock.server.tracing import Traces
from penstock.server.trust import Trust
from penstock.settings import HealthPathSettings, Settings

if TYPE_CHECKING:
    from penstock.pipeline.module import Module
    from penstock.request_handlers.pool_address import PoolAddress

logger = logging.getLogger("penstock")

# Seconds in which cancelled tasks may clean up before the loop closes.
_LAST_WORDS: Final = 1.0

Ready = Callable[["Server"], None]


class Server:
    """Everything one process serves, from its settings. Used on one loop; `serve` is the blocking way to run it."""

    def __init__(
        self,
        settings: Settings,
        *,
        objects: Objects | None = None,
        pools: Mapping[str, PoolAddress] | None = None,
        entry: Module | None = None,
    ) -> None:
        """Compose the sites of `settings`; `objects` are taken by their names instead of being imported.

        `pools` says where the pools of a supervisor listen; `entry` lets requests into a pool (see `pool_entry`).
        Raises ConfigurationError with every mistake, StartupError when an application fails in its own import.
        """
        self.settings = settings
        self._traces = Traces(settings.server.log)
        self._objects = objects
        self._pools = pools
        self._entry = entry
        self.sites = self._compose()
        retries = settings.server.start_failure == "retry"
        for site in self.sites:
            site.starting.retries = retries
        self.generations = Generations(
            folders_of(settings), self._compose, on_change=self._serve_sites, retries=retries
        )
        self.addresses: list[str] = []
        self.runtime: Runtime | None = None
        self._service: Http1Service | None = None
        self._host: SocketHost | None = None
        self._observation: Observation | None = None
        self._tls: object = None
        self._leave_waiting = False
        self._idle = 0.0
        self._stopping = asyncio.Event()
        self._is_forced = asyncio.Event()

    async def start(self, sockets: Sequence[BoundSocket] | None = None) -> None:
        """Start the applications, then listen. Raises ConfigurationError or StartupError; then nothing is left open."""
        bound = list(sockets) if sockets is not None else open_listeners(self.settings)
        try:
            if bound and all(each.bind.is_fastcgi for each in bound):
                judge_fastcgi(self.settings)
            self._tls = open_server_tls(self.settings)
            await self.start_sites()
        except BaseException:
            for each in bound:
                each.close()
            raise
        if quota := self.settings.server.recycle_requests:
            import random  # imported when used: it costs start-up time

            more = random.randint(0, self.settings.server.recycle.jitter)  # noqa: S311 (it spreads ends, and hides nothing)
            idle = self.settings.server.drain.idle
            self.started.limit_requests(quota + more, partial(self.stop, idle=idle))
        await self.listen(bound)

    async def listen(self, bound: Sequence[BoundSocket]) -> None:
        """Accept connections on `bound`, which are closed at the end; the applications have started."""
        settings, runtime = self.settings.server, self.started
        if self._tls is None:
            self._tls = open_server_tls(self.settings)
        clock = Clock(
            runtime.loop,
            server_line=b"server: penstock\r\n" if settings.server_header else b"",
            is_dated=self._entry is None,
        )
        trust = Trust(settings.proxy)
        service = self._service = Http1Service(
            runtime,
            settings.limits,
            clock,
            is_timed=runtime.record is not None or self._traces.are_wanted,
            forwarded=trust.find_policy(),
            is_private=self._entry is not None,
        )
        self._serve_sites(self.sites)
        fastcgi = open_fastcgi(service, bound, trust)
        self._host = SocketHost(service, bound, backlog=settings.backlog, tls=self._tls, fastcgi=fastcgi)
        self.addresses = await self._host.open()

    @property
    def started(self) -> Runtime:
        """The runtime. Raises RuntimeError before the applications have started."""
        if self.runtime is None:
            raise RuntimeError("the applications have not started: call start, or start_sites")
        return self.runtime

    async def start_sites(self) -> Runtime:
        """Start the applications and listen nowhere: somebody else hands the requests over (see `guests`). Raises as `start`."""
        server = self.settings.server
        observation = self._observation = Observation(server.log, asyncio.get_running_loop())
        self._traces.open()
        runtime = self.runtime = Runtime(
            self.sites,
            requests_inside=server.limits.requests_inside,
            queue=server.limits.queue,
            retry_after=server.limits.retry_after,
            stuck_threads=server.limits.stuck_threads,
            sockets=server.limits.sockets,
            record=observation.record,
            health=_health_paths(server.health),
        )
        await runtime.start()
        self.generations.watch(runtime)
        observation.start()
        return runtime

    @property
    def is_stopping(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def stop(self, *, leave_waiting: bool = False, idle: float = 0.0) -> None:
        """Ask the server to drain and stop; asked a second time, it stops at once. To be called on the loop.

        `leave_waiting`: connections that wait in the kernel are left to a successor, which has the same sockets. `idle` is for
        how many seconds kept-alive connections that are silent stay open.
        """
        if self._stopping.is_set():
            self._is_forced.set()
            return
        self._leave_waiting, self._idle = leave_waiting, idle
        self._stopping.set()
        if self._host is not None:
            self._host.announce_stop()

    async def wait(self) -> None:
        """Serve until `stop` is called, then drain for at most the graceful timeout, and stop."""
        await self._stopping.wait()
        await self.close()

    async def wait_stopping(self) -> None:
        """Serve until `stop` is called."""
        await self._stopping.wait()

    async def close(self) -> str:
        """Close the listening sockets, let the requests inside end, and stop the applications.

        Returns what did not end in time and was cut off, in words; "" for nothing.
        """
        host, runtime = self._host, self.runtime
        if host is None or runtime is None:
            return ""
        cut_off = ""
        if not await self._wind_down(host, runtime):
            cut_off = what_is_inside(runtime)
            logger.warning("%s did not end in time and are cut off", cut_off)
        await host.close()
        self._host = None
        await self.stop_sites(runtime)
        return cut_off

    async def stop_sites(self, runtime: Runtime) -> None:
        """Stop what `start_sites` has started; what is still inside is cut off."""
        await self.generations.stop()
        await runtime.stop(self.settings.server.drain.cancel)
        self.close_logs()

    @property
    def connections(self) -> int:
        """How many connections are open, WebSockets among them."""
        return 0 if self._host is None else self._host.connections

    @property
    def has_tls(self) -> bool:
        """Whether any site has a certificate."""
        return has_tls(self.settings)

    def reopen_logs(self) -> None:
        """Open the file of the access log again: it was moved (logrotate)."""
        if self._observation is not None:
            self._observation.reopen()

    def close_logs(self) -> None:
        """Write what is left of the access log and of traces."""
        if self._observation is not None:
            self._observation.close()
        self._traces.close()

    def _compose(self) -> list[PipelineSite]:
        return compose_sites(self.settings, self._objects, traces=self._traces, pools=self._pools, entry=self._entry)

    def _serve_sites(self, sites: list[PipelineSite]) -> None:
        """These sites serve from now on."""
        self.sites = sites
        if self._service is not None:
            # The location of a request is not known yet when its body arrives; the pipeline holds it to its own limit.
            self._service.body_limit = max((plan.body_limit for site in sites for plan in site.plans), default=0)

    async def _wind_down(self, host: SocketHost, runtime: Runtime) -> bool:
        """Let every request end that came in time; False when some did not, or were not waited for."""
        loop = asyncio.get_running_loop()
        within = self.settings.server.graceful_timeout
        ending = loop.create_task(
            _end_requests(host, runtime, within, leave_waiting=self._leave_waiting, idle=self._idle)
        )
        forced = loop.create_task(self._is_forced.wait())
        await asyncio.wait((ending, forced), return_when=asyncio.FIRST_COMPLETED)
        forced.cancel()
        if ending.done():
            return ending.result()
        ending.cancel()
        return not runtime.statistics().executing and not runtime.sockets.statistics().executing


def what_is_inside(runtime: Runtime) -> str:
    """How many requests and WebSockets are inside, in words."""
    requests, sockets = runtime.statistics().executing, runtime.sockets.statistics().executing
    told = [f"{requests} requests"] if requests or not sockets else []
    return " and ".join([*told, f"{sockets} WebSockets"] if sockets else told)


async def _end_requests(host: SocketHost, runtime: Runtime, within: float, *, leave_waiting: bool, idle: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    await host.stop_accepting(leave_waiting=leave_waiting)
    runtime.announce_stop()
    await host.serve_expected(within, idle=idle)
    drained = await runtime.drain(max(0.0, deadline - loop.time()))
    await host.wait_sent(max(0.0, deadline - loop.time()))
    return drained


def _health_paths(health: HealthPathSettings) -> HealthPaths | None:
    return HealthPaths(live=health.live, ready=health.ready) if health.live or health.ready else None


def build(
    settings: Settings,
    *,
    objects: Objects | None = None,
    pools: Mapping[str, PoolAddress] | None = None,
    entry: Module | None = None,
) -> Server:
    """A server that is composed and not yet started; its `app_dirs` stay importable. Takes and raises what `Server` does."""
    for folder in reversed(settings.server.app_dirs):
        if folder not in sys.path:
            sys.path.insert(0, folder)
    return Server(settings, objects=objects, pools=pools, entry=entry)


def serve(
    settings: Settings,
    *,
    sockets: Sequence[BoundSocket] | None = None,
    ready: Ready | None = None,
    objects: Objects | None = None,
) -> int:
    """Serve until SIGINT or SIGTERM, drain and stop; a second signal stops at once. Returns the exit code 0.

    `ready` is called with the server once requests are answered. Raises ConfigurationError and StartupError.
    """
    configure_messages(settings.server.log.level)
    loop = new_event_loop(settings.server.loop)
    try:
        asyncio.set_event_loop(loop)
        # Applications are imported while the loop does not run: Django refuses its database to code inside of one.
        server = build(settings, objects=objects)
        loop.run_until_complete(_serve(server, sockets, ready))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return 0


async def _serve(server: Server, sockets: Sequence[BoundSocket] | None, ready: Ready | None) -> None:
    await server.start(sockets)
    _install_signals(server)
    # What lives from here on is the applications'; what was made until now stays, and need not be searched for garbage.
    gc.freeze()
    if ready is not None:
        ready(server)
    await server.wait()
    await end_tasks()


async def end_tasks() -> None:
    """Cancel what was cut off and is still at work, so that it can clean up. Only for those who own the loop."""
    # Those that were cancelled already have had their time.
    tasks = [each for each in asyncio.all_tasks() - {asyncio.current_task()} if not each.cancelling()]
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks, timeout=_LAST_WORDS)


def _install_signals(server: Server) -> None:
    loop = asyncio.get_running_loop()
    # Who sits in front of it wants its end now; who replaces it lets clients learn of it.
    stops: dict[signal.Signals, Callable[[], None]] = {
        signal.SIGINT: server.stop,
        signal.SIGTERM: partial(server.stop, idle=server.settings.server.drain.idle),
    }
    for number, stop in stops.items():
        try:
            loop.add_signal_handler(number, stop)
        except (NotImplementedError, RuntimeError):
            # Windows, or not the main thread
            if sys.platform == "win32":
                signal.signal(number, lambda *_, stop=stop: loop.call_soon_threadsafe(stop))
