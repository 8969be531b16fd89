"""How the supervisor becomes a newer program in the same process, with its sockets, channels and workers kept."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NoReturn

import msgspec
from msgspec import Struct

from penstock.supervisor.control_model import ControlRefused
from penstock.supervisor.host_signals import hold, release

# Counted up when a program cannot read what one before has saved. A field that is new and has a default is no reason.
VERSION: Final = 1
# Names the process that was to read it, and the descriptor of what was saved: "4711:9".
VARIABLE: Final = "PENSTOCK_UPGRADE"
# Seconds that the new program may take to say that it can take over: applications are imported.
PATIENCE: Final = 120.0
# Characters of what it says: the end of a traceback is what is needed.
_MOST_OUTPUT: Final = 10_000


class SavedWorker(Struct, kw_only=True, frozen=True):
    """A worker that runs: its process, the descriptors of its channel and of the file for its stacks, and what it was started for.

    `started` is since 1970.
    """

    number: int
    process: int
    channel: int
    pool: str
    slot: int
    generation: int
    started: float
    is_serving: bool = True
    is_stand_in: bool = False
    request_limit: int = 0
    stacks: int = -1


class SavedPool(Struct, kw_only=True, frozen=True):
    """What a pool was told by hand, and counts: `workers` are how many it is to have, `listening` is -1 for the default pool."""

    workers: int
    listening: int = -1
    drained: str = ""
    recycles: dict[str, int] = {}


class SupervisorState(Struct, kw_only=True, frozen=True):
    """What a supervisor leaves to the program it becomes. Descriptors are -1 where there is none, `started` is since 1970.

    `sockets` are those of every place of `listen`, slot by slot. `folder` is that of the sockets of the pools. `key` signs
    what is told to them. `generation` and `number` are the last ones that were used.
    """

    started: float
    generation: int
    number: int
    key: str
    sockets: dict[str, list[int]] = {}
    workers: tuple[SavedWorker, ...] = ()
    pools: dict[str, SavedPool] = {}
    folder: str = ""
    control: int = -1
    pid_file: int = -1

    @property
    def descriptors(self) -> list[int]:
        """All that are to stay open."""
        return [descriptor for descriptor in self._all() if descriptor >= 0]

    def _all(self) -> Iterator[int]:
        for place in self.sockets.values():
            yield from place
        for worker in self.workers:
            yield worker.channel
            yield worker.stacks
        for pool in self.pools.values():
            yield pool.listening
        yield self.control
        yield self.pid_file


def save(state: SupervisorState) -> int:
    """Write it down; the descriptor, which the next program inherits, and everything that `state` names with it."""
    # Not on a disk: there may be none that can be written to, and the key is nobody else's business.
    if sys.platform == "linux":
        descriptor = os.memfd_create("penstock-upgrade")
    else:
        with tempfile.TemporaryFile() as file:
            descriptor = os.dup(file.fileno())
    os.write(descriptor, msgspec.json.encode(state))
    os.lseek(descriptor, 0, os.SEEK_SET)
    for each in (descriptor, *state.descriptors):
        os.set_inheritable(each, True)
    return descriptor


def find_saved() -> SupervisorState | None:
    """What the program before has left in this process; None at an ordinary start. To be asked once.

    Raises ControlRefused when it is there, and cannot be read.
    """
    process, _, descriptor = os.environ.pop(VARIABLE, "").partition(":")
    if process != str(os.getpid()) or not descriptor.isdecimal():
        return None  # or the variable was inherited by a program that has nothing to do with it
    try:
        with open(int(descriptor), "rb") as file:
            state = msgspec.json.decode(file.read(), type=SupervisorState)
    except (OSError, msgspec.MsgspecError) as error:
        raise ControlRefused(f"what the program before has left cannot be read: {error}") from error
    for each in state.descriptors:
        os.set_inheritable(each, False)
    return state


async def check(
    target: str, *, environment: Mapping[str, str] | None = None, patience: float = PATIENCE, python: str = ""
) -> None:
    """Let the program that is on the disk now say whether it can take over, and whether `target`, if it is a file, is right.

    Raises ControlRefused with what it says. The loop goes on turning meanwhile.
    """
    for words in _questions(target):
        await _run([python or sys.executable, *words], environment, patience=patience)


def become(state: SupervisorState, command: Sequence[str] | None = None) -> NoReturn:
    """Replace the program of this process. Raises ControlRefused when that fails; then nothing has changed.

    `command` is by default that with which this program was started.
    """
    words = list(command or [sys.executable, *sys.orig_argv[1:]])
    here = os.getcwd()
    descriptor = save(state)
    # Whoever sends a signal in this moment means the new program as well.
    hold()
    try:
        os.chdir(start_directory())
        sys.stdout.flush()
        sys.stderr.flush()
        os.execve(words[0], words, {**os.environ, VARIABLE: f"{os.getpid()}:{descriptor}"})
    except OSError as error:
        os.chdir(here)
        for each in state.descriptors:
            os.set_inheritable(each, False)
        os.close(descriptor)
        release()
        raise ControlRefused(f"the new program cannot be started: {words[0]}: {error.strerror}") from error


def start_directory() -> str:
    """The folder in which this program was started, by the name it had: a link may lead to the next release by now."""
    return _START_DIRECTORY or os.getcwd()


def _find_start_directory() -> str:
    named = os.environ.get("PWD", "")
    try:
        return named if named and os.path.samefile(named, os.getcwd()) else ""
    except OSError:
        return ""


_START_DIRECTORY: Final = _find_start_directory()


def _questions(target: str) -> Iterator[list[str]]:
    yield ["-m", "penstock.supervisor.upgrade", str(VERSION)]
    if os.path.isfile(os.path.join(start_directory(), target)):
        yield ["-m", "penstock", "check", target]


async def _run(command: Sequence[str], environment: Mapping[str, str] | None, *, patience: float) -> None:
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            cwd=start_directory(),
        )
    except OSError as error:
        raise ControlRefused(f"the new program cannot be started: {command[0]}: {error.strerror}") from error
    try:
        async with asyncio.timeout(patience):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        raise ControlRefused(f"the new program says nothing for {patience:g} s: {' '.join(command)}") from None
    if process.returncode:
        text = output.decode("utf-8", "replace").strip()[-_MOST_OUTPUT:]
        raise ControlRefused(f"the new program is refused, the old one goes on:\n{text}")


def main() -> int:
    """Say whether this program can read what a supervisor of the version that is named has saved: exit code 0 or 1."""
    if sys.argv[1:] == [str(VERSION)]:
        return 0
    sys.stderr.write("this Penstock cannot take over from the one that runs: stop that one, and start this one\n")
    return 1


if __name__ == "__main__":
    sys.exit(main())
