"""A worker as its supervisor sees it: a process that says what a script lets it say."""

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.supervisor.control_model import ControlRefused
from penstock.supervisor.messages import Advice, Beat, Drain, Serve, Start, decode_to_worker
from penstock.supervisor.worker_process import WorkerProcess, WorkerState, end_text
from tests.supervisor.on_loop import on_loop

PATIENCE = 10.0
START = Start(settings=msgspec.Raw(b"{}"), sockets=("fd:5",), pool="reports", slot=1, generation=4)

# Says what it hears, as an answer to question 0, and what it is told to say: behind "-m", its module, come its descriptors.
SCRIPT = """
import json, os, socket, sys
end = socket.socket(fileno=int(sys.argv[3]))
lines = end.makefile("rb")
def say(type, **fields):
    end.sendall(json.dumps({"type": type, **fields}).encode() + b"\\n")
start = json.loads(next(lines))
assert start["type"] == "start" and start["slot"] == 1, start
os.fstat(int(sys.argv[4]))
SAYS
for line in lines:
    message = json.loads(line)
    if message["type"] == "ask":
        say("answer", number=message["number"], content=[os.getpid(), message["about"]])
    elif message["type"] == "drain":
        say("drained", cut_off="2 requests")
        raise SystemExit(0)
"""
READY = 'say("ready", lines=["  /  ASGI app:app"])'


@asynccontextmanager
async def a_worker(says: str = READY, **said: Any) -> AsyncIterator[WorkerProcess]:
    """The worker, whose process has been started, and is killed at the end."""
    worker = WorkerProcess(7, pool="reports", slot=1, generation=4)
    script = SCRIPT.replace("SAYS", says)
    await worker.launch(START, [], program=(sys.executable, "-ISc", script), environment={}, **said)
    try:
        yield worker
    finally:
        worker.kill()
        await wait_end(worker)


def a_child(script: str) -> "subprocess.Popen[bytes]":
    """A process that an earlier program might have started."""
    return subprocess.Popen([sys.executable, "-ISc", script], stdin=subprocess.PIPE)


def state_of(worker: WorkerProcess) -> WorkerState:
    """As it is now."""
    return worker.state


async def wait_end(worker: WorkerProcess) -> None:
    """Until the process has ended, which SIGCHLD would tell the supervisor."""
    async with asyncio.timeout(PATIENCE):
        while not worker.look():  # noqa: ASYNC110 (it is the supervisor who is told by a signal)
            await asyncio.sleep(0.005)


async def wait_for(future: "asyncio.Future[Any]") -> Any:
    """What it becomes."""
    async with asyncio.timeout(PATIENCE):
        return await future


@on_loop
async def test_it_starts_gets_ready_serves_drains_and_ends() -> None:
    async with a_worker() as worker:
        ended: list[WorkerProcess] = []
        worker.on_end = ended.append
        assert state_of(worker) is WorkerState.STARTING
        assert await wait_for(worker.ready)
        assert (state_of(worker), worker.lines) == (WorkerState.READY, ("  /  ASGI app:app",))
        worker.serve()
        assert state_of(worker) is WorkerState.SERVING
        worker.drain(leave_waiting=True, idle=0.5, reason="Age")
        worker.drain(leave_waiting=True, idle=0.5, reason="Memory")  # once is enough
        assert (state_of(worker), worker.reason) == (WorkerState.DRAINING, "Age")
        await wait_end(worker)
        assert (state_of(worker), worker.exit_code, worker.is_ended) == (WorkerState.ENDED, 0, True)
        assert ended == [worker]
        assert worker.look()
        assert ended == [worker]


@on_loop
async def test_what_it_says_is_taken() -> None:
    says = 'say("beat", total=9, executing=2, lag=0.25); say("advice", kind="PathChanged", text="moved");' + READY
    async with a_worker(says) as worker:
        advice: list[Advice] = []
        worker.on_advice = lambda _, said: advice.append(said)
        await wait_for(worker.ready)
        assert (worker.beat.total, worker.beat.executing, worker.beat.lag) == (9, 2, 0.25)
        assert advice == [Advice(kind="PathChanged", text="moved")]
        assert (worker.take_beat(), worker.take_beat()) == (True, False)


@pytest.mark.parametrize("busy", ["executing", "queued", "sockets", "background"])
@on_loop
async def test_pipeline_g09_whatever_is_inside_keeps_it_busy(busy: str) -> None:
    worker = WorkerProcess(3, pool="reports", slot=0, generation=1)
    worker._receive(Beat())
    worker.last_busy = 0.0
    worker._receive(Beat())
    assert worker.last_busy == 0.0
    worker._receive(Beat(**{busy: 1}))
    assert worker.last_busy > 0.0
    worker.last_busy = 0.0
    worker._receive(Beat(total=1))  # one that came and went between two beats
    assert worker.last_busy > 0.0


