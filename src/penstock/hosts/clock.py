"""The one clock of a process: it sweeps all time limits once a second, and writes the date of all answers."""

from __future__ import annotations

import asyncio
from time import time
from typing import Protocol

from penstock.http.dates import format_http_date

TICK = 1.0  # seconds


class Swept(Protocol):
    """What the clock looks at once a second."""

    def sweep(self, now: float) -> None:
        """Judge the time limits. `now` is in seconds, on the loop's clock."""


class Clock:
    """`now` is the loop's time to the second, `date` the `date` field of an answer with its CRLF.

    Per request no timer is set: connections write down `now` and are swept.
    """

    __slots__ = ("_handle", "_is_dated", "_loop", "_swept", "date", "now", "server_line")

    def __init__(self, loop: asyncio.AbstractEventLoop, *, server_line: bytes = b"", is_dated: bool = True) -> None:
        """`server_line` is written behind the date of every answer: a whole field with its CRLF, or nothing.

        `is_dated` False: a server in front writes the date.
        """
        self._is_dated = is_dated
        self._loop = loop
        self._swept: set[Swept] = set()
        self._handle: asyncio.TimerHandle | None = None
        self.server_line = server_line
        self.now = loop.time()
        self.date = b""
        self.read()

    def start(self) -> None:
        """Begin to tick."""
        self._handle = self._loop.call_later(TICK, self._tick)

    def stop(self) -> None:
        """Tick no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def add(self, swept: Swept) -> None:
        """Sweep this one from now on."""
        self._swept.add(swept)

    def discard(self, swept: Swept) -> None:
        """Sweep it no more."""
        self._swept.discard(swept)

    def read(self) -> None:
        """Read the time now; done once a second, and more often by who must know it better."""
        self.now = self._loop.time()
        date = b"date: %b\r\n" % format_http_date(int(time())) if self._is_dated else b""
        self.date = date + self.server_line

    def _tick(self) -> None:
        self._handle = self._loop.call_later(TICK, self._tick)
        self.read()
        for swept in tuple(self._swept):
            swept.sweep(self.now)
