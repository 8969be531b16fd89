"""How a server is started anew when its files change, while its sockets stay open and connections wait in their backlog."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import cache_from_source
from socket import socket
from typing import Final

from penstock.supervisor.signals import CaughtSignals
from penstock.supervisor.watching import WatchedFiles, open_watcher

# Seconds that requests may take to end before the old code goes. In development somebody is waiting for the new.
GRACE: Final = 2.0

# Linux tells a child when its parent was killed, which no handler of the parent can: PR_SET_PDEATHSIG is 1, and holds
# across exec. A program of its own sets it, because code between fork and exec is not safe beside threads.
_BOUND_TO_PARENT: Final = (
    "import ctypes, os, sys\n"
    "ctypes.CDLL(None).prctl(1, 15)\n"
    "if os.getppid() != int(sys.argv[1]): sys.exit(1)\n"
    "os.execvp(sys.argv[2], sys.argv[2:])\n"
)


def run(
    arguments: Sequence[str],
    sockets: Sequence[socket],
    *,
    directories: Sequence[str],
    includes: Sequence[str] = ("*.py",),
    files: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    grace: float = GRACE,
    say: Callable[[str], None] | None = None,
) -> int:
    """Run a server as a child process, over again whenever a watched file changes, until a signal ends both.

    `arguments` is the child's command line. It inherits `sockets` under the same numbers ("fd:3"), listening already;
    they stay the caller's to close. `directories`, `includes` and `files` say what is watched (see `WatchedFiles`).
    A child that ends by itself, as on an error in the code, is started anew at the next change. SIGINT and SIGTERM stop
    both after at most `grace` seconds, a second one at once. `say` gets the lines for the person who watches.

    Returns the exit code: 0. Raises ConfigurationError when a folder cannot be watched, OSError when the child's program
    cannot be started. To be called on the main thread.
    """
    say = say or _say
    watched = WatchedFiles(directories, includes, files)
    with CaughtSignals() as signals:
        watcher = open_watcher(watched, signals.pause, lambda: bool(signals.received))
        child = _Child(arguments, sockets, environment)
        is_down = False
        try:
            while not signals.received:
                changed = watcher.find_changes()
                if changed and not signals.received:
                    say(f"{_listed(changed)} changed: starting anew")
                    child.stop(signals, grace=grace)
                    if signals.received:
                        break
                    _forget_bytecode(changed)
                    child = _Child(arguments, sockets, environment)
                    is_down = False
                elif child.has_ended and not is_down and not signals.received:
                    is_down = True
                    say(f"the server has ended with exit code {child.code}; it starts anew when a file changes")
        finally:
            child.stop(signals, grace=grace, is_told=signals.came_from_terminal)
    return 0


class _Child:
    """The server's process."""

    __slots__ = ("_process",)

    def __init__(
        self, arguments: Sequence[str], sockets: Sequence[socket], environment: Mapping[str, str] | None
    ) -> None:
        if sys.platform == "win32":
            for inherited in sockets:
                inherited.set_inheritable(True)
            self._process = subprocess.Popen(arguments, env=environment, close_fds=False)
        else:
            if sys.platform == "linux":
                arguments = [sys.executable, "-ISc", _BOUND_TO_PARENT, str(os.getpid()), *arguments]
            numbers = [inherited.fileno() for inherited in sockets]
            self._process = subprocess.Popen(arguments, env=environment, pass_fds=numbers)

    @property
    def has_ended(self) -> bool:
        return self._process.poll() is not None

    @property
    def code(self) -> int | None:
        return self._process.returncode

    def stop(self, signals: CaughtSignals, *, grace: float, is_told: bool = False) -> None:
        """Ask it to end, unless somebody has (`is_told`); end it after `grace` seconds, or when a further signal comes."""
        if not is_told:
            self._process.terminate()
        before = min(len(signals.received), 1)
        patience = time.monotonic() + grace
        while not self.has_ended and len(signals.received) == before and (left := patience - time.monotonic()) > 0:
            signals.pause(left)
        if not self.has_ended:
            self._process.kill()
        self._process.wait()


def _forget_bytecode(paths: Sequence[str]) -> None:
    """Remove what Python compiled from `paths`: it takes a file of the same second and size for the same file."""
    for path in paths:
        if path.endswith(".py"):
            try:
                os.unlink(cache_from_source(path))
            except (OSError, NotImplementedError):
                pass  # there was none


def _listed(paths: Sequence[str]) -> str:
    names = [os.path.relpath(path) if _is_near(path) else path for path in paths[:3]]
    return ", ".join(names) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


def _is_near(path: str) -> bool:
    return path.startswith(os.getcwd() + os.sep)


def _say(text: str) -> None:
    print(f"penstock: {text}", file=sys.stderr, flush=True)  # noqa: T201  # it is for the person at the keyboard
