"""How messages reach the operator: on standard error, unless somebody has configured Python's logging."""

from __future__ import annotations

import logging
from typing import Final

# Control characters, but for the newline and the tab of a traceback, and the marks that turn text around: what a client sent
# may stand in the text of an exception, and must not command the terminal on which it is read (bad-input row 46).
_MARKS: Final = (*range(0x200E, 0x2010), *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_ESCAPES: Final = {code: f"\\x{code:02x}" for code in (*range(9), *range(11, 32), *range(127, 160))} | {
    code: f"\\u{code:04x}" for code in _MARKS
}


class EscapingFormatter(logging.Formatter):
    """Writes time, level and message, control characters escaped, in exceptions and tracebacks, too."""

    def __init__(self, *, names_process: bool = False) -> None:
        """`names_process`: several processes write to the same place."""
        super().__init__(f"%(asctime)s {'[%(process)d] ' if names_process else ''}%(levelname)s %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """The text of `record`; an exception may have several lines."""
        return super().format(record).translate(_ESCAPES)


def configure_messages(level: str, *, names_process: bool = False) -> None:
    """Write what is of `level` ("info") or more severe. Where handlers are there already, they are left alone.

    `names_process`: with the number of the process in front, where several write to the same place.
    """
    logger = logging.getLogger("penstock")
    logger.setLevel(level.upper())
    if not logger.handlers and not logging.getLogger().handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(EscapingFormatter(names_process=names_process))
        logger.addHandler(handler)
        logger.propagate = False
