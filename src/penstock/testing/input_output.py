"""Input and output, noticed: what a piece of code opened, connected to or started, by the audit events of Python."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_NOTICED: Final = {
    "open": "opened a file",
    "socket.connect": "connected a socket",
    "socket.bind": "bound a socket",
    "socket.getaddrinfo": "asked for an address",
    "subprocess.Popen": "started a process",
    "os.system": "started a process",
    "time.sleep": "slept",
    "sqlite3.connect": "opened a database",
}
_CODE: Final = (".py", ".pyc", ".so", ".pyd")  # an import is no I/O of the module
# An audit hook stays for the life of the process: there is one, and it looks into the innermost of these.
_noticing: list[list[str]] = []
_is_hooked: list[bool] = []


@contextmanager
def noticed() -> Iterator[list[str]]:
    """Within the block, the list grows with what was done, in words."""
    if not _is_hooked:
        _is_hooked.append(True)
        sys.addaudithook(_notice)
    found: list[str] = []
    _noticing.append(found)
    try:
        yield found
    finally:
        _noticing.remove(found)


def _notice(event: str, arguments: tuple[Any, ...]) -> None:
    if not _noticing or event not in _NOTICED:
        return
    subject = str(arguments[0]) if event == "open" and arguments else ""
    if not subject.endswith(_CODE):
        _noticing[-1].append(f"{_NOTICED[event]} {subject}".strip())