@on_loop
async def test_answers_find_their_questions() -> None:
    async with a_worker() as worker:
        await wait_for(worker.ready)
        answers = await asyncio.gather(worker.ask("requests", PATIENCE), worker.ask("stacks", PATIENCE))
        assert list(answers) == [[worker.pid, "requests"], [worker.pid, "stacks"]]


@on_loop
async def test_who_does_not_answer_is_late_and_who_ends_meanwhile_has_ended() -> None:
    async with a_worker(READY + "\nimport time\ntime.sleep(60)") as worker:
        await wait_for(worker.ready)
        with pytest.raises(TimeoutError):
            await worker.ask("requests", 0.02)
        asked = asyncio.create_task(worker.ask("requests", PATIENCE))
        await asyncio.sleep(0)
        worker.kill()
        await wait_end(worker)
        with pytest.raises(ConnectionError, match="the worker has ended"):
            await asked
        assert (worker.is_killed, worker.exit_code) == (True, -signal.SIGKILL)


@on_loop
async def test_one_that_fails_says_why_and_is_never_ready() -> None:
    says = 'say("failed", code=3, traceback="OSError: no database"); raise SystemExit(3)'
    async with a_worker(says) as worker:
        ready = asyncio.create_task(wait_for(worker.ready))
        await wait_end(worker)
        assert await ready is False
        async with asyncio.timeout(PATIENCE):
            while worker.failure is None:  # noqa: ASYNC110 (its last words may come behind its end)
                await asyncio.sleep(0.005)
        assert (worker.failure.code, worker.failure.traceback) == (3, "OSError: no database")


@on_loop
async def test_what_cannot_be_started_is_an_oserror_and_leaves_nothing_open(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0  # noqa: ASYNC240
    worker = WorkerProcess(7, pool="reports", slot=1, generation=4)
    with pytest.raises(OSError, match="nowhere"):
        await worker.launch(START, [], program=(str(tmp_path / "nowhere"),))
    assert (worker.pid, worker.is_ended) == (0, False)
    worker.kill()  # which does nothing
    if worker.stacks is not None:
        worker.stacks.close()
    if before:
        assert len(os.listdir("/proc/self/fd")) == before


def refuse(*_: object) -> None:
    """What a disk without room does."""
    raise OSError(errno.ENOSPC, "No space left on device")


@on_loop
async def test_a_disk_that_is_full_keeps_no_worker_from_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    if sys.platform == "linux":  # elsewhere every file is on a disk
        monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    async with a_worker() as worker:
        assert await asyncio.wait_for(worker.ready, PATIENCE)


@on_loop
async def test_it_inherits_its_sockets_and_no_others() -> None:
    with socket.socket() as own, socket.socket() as other:
        says = f"os.fstat({own.fileno()})\ntry:\n    os.fstat({other.fileno()})\nexcept OSError:\n    {READY}"
        worker = WorkerProcess(7, pool="reports", slot=1, generation=4)
        script = SCRIPT.replace("SAYS", says)
        await worker.launch(START, [own], program=(sys.executable, "-ISc", script), environment={})
        assert await wait_for(worker.ready)
        worker.kill()
        await wait_end(worker)


@on_loop
async def test_one_of_an_earlier_program_is_taken_over() -> None:
    ours, theirs = socket.socketpair()
    with theirs, a_child("import sys; sys.stdin.read(1); sys.exit(5)") as process:
        worker = WorkerProcess(3, pool="default", slot=0, generation=1)
        await worker.adopt(ours, pid=process.pid, started=12.5, state=WorkerState.SERVING)
        assert (worker.pid, worker.started, worker.state) == (process.pid, 12.5, WorkerState.SERVING)
        assert await wait_for(worker.ready)
        assert worker.channel_fd == ours.fileno()
        worker.drain(leave_waiting=True, idle=1)
        theirs.settimeout(PATIENCE)
        line = await asyncio.to_thread(theirs.recv, 1000)
        assert decode_to_worker(line) == Drain(leave_waiting=True, idle=1, reason="")
        with pytest.raises(ControlRefused):
            await worker.take_stacks(0.1)
        assert process.stdin is not None
        process.stdin.close()
        process.stdin = None
        await wait_end(worker)
        assert worker.exit_code == 5
        process.returncode = 5  # somebody else has asked for it


@on_loop
async def test_only_one_that_is_ready_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[object] = []
    worker = WorkerProcess(3, pool="default", slot=0, generation=1)
    monkeypatch.setattr(worker._channel, "send", sent.append)
    worker.serve()
    assert (state_of(worker), sent) == (WorkerState.STARTING, [])
    worker._change(WorkerState.READY)
    worker.serve()
    assert sent == [Serve()]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (None, "is running"),
        (0, "ended with exit code 0"),
        (3, "ended with exit code 3"),
        (-9, "was ended by SIGKILL"),
        (-250, "was ended by signal 250"),
    ],
)
def test_how_a_process_ended(code: int | None, text: str) -> None:
    assert end_text(code) == text
