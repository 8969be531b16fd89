"""Supervisor: the process that is there from the start to the end, and keeps the sockets; workers come and go below it."""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final

from penstock.errors import ConfigurationError, Problem
from penstock.server.listening import open_listeners
from penstock.server.log_config import configure_logging, reopen_log_files
from penstock.server.messages import configure_messages
from penstock.settings import ControlSettings, Settings
from penstock.supervisor.background_tasks import BackgroundTasks
from penstock.supervisor.control_model import ControlRefused
from penstock.supervisor.control_path import control_path
from penstock.supervisor.control_server import ControlServer
from penstock.supervisor.generation import DEFAULT, Generation
from penstock.supervisor.host_signals import HostSignals
from penstock.supervisor.launching import Launcher
from penstock.supervisor.messages import ReopenLogs
from penstock.supervisor.operator import Operator
from penstock.supervisor.pid_file import PidFile
from penstock.supervisor.pool_sockets import PoolSockets
from penstock.supervisor.reaping import Reaper, inherits_orphans
from penstock.supervisor.recycling import Reason
from penstock.supervisor.slots import Listening, SlotSockets
from penstock.supervisor.start_failures import StartFailed
from penstock.supervisor.systemd import Notifier, child_environment
from penstock.supervisor.taking_over import adopt_listeners, adopt_workers, state_of
from penstock.supervisor.upgrade import SavedPool, SupervisorState, become, check, find_saved
from penstock.supervisor.watching_changes import ChangeWatch
from penstock.supervisor.worker_pool import WorkerPool
from penstock.supervisor.worker_process import WorkerProcess, WorkerState
from penstock.version import VERSION

logger = logging.getLogger("penstock")

_TICK: Final = 1.0
# Seconds that systemd waits beyond what something may take.
_MARGIN: Final = 10.0
# Seconds in which the answer to whoever asked for an upgrade leaves.
_BEFORE_UPGRADE: Final = 0.2


