"""The worker's side: it is told what to serve, gets ready, serves, answers questions, drains - in a thread, with its own loop."""

import asyncio
import gc
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.request import urlopen

import msgspec
import pytest

from penstock.errors import ConfigurationError, Problem, StartupError
from penstock.pipeline.context import Context
from penstock.server import build
from penstock.settings import (
    DrainSettings,
    LogSettings,
    PoolSettings,
    RecycleSettings,
    RouteSettings,
    ServerSettings,
    Settings,
    SiteSettings,
)
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
    Stop,
    decode_to_supervisor,
    encode,
)
from penstock.supervisor.worker import Worker, exit_code_of, failure_of, find_pool
from tests.tools.processes import environment

PATIENCE = 10.0


def settings_with(*, preload: tuple[str, ...] = ()) -> Settings:
    """One site with functions that a test brings."""
    paths = ("/", "/waits", "/held", "/fails")
    routes = tuple([RouteSettings(at=at, function=f"test:{at[1:] or 'hello'}") for at in paths])
    return Settings(
        server=ServerSettings(
            listen=("127.0.0.1:0",),
            graceful_timeout=5,
            drain=DrainSettings(idle=0, cancel=1, kill=1),
            log=LogSettings(access=False),
            recycle=RecycleSettings(preload=preload),
            app_dirs=(),
        ),
        sites=(SiteSettings(routes=routes),),
    )


class Told:
    """The supervisor's end of the channel of a worker that runs in a thread."""

    def __init__(self, settings: Settings, *, requests: int = 0) -> None:
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listening.getsockname()[1]}"
        self._ours, self._theirs = socket.socketpair()
        self._ours.settimeout(PATIENCE)
        self._lines = self._ours.makefile("rb")
        self._settings = settings
        self._start = Start(
            settings=msgspec.Raw(b"{}"),
            sockets=(f"fd:{os.dup(self.listening.fileno())}",),
            pool="default",
            slot=0,
            generation=1,
            requests=requests,
        )
        self.is_inside = threading.Event()
        self.may_end = threading.Event()
        self.code: int | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.code = asyncio.run(self._serve())
        gc.unfreeze()  # what a worker keeps for its whole life is not kept by the tests behind this one

    async def _serve(self) -> int:
        objects: dict[str, Callable[..., Any]] = {
            "test:hello": lambda: "hello",
            "test:waits": self._wait,
            "test:held": self._hold,
            "test:fails": _fail,
        }
        self._loop = asyncio.get_running_loop()
        self._worker = Worker(self._start, build(self._settings, objects=objects), self._theirs)
        return await self._worker.run()

    async def _wait(self, context: Context) -> str:
        self.is_inside.set()
        await context.stopping
        return "so long"

    async def _hold(self, context: Context) -> str:
        self.is_inside.set()
        await context.stopping
        while not self.may_end.is_set():  # noqa: ASYNC110 (it is set in another thread)
            await asyncio.sleep(0.01)
        return "at last"

    def say(self, message: Message) -> None:
        """Tell the worker."""
        self._ours.sendall(encode(message))

    def hear(self, kind: type[Any]) -> Any:
        """The next message of this kind."""
        while line := self._lines.readline():
            message = decode_to_supervisor(line)
            if isinstance(message, kind):
                return message
        raise AssertionError(f"no {kind.__name__} came")

    def hang_up(self) -> None:
        """Be gone, as a supervisor that was killed."""
        self._lines.close()
        self._ours.close()

    def terminate(self) -> None:
        """What SIGTERM does."""
        self._loop.call_soon_threadsafe(self._worker.terminate)

    def get(self, path: str = "/") -> str:
        """What it answers a client."""
        with urlopen(self.address + path, timeout=PATIENCE) as answer:
            return str(answer.read().decode())

    def wait_end(self) -> int | None:
        """The exit code."""
        self._thread.join(PATIENCE)
        return self.code

    def close(self) -> None:
        """End it, however far it has come."""
        try:
            self.say(Stop())
        except OSError:
            pass
        self._thread.join(PATIENCE)
        self.hang_up()
        self.listening.close()


@contextmanager
def a_worker(settings: Settings | None = None, *, requests: int = 0) -> Iterator[Told]:
    """A worker, until the block ends."""
    told = Told(settings or settings_with(), requests=requests)
    try:
        yield told
    finally:
        told.close()


def _fail() -> None:
    raise OSError("no database")


def test_it_serves_when_it_is_told_to_and_drains() -> None:
    with a_worker() as told:
        ready = told.hear(Ready)
        assert any("/waits" in line for line in ready.lines)
        told.say(Serve())
        told.say(Serve())  # once is enough
        assert told.get() == "hello"
        told.say(Drain(leave_waiting=True, idle=0, reason="Age"))
        assert told.hear(Drained).cut_off == ""
        assert told.wait_end() == 0


def test_requests_inside_end_and_hear_of_it() -> None:
    with a_worker() as told:
        told.hear(Ready)
        told.say(Serve())
        answers: list[str] = []
        client = threading.Thread(target=lambda: answers.append(told.get("/waits")))
        client.start()
        assert told.is_inside.wait(PATIENCE)
        told.say(Ask(1, "requests"))
        (request,) = told.hear(Answer).content
        assert (request["method"], request["path"]) == ("GET", "/waits")
        told.say(Ask(2, "stacks"))
        assert "_wait" in told.hear(Answer).content
        told.say(Drain(leave_waiting=True, idle=0))
        client.join(PATIENCE)
        assert answers == ["so long"]
        assert told.wait_end() == 0


