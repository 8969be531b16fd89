"""`wsgi.errors`: what an application writes there becomes lines in the log."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from threading import get_ident
from typing import Final

logger: Final = logging.getLogger("penstock.wsgi")


class ErrorLog:
    """A text stream to write to (PEP 3333). Threads share it; each writes its own lines."""

    __slots__ = ("_begun",)

    def __init__(self) -> None:
        self._begun: dict[int, str] = {}

    def write(self, text: str) -> int:
        """Log the lines that are whole now; the rest waits for the end of its line, or for `flush`."""
        whole, newline, rest = (self._begun.pop(get_ident(), "") + text).rpartition("\n")
        if rest:
            self._begun[get_ident()] = rest
        if newline:
            _log(whole)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write one after another."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Log the line that this thread has begun."""
        _log(self._begun.pop(get_ident(), ""))


def _log(text: str) -> None:
    for line in text.split("\n"):
        if line and not line.isspace():
            logger.error("%s", line.rstrip())
