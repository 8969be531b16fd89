"""Processes of the bench: started on their core, found in /proc, never left behind."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PR_SET_PDEATHSIG = 1
GRACE = 3.0  # seconds between the request to stop and the end

_cores = sorted(os.sched_getaffinity(0))
SERVER_CORE = _cores[0]
LOAD_CORE = _cores[-1]
_libc = ctypes.CDLL(None)
_running: set[int] = set()
_watcher: list[int] = []  # the descriptor on which it is told


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningServer:
    """A server that was started: all processes of its session count as it."""

    process: "subprocess.Popen[bytes]"
    command: str
    port: int
    log: Path
    began: float  # time.perf_counter() just before the start
    peers: Path  # the interpreter that has the others, and the WebSockets of the load

    def cpu_seconds(self) -> float:
        """Processor time so far, in user and kernel mode, of all its processes, those that have ended included."""
        return sum(ticks for _, ticks in _session(self.process.pid)) / TICKS

    def resident(self) -> int:
        """Resident memory of all its processes, in bytes. Pages they share count once for each."""
        return sum(_resident(pid) for pid, _ in _session(self.process.pid))

    def find_end(self) -> int | None:
        """The exit status, if it has ended."""
        return self.process.poll()


def on_core(core: int) -> Callable[[], None]:
    """What a new process does first: settle on its core, and be killed when the bench is."""

    def settle() -> None:
        os.sched_setaffinity(0, {core})
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)

    return settle


@contextmanager
def running(
    command: Sequence[str], log: Path, *, folder: Path, environment: Mapping[str, str]
) -> "Iterator[subprocess.Popen[bytes]]":
    """Starts a server on its core and in a session of its own; ends everything in it afterwards, whatever happens."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=on_core(SERVER_CORE),  # noqa: PLW1509 (this program has one thread)
        )
    note(process.pid, "+")
    try:
        yield process
    finally:
        end(process)


def end(process: "subprocess.Popen[bytes]") -> None:
    """Asks a server to stop and after a while kills all that is left of its session."""
    process.terminate()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        pass
    kill_session(process.pid)
    process.wait()
    note(process.pid, "-")


def kill_session(leader: int) -> None:
    for pid, _ in _session(leader):
        _kill(pid)


def note(leader: int, change: str) -> None:
    (_running.add if change == "+" else _running.discard)(leader)
    for descriptor in _watcher:
        os.write(descriptor, f"{change}{leader}\n".encode())


def watch() -> None:
    """Leaves a process behind that ends the servers when this one ends, even if it is killed."""
    reading, writing = os.pipe()
    if os.fork():
        os.close(reading)
        _watcher.append(writing)
        return
    os.close(writing)
    os.setsid()
    left: set[int] = set()
    with open(reading, encoding="ascii") as changes:
        for line in changes:
            (left.add if line[0] == "+" else left.discard)(int(line[1:]))
    for leader in left:
        kill_session(leader)
    os._exit(0)


def leave_nothing() -> None:
    """From here on, whatever ends the bench ends its servers."""
    watch()

    def leave(number: int, frame: FrameType | None) -> None:
        for leader in tuple(_running):
            kill_session(leader)
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, leave)


def members(leader: int) -> list[int]:
    """The processes of a session."""
    return [pid for pid, _ in _session(leader)]


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def _session(leader: int) -> Iterator[tuple[int, int]]:
    """Process and processor ticks of every member of a session. proc(5): /proc/pid/stat, fields 6 and 14 to 17."""
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The name of the program, in parentheses, may hold spaces: the rest begins with field 3.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        if int(fields[3]) == leader:
            yield int(name), sum(map(int, fields[11:15]))


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * PAGE
    except OSError:
        return 0
