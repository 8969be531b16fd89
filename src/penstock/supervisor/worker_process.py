"""WorkerProcess: one worker as its supervisor sees it - the process, its channel, its state, its last beat."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import IO, Any, Final

from penstock.supervisor.channel import Channel
from penstock.supervisor.control_model import ControlRefused
from penstock.supervisor.messages import (
    Advice,
    Answer,
    Ask,
    Beat,
    Drain,
    Drained,
    Failed,
    Message,
    Ready,
    Serve,
    Start,
    ToSupervisor,
    decode_to_supervisor,
)
from penstock.supervisor.recycling import WorkerAge
from penstock.supervisor.stacks import take_stacks

logger = logging.getLogger("penstock")

_MODULE: Final = "penstock.supervisor.worker"
# The signal that cannot be caught; Windows, where there are no workers, has none.
_KILL: Final = int(getattr(signal, "SIGKILL", signal.SIGTERM))


class WorkerState(Enum):
    """The life of a worker, in this order; some are skipped."""

    STARTING = "starting"
    READY = "ready"
    SERVING = "serving"
    DRAINING = "draining"
    ENDED = "ended"


class WorkerProcess:
    """A worker. `on_end` is called once when its process has ended, `on_advice` when it asks to be replaced."""

    def __init__(
        self,
        number: int,
        *,
        pool: str,
        slot: int,
        generation: int,
        requests: int = 0,
        is_stand_in: bool = False,
    ) -> None:
        """`number` is its id, never used again; `requests` are those after which it is to be replaced, 0 for never."""
        self.number = number
        self.pool = pool
        self.slot = slot
        self.generation = generation
        self.is_stand_in = is_stand_in
        self.request_limit = requests
        self.since = time.time()
        self._state = WorkerState.STARTING
        self.pid = 0
        self.exit_code: int | None = None
        self.started = time.time()
        self.last_beat = 0.0
        self.beat = Beat()
        self.lines: tuple[str, ...] = ()
        self.failure: Failed | None = None
        self.cut_off = ""
        self.is_killed = False
        self.reason = ""
        self.on_end: Callable[[WorkerProcess], None] = _nothing
        self.on_advice: Callable[[WorkerProcess, Advice], None] = _nothing_more
        self.age: WorkerAge | None = None
        self.last_busy = time.monotonic()
        self.stacks: IO[bytes] | None = None
        self._has_beaten = False
        self._process: subprocess.Popen[bytes] | None = None
        self._end: socket.socket | None = None
        loop = asyncio.get_running_loop()
        self.ready: asyncio.Future[bool] = loop.create_future()
        self.ended: asyncio.Future[None] = loop.create_future()
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._numbers = itertools.count(1)
        self._channel: Channel[ToSupervisor] = Channel(
            decode_to_supervisor, receive=self._receive, lost=_nothing_at_all
        )

    async def launch(
        self,
        start: Start,
        sockets: Sequence[socket.socket],
        *,
        program: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Start the process, which inherits `sockets` under their numbers, and is told `start` first.

        Raises OSError when it cannot be started. `program` is the Python that runs it, ours when it is empty; `options` are more of subprocess.Popen: user, group, cwd.
        """
        self.stacks = _open_stacks()
        ours, theirs = socket.socketpair()
        inherited = [theirs.fileno(), self.stacks.fileno(), *[each.fileno() for each in sockets]]
        try:
            self._process = subprocess.Popen(  # noqa: ASYNC220 (it waits for the exec, and for nothing else)
                [*(program or (sys.executable,)), "-m", _MODULE, str(theirs.fileno()), str(self.stacks.fileno())],
                stdin=subprocess.DEVNULL,
                env=environment,
                pass_fds=inherited,
                # Ctrl-C in a terminal goes to the whole process group: when workers stop is for the supervisor to decide.
                process_group=0,
                **(options or {}),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        self.pid = self._process.pid
        try:
            await self._open(ours)
        except BaseException:
            # Nobody knows of it yet: whoever started it was stopped in this moment.
            self._process.kill()
            self._process.wait()
            raise
        self._channel.send(start)

    async def adopt(self, end: socket.socket, *, pid: int, started: float, state: WorkerState) -> None:
        """Talk over `end` to a process that an earlier program of this one has started."""
        self.pid, self.started = pid, started
        self._change(state)
        self.ready.set_result(True)
        await self._open(end)

    async def _open(self, end: socket.socket) -> None:
        self._end = end
        await self._channel.open(end)

    @property
    def state(self) -> WorkerState:
        """Where it is in its life, since `since` (seconds since 1970)."""
        return self._state

    def _change(self, state: WorkerState) -> None:
        self._state = state
        self.since = time.time()

    @property
    def channel_fd(self) -> int:
        """The descriptor of the channel, for a supervisor that replaces its own program."""
        return -1 if self._end is None else self._end.fileno()

    @property
    def is_ended(self) -> bool:
        """Whether the process has ended."""
        return self.state is WorkerState.ENDED

    @property
    def idle(self) -> float:
        """Seconds for which nobody had asked it by its last beat: what it has begun since is not known (pipeline G-09)."""
        return self.last_beat - self.last_busy

    def serve(self) -> None:
        """Let it accept connections."""
        if self.state is WorkerState.READY:
            self._change(WorkerState.SERVING)
            self.last_busy = time.monotonic()
            self._channel.send(Serve())

    def drain(self, *, leave_waiting: bool, idle: float, reason: str = "") -> None:
        """Tell it to end when its requests have."""
        if self.state not in (WorkerState.DRAINING, WorkerState.ENDED):
            self._change(WorkerState.DRAINING)
            self.reason = self.reason or reason
            self._channel.send(Drain(leave_waiting=leave_waiting, idle=idle, reason=reason))

    def send(self, message: Message) -> None:
        """Tell it something."""
        self._channel.send(message)

    async def ask(self, about: str, within: float) -> Any:
        """What it answers. Raises TimeoutError when it does not within so many seconds, ConnectionError when it has ended."""
        number = next(self._numbers)
        answer = self._answers[number] = asyncio.get_running_loop().create_future()
        self._channel.send(Ask(number, about))
        try:
            async with asyncio.timeout(within):
                return await answer
        finally:
            self._answers.pop(number, None)

    def kill(self, number: int = _KILL) -> None:
        """Send a signal, by default the one that cannot be caught."""
        if not self.is_ended and self.pid:
            self.is_killed = True
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                pass  # it has just ended

    def look(self) -> bool:
        """Has the process ended? To be asked after SIGCHLD; tells `on_end` the first time."""
        if self.is_ended:
            return True
        code = _exit_code(self.pid) if self._process is None else self._process.poll()
        if code is None:
            return False
        self.exit_code = code
        self._finish()
        return True

    def _finish(self) -> None:
        self._change(WorkerState.ENDED)
        self._channel.close()
        if self.stacks is not None:
            self.stacks.close()
        if not self.ready.done():
            self.ready.set_result(False)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the worker has ended"))
        if not self.ended.done():
            self.ended.set_result(None)
        self.on_end(self)

    def _receive(self, message: ToSupervisor) -> None:
        if isinstance(message, Beat):
            self._take(message)
        elif isinstance(message, Ready):
            self.lines = message.lines
            self.last_beat = time.monotonic()
            if self.state is WorkerState.STARTING:
                self._change(WorkerState.READY)
            if not self.ready.done():
                self.ready.set_result(True)
        elif isinstance(message, Failed):
            self.failure = message
        elif isinstance(message, Advice):
            self.on_advice(self, message)
        elif isinstance(message, Answer):
            answer = self._answers.get(message.number)
            if answer is not None and not answer.done():
                answer.set_result(message.content)
        elif isinstance(message, Drained):
            self.cut_off = message.cut_off

    def _take(self, beat: Beat) -> None:
        self.last_beat = time.monotonic()
        if beat.total != self.beat.total or beat.executing or beat.queued or beat.sockets or beat.background:
            self.last_busy = self.last_beat
        self.beat = beat
        self._has_beaten = True

    def take_beat(self) -> bool:
        """Whether a beat has come since this was last asked."""
        has_beaten, self._has_beaten = self._has_beaten, False
        return has_beaten

    async def take_stacks(self, within: float) -> str:
        """What runs where in it, also when its loop does not turn. Raises ControlRefused when it does not tell."""
        if self.stacks is None:
            raise ControlRefused(
                "this worker was started by an earlier program of the supervisor, which had its file of stacks"
            )
        return await take_stacks(self.pid, self.stacks.fileno(), within=within)

    def __str__(self) -> str:
        return f"worker {self.number} of pool {self.pool} (pid {self.pid})"


def _open_stacks() -> IO[bytes]:
    """A file without a name. Not on a disk, where that can be: one that is full is no reason to start no worker."""
    opened: IO[bytes]
    if sys.platform == "linux":
        opened = os.fdopen(os.memfd_create("penstock-stacks"), "w+b")
    else:
        opened = tempfile.TemporaryFile()  # noqa: SIM115 (it is open as long as the process is there)
    return opened


def end_text(code: int | None) -> str:
    """How a process ended, for people: an exit code, or the name of a signal."""
    if code is None:
        return "is running"
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _exit_code(pid: int) -> int | None:
    """That of a child which this program has not started itself, but its own predecessor in the same process."""
    code: int | None = 255
    if sys.platform != "win32":
        with contextlib.suppress(ChildProcessError):
            ended, status = os.waitpid(pid, os.WNOHANG)
            code = os.waitstatus_to_exitcode(status) if ended else None
    return code


def _nothing(_: WorkerProcess) -> None:
    """Until somebody wants to know."""


def _nothing_more(_: WorkerProcess, __: Advice) -> None:
    """Until somebody wants to know."""


def _nothing_at_all() -> None:
    """That the channel is lost says nothing that the end of the process does not."""