class Supervisor:
    """Keeps the workers of all pools. `load` reads the settings, again at each reload; `target` is what is served.

    `ready` is called once everything serves.
    """

    def __init__(
        self,
        settings: Settings,
        load: Callable[[], Settings],
        *,
        target: str = "",
        log_config: str = "",
        ready: Callable[[Supervisor], None] | None = None,
    ) -> None:
        self.generation = Generation(1, settings)
        self.load = load
        self.target = target
        self.pools: dict[str, WorkerPool] = {}
        self.started = time.time()
        self.state = "starting"
        self.sockets = SlotSockets((), backlog=settings.server.backlog)
        self.pool_sockets = PoolSockets()
        self._log_config = log_config
        self.launcher = Launcher(self._sockets_of, places=lambda: self.pool_sockets.places, log_config=log_config)
        self.notifier = Notifier()
        self._ready = ready
        self._idle: float | None = None
        self._operator = Operator(self)
        self._watch = ChangeWatch(self, self._operator)
        self._stopping = asyncio.Event()
        self._reaper = Reaper(self._is_ours) if inherits_orphans() else None
        self._tasks = BackgroundTasks("the supervisor")
        self._control: ControlServer | None = None
        self._pid_file: PidFile | None = None

    @property
    def workers(self) -> list[WorkerProcess]:
        """All processes of all pools."""
        return [worker for pool in self.pools.values() for worker in pool.workers]

    @property
    def next_generation(self) -> int:
        """A number that no generation has had."""
        return max(self.generation.number, *[pool.generation.number for pool in self.pools.values()]) + 1

    # -- the whole life ------------------------------------------------------------------------------------------------

    async def run(self) -> int:
        """Start everything, serve until `stop`, and stop everything; the exit code.

        Raises ConfigurationError and StartupError for what keeps it from starting; then nothing is left behind.
        """
        signals = HostSignals(self)
        signals.install()
        try:
            await self._watch.look()
            saved = find_saved()
            await self._unless_stopped(self._start() if saved is None else self._take_over(saved))
            await self._serve()
        finally:
            await self._end()
            signals.remove()
        return 0

    async def _unless_stopped(self, start: Coroutine[Any, Any, None]) -> None:
        """Start, unless somebody says stop meanwhile: an application that takes long to start is not waited for."""
        starting = asyncio.create_task(start)
        stopped = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((starting, stopped), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        if not starting.done():
            starting.cancel()
            await asyncio.wait((starting,))
        if not starting.cancelled():
            starting.result()

    async def _start(self) -> None:
        settings = self.generation.settings
        if settings.server.pid_file:
            self._pid_file = PidFile(settings.server.pid_file)
            self._pid_file.write()
        self.sockets = SlotSockets(open_listeners(settings), backlog=settings.server.backlog)
        for pool in settings.pools:
            self.pool_sockets.open(pool.name)
        await self._open_control(settings.server.control)
        for name in self.generation.pools:
            self.notifier.extend(self.generation.terms(name).recycle.start_timeout + _MARGIN)
            await self.open_pool(name, self.generation)

    async def _take_over(self, saved: SupervisorState) -> None:
        """Start with what the program before has left; its workers serve until those of this one do."""
        settings = self.generation.settings
        self.started = saved.started
        self.generation = Generation(saved.generation + 1, settings)
        self.launcher.go_on(saved.key, saved.number)
        try:
            if settings.server.pid_file:
                self._pid_file = PidFile(settings.server.pid_file, descriptor=saved.pid_file)
                self._pid_file.write()
            await self._open_control(settings.server.control, saved.control)
        except ConfigurationError as error:
            logger.error("%s", error)  # a server that serves does not end for that
        self.sockets = adopt_listeners(settings, saved.sockets)
        self.pool_sockets = PoolSockets(saved.folder)
        for name, left in saved.pools.items():
            if left.listening >= 0:
                self.pool_sockets.open(name, left.listening)
        workers = await adopt_workers(saved.workers)
        for name in self.generation.pools:
            pool = self.pools[name] = WorkerPool(name, self.generation, self.launcher)
            # A new one that does not start is no reason to end what serves: it is tried again and again, as one that crashes.
            left = saved.pools.get(name) or SavedPool(workers=pool.wanted)
            if name != DEFAULT:
                self.pool_sockets.open(name)
            pool.recycles.update(left.recycles)
            own = [worker for worker in workers if worker.pool == name]
            pool.adopt(own, wanted=left.workers, drained=left.drained)
        # Those that were starting are nobody's workers, but our children.
        self._reaper = Reaper(self._is_ours)
        self.reap()  # who has ended while one program became the other
        self.run_behind(self._replace_old(saved))

    async def _replace_old(self, saved: SupervisorState) -> None:
        for pool in tuple(self.pools.values()):
            if pool.name in saved.pools:
                await pool.replace_all(self.generation, Reason.UPGRADE.value)
        self.sockets.close_leaving()
        for name in saved.pools.keys() - self.pools.keys():
            self.pool_sockets.close(name)
        logger.info("penstock %s has taken over", VERSION)

    async def _serve(self) -> None:
        if self._stopping.is_set():
            return
        self.state = "running"
        self.run_behind(self._tick())
        self.run_behind(self._watch.run())
        self.notifier.ready(f"{len(self.workers)} workers")
        if self._ready is not None:
            self._ready(self)
        await self._stopping.wait()

    async def _end(self) -> None:
        self.state = "stopping"
        self.notifier.stopping()
        # One after the other: the default pool, then those that it asks.
        terms = [pool.terms for pool in self.pools.values()]
        self.notifier.extend(sum(each.drain.idle + each.patience for each in terms) + _MARGIN)
        await self._tasks.stop()
        # The workers have them, too, accept who waits there, and close them. If they stayed open here, who comes later would
        # wait until the end, and be reset; so he is refused at once, and may go elsewhere.
        self.sockets.close()
        # The default pool asks the others: its requests end first.
        if DEFAULT in self.pools:
            await self.pools[DEFAULT].stop(self._idle)
        await asyncio.gather(*[pool.stop(0.0) for pool in self.pools.values() if not pool.is_stopping])
        self.pool_sockets.close_all()
        if self._control is not None:
            await self._control.close()
        if self._pid_file is not None:
            self._pid_file.remove()

    async def open_pool(self, name: str, generation: Generation) -> None:
        """Start a pool. Raises ConfigurationError and StartupError when its workers do not start."""
        if name != DEFAULT:
            self.pool_sockets.open(name)
        pool = self.pools[name] = WorkerPool(name, generation, self.launcher)
        try:
            await pool.start()
        except StartFailed as error:
            del self.pools[name]
            if name != DEFAULT:
                self.pool_sockets.close(name)
            raise error.for_operator() from None  # the traceback that counts is in its words

    def _sockets_of(self, pool: str, slot: int, count: int) -> list[Listening]:
        return self.sockets.of_slot(slot, count) if pool == DEFAULT else self.pool_sockets.of(pool)

    async def _open_control(self, settings: ControlSettings | None, inherited: int = -1) -> None:
        said = settings or ControlSettings()
        try:
            path = said.socket or control_path(self.target)
            control = ControlServer(self._operator, path, mode=int(said.mode, 8))
            await control.open(inherited)
        except ConfigurationError as error:
            if settings is not None:
                raise
            logger.warning(
                "there is no control socket: %s; say where with --control, or as socket in [server.control]", error
            )
        else:
            self._control = control

    async def begin_upgrade(self) -> None:
        """See `control_model.Controlled.upgrade`."""
        self.refuse_unless("running")
        self.state = "upgrading"
        try:
            await check(self.target, environment=child_environment())
        except BaseException as error:
            self.state = "running"
            logger.error("no upgrade: %s", error)
            raise
        # Behind the answer to whoever asked for it.
        asyncio.get_running_loop().call_later(_BEFORE_UPGRADE, self._become)

    def refuse_unless(self, *states: str) -> None:
        """Raises ControlRefused when the server is in none of `states`."""
        if self.state not in states:
            raise ControlRefused(f"the server is {self.state}: try again when it is running")

    def _become(self) -> None:
        if self.state != "upgrading":
            return  # it was told to stop meanwhile
        for worker in self.workers:
            if worker.state in (WorkerState.STARTING, WorkerState.READY):
                worker.kill()
        logger.info("the supervisor becomes the program that is on the disk now")
        control = -1 if self._control is None else self._control.fileno()
        pid_file = -1 if self._pid_file is None else self._pid_file.descriptor
        try:
            become(state_of(self, control=control, pid_file=pid_file))
        except ControlRefused as error:
            self.state = "running"
            logger.error("no upgrade: %s", error)

    async def _tick(self) -> None:
        while True:
            for pool in tuple(self.pools.values()):
                try:
                    pool.tick()
                except Exception:
                    logger.exception("pool %s could not be looked at", pool.name)
            self.notifier.watchdog()
            if self.state == "reloading":
                self.notifier.extend(_MARGIN)
            await asyncio.sleep(_TICK)

    def run_behind(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """A task that ends with the supervisor; what it raises is logged."""
        return self._tasks.run(coroutine)

    # -- what signals ask for (see host_signals.Operations) ------------------------------------------------------------

    def stop(self) -> None:
        """Let the requests inside end, then exit."""
        if not self._stopping.is_set():
            logger.info("the server stops")
        self._stopping.set()

    def interrupt(self) -> None:
        """As `stop`, but connections that are silent are closed at once."""
        self._idle = 0.0
        self.stop()

    def stop_now(self) -> None:
        """Cut off what is inside, and exit."""
        self.interrupt()
        for pool in self.pools.values():
            pool.cut_off()

    def reload(self) -> None:
        """Read the settings and the logging configuration again, and replace all workers."""
        try:
            _configure_log(self._log_config, self.generation.settings)
        except ConfigurationError as error:
            logger.error("%s", error)
        self.run_behind(self._operator.reload_all())

    def reopen_logs(self) -> None:
        """Let all workers open the files of their logs again, and do so with our own."""
        reopen_log_files()
        for worker in self.workers:
            worker.send(ReopenLogs())

    def upgrade(self) -> None:
        """Replace the program of the supervisor, in place."""
        self.run_behind(self._operator.upgrade())

    def add_worker(self) -> None:
        """One worker more in the default pool."""
        self.run_behind(self._operator.scale_by(DEFAULT, 1))

    def remove_worker(self) -> None:
        """One worker fewer in the default pool; the last one stays."""
        self.run_behind(self._operator.scale_by(DEFAULT, -1))

    def reap(self) -> None:
        """A child process has ended."""
        for worker in self.workers:
            worker.look()
        if self._reaper is not None and (again := self._reaper.reap()) is not None:
            asyncio.get_running_loop().call_later(again, self.reap)

    def _is_ours(self, process: int) -> bool:
        return any(worker.pid == process for worker in self.workers)


def supervise(
    settings: Settings,
    load: Callable[[], Settings],
    *,
    target: str = "",
    log_config: str = "",
    ready: Callable[[Supervisor], None] | None = None,
) -> int:
    """Serve `settings` with workers until a signal says stop; the exit code 0.

    `load` reads the settings anew, with the options that were given. Raises ConfigurationError and StartupError.
    """
    _judge_platform()
    _configure_log(log_config, settings)

    async def run() -> int:
        return await Supervisor(settings, load, target=target, log_config=log_config, ready=ready).run()

    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        return runner.run(run())


def _judge_platform() -> None:
    if sys.platform == "win32":
        problem = (
            "workers, pools and the control socket need Linux or macOS: leave them out, and start one server per core"
        )
        raise ConfigurationError([Problem(problem, "[server] workers")])


def _configure_log(log_config: str, settings: Settings) -> None:
    if log_config:
        configure_logging(Path(log_config))
    configure_messages(settings.server.log.level, names_process=True)
