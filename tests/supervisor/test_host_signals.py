"""This file is the test of the table of signals, and of how they are held back while the program is replaced."""

import asyncio
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvloop

from penstock.supervisor.host_signals import TABLE, HostSignals, hold, release

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations.md"
LIMIT = 10


class Told:
    """Operations that write down what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.changed = asyncio.Event()

    def __getattr__(self, name: str) -> object:
        def ask() -> None:
            self.asked.append(name)
            self.changed.set()

        return ask

    async def wait_for(self, *names: str) -> None:
        async with asyncio.timeout(LIMIT):
            while self.asked != list(names):
                self.changed.clear()
                await self.changed.wait()


def installed(told: Told) -> HostSignals:
    signals = HostSignals(told)  # type: ignore[arg-type]  # it answers to every name
    signals.install()
    return signals


def start_child() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-ISc", ""])


@pytest.fixture(params=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    factory = uvloop.new_event_loop if request.param == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        yield runner


class TestTable:
    @pytest.mark.parametrize(("text", "name"), [(text, name) for text, name, _ in TABLE if text != "SIGCHLD"])
    def test_each_signal_asks_for_its_operation(self, runner: asyncio.Runner, text: str, name: str) -> None:
        async def journey() -> None:
            told = Told()
            signals = installed(told)
            os.kill(os.getpid(), getattr(signal, text))
            await told.wait_for(name)
            signals.remove()

        runner.run(journey())

    def test_the_end_of_a_child_is_told(self) -> None:
        async def journey() -> None:
            told = Told()
            signals = installed(told)
            child = start_child()
            await told.wait_for("reap")
            assert child.poll() == 0
            signals.remove()

        asyncio.run(journey())

    def test_the_second_ctrl_c_stops_at_once_and_a_second_sigterm_does_not(self, runner: asyncio.Runner) -> None:
        async def journey() -> None:
            told = Told()
            signals = installed(told)
            os.kill(os.getpid(), signal.SIGINT)
            await told.wait_for("interrupt")
            os.kill(os.getpid(), signal.SIGTERM)
            await told.wait_for("interrupt", "stop")
            os.kill(os.getpid(), signal.SIGINT)
            await told.wait_for("interrupt", "stop", "stop_now")
            signals.remove()

        runner.run(journey())

    def test_handlers_are_removed(self) -> None:
        async def journey() -> None:
            installed(Told()).remove()

        numbers = [getattr(signal, text) for text, _, _ in TABLE if text != "SIGINT"]
        asyncio.run(journey())
        assert {signal.getsignal(number) for number in numbers} == {signal.SIG_DFL}

    def test_the_page_for_operators_has_the_same_table(self) -> None:
        rows = dict(
            re.findall(r"^\| `(SIG\w+)`[^|]*\| ([^|]+) \|", OPERATIONS.read_text(encoding="utf-8"), re.MULTILINE)
        )
        assert rows == {text: told for text, _, told in TABLE if text != "SIGCHLD"}


class TestHolding:
    def test_what_comes_while_the_program_is_replaced_is_answered_by_the_new_one(self) -> None:
        new = (
            "import asyncio, os\n"
            "from penstock.supervisor.host_signals import HostSignals\n"
            "class Operations:\n"
            "    def __getattr__(self, name):\n"
            "        return lambda: done.set_result(name)\n"
            "async def main():\n"
            "    global done\n"
            "    done = asyncio.get_running_loop().create_future()\n"
            "    HostSignals(Operations()).install()\n"
            "    print(await done)\n"
            "asyncio.run(main())\n"
        )
        old = (
            "import os, signal, sys\n"
            "from penstock.supervisor.host_signals import hold\n"
            "hold()\n"
            "os.kill(os.getpid(), signal.SIGUSR2)\n"
            "os.execv(sys.executable, [sys.executable, '-c', sys.argv[1]])\n"
        )
        done = subprocess.run([sys.executable, "-c", old, new], capture_output=True, text=True, check=True)
        assert done.stdout == "upgrade\n"

    def test_they_are_released_when_it_is_not_replaced(self) -> None:
        before = signal.pthread_sigmask(signal.SIG_BLOCK, [])
        hold()
        assert signal.SIGHUP in signal.pthread_sigmask(signal.SIG_BLOCK, [])
        release()
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before


HANGUP = (
    "import asyncio, fcntl, os, signal, sys, termios\n"
    "from penstock.supervisor.host_signals import HostSignals\n"
    "if 'nohup' in sys.argv: signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    "if 'terminal' in sys.argv:\n"
    "    os.setsid()\n"
    "    fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
    "class Operations:\n"
    "    def __getattr__(self, name):\n"
    "        return lambda: done.set_result(name)\n"
    "async def main():\n"
    "    global done\n"
    "    done = asyncio.get_running_loop().create_future()\n"
    "    HostSignals(Operations()).install()\n"
    "    print('ready', flush=True)\n"
    "    print(await done, flush=True)\n"
    "asyncio.run(main())\n"
)


class TestHangUp:
    @pytest.mark.parametrize(
        ("words", "closes", "asked"),
        [
            (["terminal"], True, "stop"),
            (["terminal"], False, "reload"),
            (["terminal", "nohup"], True, "reload"),
        ],
    )
    def test_a_terminal_that_is_closed_ends_the_server_that_was_started_in_it(
        self, words: list[str], closes: bool, asked: str
    ) -> None:
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-c", HANGUP, *words], stdin=theirs, stdout=subprocess.PIPE, text=True
        ) as server:
            os.close(theirs)
            assert server.stdout is not None
            assert server.stdout.readline() == "ready\n"
            if closes:
                os.close(ours)  # the kernel sends SIGHUP to the leader of the session
            else:
                server.send_signal(signal.SIGHUP)
            assert server.stdout.readline() == f"{asked}\n"
        if not closes:
            os.close(ours)
