"""How a process that waits for others notices signals: each is remembered, and ends the wait."""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
from types import FrameType, TracebackType
from typing import Any, Final, Self

_ENDING: Final = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)
)


class CaughtSignals:
    """While it is entered, signals that would end this process are kept in `received`, and a child's end wakes `pause`.

    To be entered on the main thread; the handlers that were there before are put back.
    """

    __slots__ = ("_before", "_reader", "_wakeup_before", "_writer", "received")

    def __init__(self) -> None:
        self.received: list[int] = []
        self._before: dict[int, Any] = {}
        self._reader, self._writer = socket.socketpair()
        self._wakeup_before = -1

    def __enter__(self) -> Self:
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._wakeup_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in _ENDING:
            self._before[number] = signal.signal(number, self._receive)
        if sys.platform != "win32":
            self._before[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, _notice)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup_before)
        self._reader.close()
        self._writer.close()

    def pause(self, seconds: float) -> None:
        """Wait for so many seconds, or until a signal comes; one that has come since the last time counts."""
        ready, _, _ = select.select([self._reader], [], [], seconds)
        if ready:
            self._reader.recv(4096)

    @property
    def came_from_terminal(self) -> bool:
        """Whether what came was Ctrl-C in a terminal, which sends it to the child processes as well."""
        return self.received[:1] == [signal.SIGINT] and _is_in_foreground()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.received.append(number)


def _notice(number: int, frame: FrameType | None) -> None:
    """Nothing to do: that it came has ended the wait."""


def _is_in_foreground() -> bool:
    if sys.platform != "win32":
        try:
            terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
        except OSError:
            return False
        try:
            if os.tcgetpgrp(terminal) != os.getpgrp():
                return False
        except OSError:
            return False
        finally:
            os.close(terminal)
    return True  # Windows: the console tells every process attached to it