def test_it_tells_of_itself_every_second() -> None:
    with a_worker() as told:
        assert told.hear(Beat).total == 0
        told.say(Serve())
        told.get()
        beat = told.hear(Beat)
        assert (beat.total, beat.ended) == (1, 1)
        assert beat.resident > 1_000_000


def test_before_it_serves_it_can_be_told_to_go() -> None:
    with a_worker() as told:
        told.hear(Ready)
        told.say(Drain(leave_waiting=False, idle=0))
        assert told.hear(Drained).cut_off == ""
        assert told.wait_end() == 0


def test_sent_sigterm_it_asks_to_be_replaced_and_the_second_time_it_drains() -> None:
    with a_worker() as told:
        told.hear(Ready)
        told.say(Serve())
        assert told.get() == "hello"
        told.terminate()
        advice = told.hear(Advice)
        assert (advice.kind, advice.text) == ("Operator", "it was sent SIGTERM")
        assert told.get() == "hello"
        told.terminate()
        assert told.wait_end() == 0


def test_sent_sigterm_before_it_serves_it_ends() -> None:
    with a_worker() as told:
        told.hear(Ready)
        told.terminate()
        assert told.wait_end() == 0


def test_one_whose_supervisor_has_gone_drains_and_ends(caplog: pytest.LogCaptureFixture) -> None:
    with a_worker() as told:
        told.hear(Ready)
        told.say(Serve())
        told.get()
        told.hang_up()
        assert told.wait_end() == 0
    assert "the supervisor has gone: this worker drains and stops" in caplog.text


@pytest.mark.parametrize("asked_again", ["the supervisor has gone", "SIGTERM", "Drain"])
def test_one_that_drains_goes_on_whoever_asks_again(asked_again: str) -> None:
    with a_worker() as told:
        told.hear(Ready)
        told.say(Serve())
        answers: list[str] = []
        client = threading.Thread(target=lambda: answers.append(told.get("/held")))
        client.start()
        assert told.is_inside.wait(PATIENCE)
        told.say(Drain(leave_waiting=True, idle=0))
        if asked_again == "SIGTERM":
            told.terminate()
            told.terminate()
        elif asked_again == "Drain":
            told.say(Drain(leave_waiting=True, idle=0))
        else:
            told.hang_up()
        told.may_end.set()
        client.join(PATIENCE)
        assert answers == ["at last"]
        assert told.wait_end() == 0


def test_pipeline_w02_behind_its_last_request_it_asks_to_be_replaced_and_goes_on() -> None:
    with a_worker(requests=2) as told:
        told.hear(Ready)
        told.say(Serve())
        assert [told.get(), told.get()] == ["hello", "hello"]
        advice = told.hear(Advice)
        assert (advice.kind, advice.text) == ("RequestLimit", "2 requests were taken in")
        assert told.get() == "hello"


def test_pipeline_w03_one_that_cannot_be_warmed_up_says_so_and_ends() -> None:
    with a_worker(settings_with(preload=("/", "/fails"))) as told:
        failed = told.hear(Failed)
        assert failed.code == 3
        assert "/fails of localhost is answered with 500" in failed.traceback
        assert told.wait_end() == 3


def test_why_it_does_not_start_is_told_as_the_command_line_would() -> None:
    wrong = ConfigurationError([Problem("there is no module shop", "penstock.toml:9")])
    assert failure_of(wrong) == Failed(code=2, problems=(("there is no module shop", "penstock.toml:9"),))
    assert exit_code_of(wrong) == 2
    failed = failure_of(StartupError("no database"))
    assert (failed.code, "no database" in failed.traceback) == (3, True)


def test_a_pool_is_found_by_its_name() -> None:
    pool = PoolSettings(name="reports")
    assert find_pool(Settings(pools=(pool,)), "reports") is pool
    assert find_pool(Settings(pools=(pool,)), "default") is None


def run_program(start: bytes) -> "subprocess.CompletedProcess[str]":
    """The program, which is told `start` and nothing more."""
    ours, theirs = socket.socketpair()
    with ours, theirs, tempfile.TemporaryFile() as stacks:
        ours.sendall(start)
        ours.shutdown(socket.SHUT_WR)
        words = [sys.executable, "-m", "penstock.supervisor.worker", str(theirs.fileno()), str(stacks.fileno())]
        done = subprocess.run(
            words,
            pass_fds=(theirs.fileno(), stacks.fileno()),
            env=environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE * 3,
            check=False,
        )
        ours.settimeout(PATIENCE)
        theirs.close()
        done.stdout += ours.recv(65536).decode()
        return done


def test_the_program_refuses_what_it_cannot_serve_and_says_so() -> None:
    settings = Settings(sites=(SiteSettings(routes=(RouteSettings(at="/", function="nowhere_to_be_found:app"),)),))
    raw = msgspec.Raw(msgspec.json.encode(settings))
    done = run_program(encode(Start(settings=raw, sockets=(), pool="default", slot=0, generation=1, key="ab" * 32)))
    assert done.returncode == 2, done.stderr
    told = json.loads(done.stdout.splitlines()[0])
    assert told["type"] == "failed"
    assert "nowhere_to_be_found" in str(told["problems"])


def test_the_program_needs_a_supervisor() -> None:
    done = run_program(b'{"type": "serve"}\n')
    assert done.returncode == 1
    assert "this worker cannot be told what to serve: the first message is Serve, not Start" in done.stderr
