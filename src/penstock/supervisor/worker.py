"""The worker's side: one process that serves what its supervisor tells it to, until it is told to drain."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

from penstock.errors import ConfigurationError, StartupError
from penstock.hosts.listener import open_sockets, parse_bind
from penstock.hosts.loop import new_event_loop
from penstock.intake.metadata import derive_key
from penstock.intake.runtime import Runtime
from penstock.request_handlers.pool_address import PoolAddress
from penstock.server.life import Server, build, end_tasks
from penstock.server.messages import configure_messages
from penstock.server.site_lines import site_lines
from penstock.server.tracebacks import traceback_of
from penstock.server.warm_up import warm_up
from penstock.settings import PoolSettings, Settings
from penstock.supervisor.channel import Channel, read_start
from penstock.supervisor.generation import Generation
from penstock.supervisor.messages import (
    Advice,
    Answer,
    Ask,
    Beat,
    ChannelError,
    Drain,
    Drained,
    Failed,
    Message,
    Ready,
    ReopenLogs,
    Serve,
    Start,
    Stop,
    ToWorker,
    decode_to_worker,
    encode,
)
from penstock.supervisor.orphaned import end_with_supervisor
from penstock.supervisor.recycling import Reason
from penstock.supervisor.resident_memory import find_resident_memory
from penstock.supervisor.stacks import install_stacks, stacks_of_tasks

logger = logging.getLogger("penstock")

# Seconds between two beats.
BEAT_INTERVAL: Final = 1.0
# What a terminal or a careless script sends to all processes at once is the supervisor's to decide.
_NOT_OURS: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGHUP", "SIGUSR1", "SIGTTIN", "SIGTTOU") if hasattr(signal, name)
)

# Exit codes, as the command line has them: a configuration that cannot be used, and something that failed to start.
_REFUSED: Final = 2
_FAILED: Final = 3


class Worker:
    """Serves `server` as the other end of `end` says."""

    def __init__(self, start: Start, server: Server, end: socket.socket) -> None:
        self._start = start
        self._server = server
        self._channel_end = end
        self._channel: Channel[ToWorker] = Channel(decode_to_worker, receive=self._receive, lost=self._lose)
        self._is_listening = False
        self._is_terminated = False
        self._has_failed = False
        self._told: dict[type[Any], Callable[[Any], None]] = {
            Serve: self._serve,
            Drain: self._drain,
            Stop: self._stop,
            Ask: self._answer,
            ReopenLogs: lambda _: server.reopen_logs(),
        }
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        """Start, serve, drain; the exit code."""
        await self._channel.open(self._channel_end)
        server = self._server
        server.generations.has_successor = True
        try:
            runtime = await server.start_sites()
            await self._warm_up(runtime)
        except (ConfigurationError, StartupError) as error:
            self._has_failed = True
            self._channel.send(failure_of(error))
            self._channel.close()
            await asyncio.sleep(0)
            return exit_code_of(error)
        runtime.on_recycle = self._ask_for_recycle
        if self._start.requests:
            text = f"{self._start.requests} requests were taken in"
            runtime.limit_requests(
                self._start.requests, lambda: self.send(Advice(kind=Reason.REQUEST_LIMIT.value, text=text))
            )
        gc.freeze()
        loop = asyncio.get_running_loop()
        self._beat(loop, loop.time(), runtime)
        self.send(Ready(lines=tuple(site_lines(server.sites))))
        await server.wait_stopping()
        cut_off = await self._wind_down(runtime)
        self.send(Drained(cut_off=cut_off))
        self._channel.close()
        await end_tasks()
        return 0

    def send(self, message: Message) -> None:
        """Tell the supervisor."""
        self._channel.send(message)

    def terminate(self) -> None:
        """SIGTERM by hand: be replaced, so that nobody waits at our sockets meanwhile; at the second one drain in any case."""
        if self._is_listening and not self._is_terminated:
            self._is_terminated = True
            self.send(Advice(kind=Reason.OPERATOR.value, text="it was sent SIGTERM"))
        else:
            self._begin_drain(idle=self._server.settings.server.drain.idle)

    def _begin_drain(self, *, idle: float, leave_waiting: bool = False) -> None:
        """Once: whoever asks a server twice to stop cuts off what is inside, and here several may ask for the same."""
        if not self._server.is_stopping:
            self._server.stop(leave_waiting=leave_waiting, idle=idle)

    async def _warm_up(self, runtime: Runtime) -> None:
        if not self._start.unavailable:
            settings = self._server.settings
            await warm_up(runtime, settings, settings.server.recycle.preload)

    async def _wind_down(self, runtime: Runtime) -> str:
        if not self._is_listening:
            await self._server.stop_sites(runtime)
            return ""
        return await self._server.close()

    # -- what the supervisor says ----------------------------------------------------------------------------------------

    def _receive(self, message: ToWorker) -> None:
        told = self._told.get(type(message))
        if told is not None:
            told(message)

    def _serve(self, _: Serve) -> None:
        self._begin(self._listen())

    async def _listen(self) -> None:
        if self._is_listening:
            return
        self._is_listening = True
        bound = open_sockets([parse_bind(place) for place in self._start.sockets], tls=self._server.has_tls)
        await self._server.listen(bound)

    def _drain(self, drain: Drain) -> None:
        if drain.reason:
            logger.info("this worker stops: %s", drain.reason)
        self._begin_drain(idle=drain.idle, leave_waiting=drain.leave_waiting)

    def _stop(self, _: Stop) -> None:
        self._server.stop()
        self._server.stop()

    def _lose(self) -> None:
        if not (self._server.is_stopping or self._has_failed):
            logger.error("the supervisor has gone: this worker drains and stops")
        self._begin_drain(idle=self._server.settings.server.drain.idle)

    def _answer(self, ask: Ask) -> None:
        if ask.about == "requests":
            runtime = self._server.runtime
            self.send(Answer(ask.number, [] if runtime is None else [each._asdict() for each in runtime.requests()]))
        elif ask.about == "stacks":
            self.send(Answer(ask.number, stacks_of_tasks(self._server.runtime)))

    # -- what it says by itself ------------------------------------------------------------------------------------------

    def _beat(self, loop: asyncio.AbstractEventLoop, due: float, runtime: Runtime) -> None:
        now = loop.time()
        loop.call_at(now + BEAT_INTERVAL, self._beat, loop, now + BEAT_INTERVAL, runtime)
        self.send(beat_of(runtime, lag=max(0.0, now - due), connections=self._server.connections))

    def _ask_for_recycle(self, reason: str) -> None:
        kind = Reason.PATH_CHANGED if self._server.generations.is_renewing else Reason.STUCK_THREADS
        self.send(Advice(kind=kind.value, text=reason))

    def _begin(self, coroutine: Any) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._end)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.critical("this worker cannot serve", exc_info=error)
            self._server.stop()


def find_pool(settings: Settings, name: str) -> PoolSettings | None:
    """The [[pool]] of this name; None for the default one."""
    return next((pool for pool in settings.pools if pool.name == name), None)


def beat_of(runtime: Runtime, *, lag: float, connections: int) -> Beat:
    """What the supervisor is told once a second."""
    now = runtime.statistics()
    return Beat(
        lag=lag,
        resident=find_resident_memory() or 0,
        total=now.total,
        ended=now.succeeded + now.failed + now.rejected + now.disconnected,
        executing=now.executing,
        queued=now.queued,
        failed=now.failed,
        sockets=runtime.sockets.statistics().executing,
        connections=connections,
        background=now.background,
    )


def failure_of(error: ConfigurationError | StartupError) -> Failed:
    """Why it does not start, as the supervisor shows it."""
    if isinstance(error, ConfigurationError):
        return Failed(code=_REFUSED, problems=tuple((each.message, each.where) for each in error.problems))
    return Failed(code=_FAILED, traceback=traceback_of(error))


def exit_code_of(error: ConfigurationError | StartupError) -> int:
    """2 for a configuration that cannot be used, 3 for what failed to start."""
    return _REFUSED if isinstance(error, ConfigurationError) else _FAILED


def serve_as_told(end: socket.socket) -> int:
    """Be a worker at this end of a channel; the exit code."""
    start = read_start(end)
    settings = msgspec.json.decode(start.settings, type=Settings)
    end_with_supervisor(end, Generation(start.generation, settings).terms(start.pool).patience)
    try:
        server = _prepare(start, settings)
    except (ConfigurationError, StartupError) as error:
        end.sendall(encode(failure_of(error)))
        return exit_code_of(error)
    loop = new_event_loop(settings.server.loop)
    try:
        asyncio.set_event_loop(loop)
        worker = Worker(start, server, end)
        _install_signals(loop, worker)
        code = loop.run_until_complete(worker.run())
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return code


def _prepare(start: Start, settings: Settings) -> Server:
    """The server, composed: applications are imported while no loop runs, as Django wants it."""
    if start.log_config:
        from penstock.server.log_config import configure_logging

        configure_logging(Path(start.log_config))
    configure_messages(settings.server.log.level, names_process=True)
    if start.unavailable:
        from penstock.supervisor.stand_in import stand_in

        return stand_in(start, settings)
    key = bytes.fromhex(start.key)
    if start.pool != "default":
        from penstock.supervisor.pool_worker import build_pool

        return build_pool(start, settings)
    return build(
        settings, pools={name: PoolAddress(path, derive_key(key, name)) for name, path in start.places.items()}
    )


def _install_signals(loop: asyncio.AbstractEventLoop, worker: Worker) -> None:
    for number in _NOT_OURS:
        signal.signal(number, signal.SIG_IGN)
    loop.add_signal_handler(signal.SIGTERM, worker.terminate)


def main() -> int:
    """Be the program that a supervisor starts, with the descriptors of the channel, and of the file for stacks."""
    gc.disable()  # until everything is imported, as the command line does
    with socket.socket(fileno=int(sys.argv[1])) as end:
        end.set_inheritable(False)
        gc.enable()
        install_stacks(int(sys.argv[2]))
        try:
            return serve_as_told(end)
        except ChannelError as error:
            sys.stderr.write(f"penstock: this worker cannot be told what to serve: {error}\n")
            return 1


if __name__ == "__main__":
    sys.exit(main())
