"""Whether a backend is fit to be asked: what connects have shown, and what it answers when it is asked how it is."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from typing import TYPE_CHECKING, Final

from penstock.request_handlers.proxy_failures import describe_error

if TYPE_CHECKING:
    import ssl

    from penstock.request_handlers.proxy_place import BackendPlace

logger = logging.getLogger("penstock")

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([23])[0-9][0-9][ \r]")
# Of the answer to the question nothing but its first line is looked at.
_LONGEST_LINE: Final = 8192


class Health:
    """The health of one backend. Without `path` nobody asks it: connects alone tell, and time heals.

    `interval` and `timeout` in seconds. Every time is in seconds of the loop's clock.
    """

    __slots__ = (
        "_failed_connects",
        "_failures",
        "_retry_at",
        "_successes",
        "healthy_after",
        "interval",
        "is_up",
        "name",
        "path",
        "timeout",
        "unhealthy_after",
    )

    def __init__(
        self,
        name: str,
        *,
        path: str = "",
        interval: float = 5.0,
        timeout: float = 2.0,
        unhealthy_after: int = 3,
        healthy_after: int = 2,
    ) -> None:
        self.name = name
        self.path = path
        self.interval = interval
        self.timeout = timeout
        self.unhealthy_after = unhealthy_after
        self.healthy_after = healthy_after
        self.is_up = True
        self._failed_connects = 0
        self._failures = 0
        self._successes = 0
        self._retry_at = 0.0

    def is_open(self, now: float) -> bool:
        """Whether it may be asked now. One that nobody asks how it is gets a single request when its time is over."""
        if self.is_up:
            return True
        if self.path or now < self._retry_at:
            return False
        self._retry_at = now + self.interval
        return True

    def retry_after(self, now: float) -> float:
        """In how many seconds it is worth asking again."""
        return self.interval if self.path else max(0.0, self._retry_at - now)

    def note_connected(self) -> None:
        """A connect has succeeded."""
        self._failed_connects = 0
        if not self.is_up and not self.path:
            self._become_up("it accepts connections")

    def note_no_connection(self, reason: str, now: float) -> None:
        """A connect has failed."""
        self._failed_connects += 1
        self._retry_at = now + self.interval
        if self.is_up and self._failed_connects >= self.unhealthy_after:
            self._become_down(reason)

    def note_bad_answer(self, reason: str) -> None:
        """It was asked how it is, and is not well, or does not say."""
        self._successes = 0
        self._failures += 1
        if self.is_up and self._failures >= self.unhealthy_after:
            self._become_down(reason)

    def note_good_answer(self) -> None:
        """It was asked how it is, and is well."""
        self._failures = 0
        self._successes += 1
        if not self.is_up and self._successes >= self.healthy_after:
            self._become_up(f"{self.path} answers")

    def _become_up(self, reason: str) -> None:
        self.is_up = True
        self._failed_connects = self._failures = self._successes = 0
        logger.warning("the backend %s is up again: %s", self.name, reason)

    def _become_down(self, reason: str) -> None:
        self.is_up = False
        self._failed_connects = self._failures = self._successes = 0
        logger.warning("the backend %s is down, and gets no requests: %s", self.name, reason)


async def watch(health: Health, place: BackendPlace, tls: ssl.SSLContext | None = None) -> None:
    """Ask the backend at `place` how it is, again and again, until cancelled; each time over a connection of its own."""
    head = "GET {} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n"
    question = head.format(health.path, place.authority.decode("ascii")).encode()
    while True:
        try:
            async with asyncio.timeout(health.timeout):
                reason = await _ask(question, place, tls)
        except TimeoutError:
            reason = f"{health.path} was not answered within {health.timeout:g} s"
        except OSError as error:
            reason = f"{health.path} could not be asked: {describe_error(error)}"
        except ValueError as error:
            reason = f"{health.path} could not be asked: {error}"
        if reason:
            health.note_bad_answer(reason)
        else:
            health.note_good_answer()
        await asyncio.sleep(health.interval)


async def _ask(question: bytes, place: BackendPlace, tls: ssl.SSLContext | None) -> str:
    """Ask once; "" when the answer is good, else what is wrong with it. Raises OSError."""
    if place.path and sys.platform != "win32":
        reader, writer = await asyncio.open_unix_connection(place.path, limit=_LONGEST_LINE)
    else:
        reader, writer = await asyncio.open_connection(place.host, place.port, limit=_LONGEST_LINE, ssl=tls)
    try:
        writer.write(question)
        line = await reader.readline()
    finally:
        writer.transport.abort()
    return "" if _STATUS_LINE.match(line) else f"it answered {line[:80]!r}"
