"""What each signal to the supervisor asks for, and how it reaches the event loop: the table of `docs/operations.md`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol


class Operations(Protocol):
    """What a signal can ask of the supervisor. Each is called on the event loop, and returns at once."""

    def stop(self) -> None:
        """Let the requests inside end, then exit."""

    def interrupt(self) -> None:
        """As `stop`, but connections that are silent are closed at once: whoever pressed Ctrl-C waits for the prompt."""

    def stop_now(self) -> None:
        """Cut off what is inside, and exit."""

    def reload(self) -> None:
        """Read the settings again, and replace all workers."""

    def reopen_logs(self) -> None:
        """Open the files of logs again: they were moved."""

    def upgrade(self) -> None:
        """Replace the program of the supervisor, in place."""

    def add_worker(self) -> None:
        """One worker more in the default pool."""

    def remove_worker(self) -> None:
        """One worker fewer in the default pool."""

    def reap(self) -> None:
        """A child process has ended."""


# The signal, the name of what it asks for, and what `docs/operations.md` says of it.
TABLE: Final[tuple[tuple[str, str, str], ...]] = (
    ("SIGTERM", "stop", "stop: let the requests inside end"),
    (
        "SIGINT",
        "interrupt",
        "stop as SIGTERM, but close silent connections at once; the second one cuts off what is inside",
    ),
    ("SIGQUIT", "stop_now", "stop at once"),
    ("SIGHUP", "reload", "read the settings again and replace all workers"),
    ("SIGUSR1", "reopen_logs", "open the log files again"),
    ("SIGUSR2", "upgrade", "replace the program in place"),
    ("SIGTTIN", "add_worker", "one worker more"),
    ("SIGTTOU", "remove_worker", "one worker fewer"),
    ("SIGCHLD", "reap", "a child process has ended"),
)


class HostSignals:
    """The handlers of all signals in `TABLE`, from `install` until `remove`.

    As process 1 of a container a process gets only signals that it handles, and by default the others of the table end a
    process; so all are handled from the beginning to the end.
    """

    def __init__(self, operations: Operations) -> None:
        self._operations = operations
        self._interrupts = 0
        self._survives_hangup = False
        self._has_terminal = False
        self._installed: list[int] = []

    def install(self) -> None:
        """Handle them on the running loop, which is that of the main thread. What was held back by `hold` comes now."""
        loop = asyncio.get_running_loop()
        if sys.platform != "win32":
            # nohup(1): a server that is to outlive its terminal is told so by a signal that is ignored.
            self._survives_hangup = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            self._has_terminal = _has_terminal()
        for number, action in self._actions().items():
            try:
                loop.add_signal_handler(number, action)
            except RuntimeError:
                continue  # uvloop keeps SIGCHLD to itself: who runs on it has to look for the dead now and then
            self._installed.append(number)
        release(self._installed)

    def remove(self) -> None:
        """Handle them no more; they do what they did before Python."""
        loop = asyncio.get_running_loop()
        while self._installed:
            loop.remove_signal_handler(self._installed.pop())

    def interrupt(self) -> None:
        """Ctrl-C: once is a wish, twice is an order."""
        self._interrupts += 1
        if self._interrupts == 1:
            self._operations.interrupt()
        else:
            self._operations.stop_now()

    def hang_up(self) -> None:
        """A reload; but when it is the terminal this server was started in that has gone, nobody is there to stop it later."""
        if self._has_terminal and not self._survives_hangup and not _has_terminal():
            self._operations.stop()
        else:
            self._operations.reload()

    def _actions(self) -> Mapping[int, Callable[[], None]]:
        ours = {"interrupt": self.interrupt, "reload": self.hang_up}
        return {
            number: ours.get(name) or getattr(self._operations, name)
            for text, name, _ in TABLE
            if (number := getattr(signal, text, None)) is not None
        }


def hold() -> None:
    """Hold back all signals of the table. They stay so when the program is replaced, and come when it handles them."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_BLOCK, _numbers())


def release(numbers: Iterable[int] | None = None) -> None:
    """Let them come: those of the table, or `numbers`."""
    if sys.platform != "win32":
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _numbers() if numbers is None else numbers)


def _numbers() -> list[int]:
    return [number for text, _, _ in TABLE if (number := getattr(signal, text, None)) is not None]


def _has_terminal() -> bool:
    """Whether this process has a terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | getattr(os, "O_NOCTTY", 0)))
    except OSError:
        return False
    return True
