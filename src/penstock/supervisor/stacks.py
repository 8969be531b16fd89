"""What runs where in a process: the stacks of its tasks and threads, told by itself, or by the system when its loop is stuck."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import linecache
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any, Final

from penstock.http.redaction import printable, shorten
from penstock.intake.requests_inside import Waiting, describe_waiting
from penstock.intake.runtime import Runtime

# Caught by C code of Python's own, whatever the interpreter is busy with. Not there on Windows.
SIGNAL: Final[int] = getattr(signal, "SIGUSR2", 0)

# Seconds between two looks, and of silence after which all has been written.
_LOOK: Final = 0.02
_SILENCE: Final = 0.2
# What is asked for by people is read by people.
_MOST_TASKS: Final = 200
_MOST_FRAMES: Final = 50
_LONGEST_PATH: Final = 200

_PYTHONS = (CoroutineType, GeneratorType, AsyncGeneratorType)


def install_stacks(descriptor: int) -> None:
    """Write the stacks of all threads to the file `descriptor` whenever `SIGNAL` comes. To be called on the main thread."""
    if sys.platform != "win32":
        import fcntl

        os.set_inheritable(descriptor, False)
        # Whoever reads empties it first: what comes then begins at the new end.
        fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_APPEND)
        faulthandler.register(signal.SIGUSR2, file=descriptor, all_threads=True)


async def take_stacks(pid: int, descriptor: int, *, within: float) -> str:
    """The stacks of all threads of the process `pid`, which has called `install_stacks` with this file; its loop need not turn.

    When nothing has come `within` seconds, or the process cannot be asked, it is that in words. Raises nothing.
    """
    if not _is_caught(pid):
        return f"the process {pid} cannot be asked for its stacks: it has ended, or has just been started"
    os.ftruncate(descriptor, 0)
    try:
        os.kill(pid, SIGNAL)
    except OSError as error:
        return f"the process {pid} cannot be asked for its stacks: {error.strerror}"
    if not await _wait_written(descriptor, within):
        return f"the process {pid} has not told its stacks within {within:g} seconds: it may be stopped"
    os.lseek(descriptor, 0, os.SEEK_SET)
    return os.read(descriptor, os.fstat(descriptor).st_size).decode("utf-8", "backslashreplace")


async def _wait_written(descriptor: int, within: float) -> bool:
    """Wait until something was written and no more comes: the end is not marked. False: nothing has come."""
    end = time.monotonic() + within
    size, grown = 0, time.monotonic()
    while (now := time.monotonic()) < end and (not size or now - grown < _SILENCE):
        await asyncio.sleep(_LOOK)
        if (written := os.fstat(descriptor).st_size) != size:
            size, grown = written, time.monotonic()
    return size > 0


def _is_caught(pid: int) -> bool:
    """Whether the process has a handler for `SIGNAL`: without one, it would be killed by it. Only Linux tells."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
            caught = next((line for line in file if line.startswith("SigCgt:")), "")
    except OSError:
        return bool(SIGNAL) and not os.path.exists("/proc/self/status")
    return bool(SIGNAL and int(caught.partition(":")[2] or "0", 16) >> (SIGNAL - 1) & 1)


# -- told by the process itself ------------------------------------------------------------------------------------------


def stacks_of_tasks(runtime: Runtime | None = None) -> str:
    """The stacks of all tasks and all other threads of this process, and which request of `runtime` each is at work for.

    To be called on the loop.
    """
    waiting = {} if runtime is None else {each.task: each for each in runtime.inside.values() if each.task is not None}
    own = asyncio.current_task()
    tasks = [task for task in asyncio.all_tasks() if task is not own]
    tasks.sort(key=lambda task: task not in waiting)
    now = asyncio.get_running_loop().time()
    lines = [line for task in tasks[:_MOST_TASKS] for line in _task_lines(task, waiting, now)]
    if len(tasks) > _MOST_TASKS:
        lines.append(f"and {len(tasks) - _MOST_TASKS} more tasks")
    if runtime is not None:
        parked = [each for each in runtime.inside.values() if each.task is None]
        lines += [f"request {_told(each, now)}: handed on, to a thread or a pool" for each in parked[:_MOST_TASKS]]
    frames = sys._current_frames()  # noqa: SLF001  # documented, its name notwithstanding
    lines += [line for thread in threading.enumerate() for line in _thread_lines(thread, frames)]
    return "\n".join(lines) + "\n"


def _task_lines(task: asyncio.Task[Any], waiting: Mapping[Any, Waiting], now: float) -> Iterator[str]:
    request = waiting.get(task)
    yield f"task {task.get_name()}" if request is None else f"request {_told(request, now)}"
    yield from _coroutine_lines(task.get_coro())


def _told(waiting: Waiting, now: float) -> str:
    each = describe_waiting(waiting, now)
    stage = f"{each.stage} of {each.module}" if each.module else each.stage
    return f"{each.method} {shorten(printable(each.path), _LONGEST_PATH)} for {each.age:.1f} s in {stage} ({each.trace_id})"


def _coroutine_lines(awaited: object) -> Iterator[str]:
    """A line for each coroutine, from the outermost to the one that waits."""
    for _ in range(_MOST_FRAMES):
        code = _attribute(awaited, "code")
        frame = _attribute(awaited, "frame")
        if isinstance(code, CodeType):
            yield _line(code, frame.f_lineno if isinstance(frame, FrameType) else code.co_firstlineno)
        elif type(awaited).__name__.endswith("_gen"):
            yield f"  {type(awaited).__module__}, in {type(awaited).__name__.removesuffix('_gen')} (compiled)"
        following = _attribute(awaited, "await") or _attribute(awaited, "yieldfrom") or _find_awaited(awaited)
        if following is None:
            return
        awaited = following


def _attribute(awaited: object, name: str) -> object:
    """`cr_await`, `gi_frame`, `ag_code` and their like: what Python's own coroutines and generators tell of themselves."""
    return next((found for kind in ("cr", "gi", "ag") if (found := getattr(awaited, f"{kind}_{name}", None))), None)


def _find_awaited(awaited: object) -> object:
    """What a coroutine that was compiled, or a step of an asynchronous generator, waits for: what it refers to."""
    if isinstance(awaited, asyncio.Future | CoroutineType | GeneratorType):
        return None
    referred = [each for each in gc.get_referents(awaited) if not isinstance(each, type)]
    found = [each for each in referred if isinstance(each, _PYTHONS) or type(each).__name__.endswith("_gen")]
    return found[0] if found else None


def _line(code: CodeType, number: int) -> str:
    source = linecache.getline(code.co_filename, number).strip()
    return f'  File "{code.co_filename}", line {number}, in {code.co_qualname}' + (f"\n    {source}" if source else "")


def _thread_lines(thread: threading.Thread, frames: Mapping[int, FrameType]) -> Iterator[str]:
    frame = frames.get(thread.ident or 0)
    if frame is not None and thread is not threading.current_thread():
        yield f"thread {thread.name}"
        yield from "".join(traceback.format_stack(frame, _MOST_FRAMES)).rstrip().splitlines()
