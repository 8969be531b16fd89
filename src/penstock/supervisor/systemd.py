"""What is said to systemd, and the sockets that it hands over: sd_notify(3) and sd_listen_fds(3), without its library."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from penstock.hosts.binds import parse_bind
from penstock.hosts.unix_socket import AF_UNIX

# sd_listen_fds(3): the first descriptor that is handed over is always 3.
_FIRST: Final = 3
# They are meant for one process: a child that finds them would speak in its name.
VARIABLES: Final = (
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "LISTEN_PIDFDID",
)
# Seconds that systemd may take to empty the socket it reads from.
_PATIENCE: Final = 1.0


class HandedSocket(NamedTuple):
    """A listening socket from systemd: its number, and the name that `FileDescriptorName=` of its unit gives it."""

    descriptor: int
    name: str


class Notifier:
    """What systemd is told of this service. Nothing happens, and nothing is raised, where nobody listens."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """`environment` is that of the process by default. It is only read: the variables are there after an upgrade, too."""
        variables = os.environ if environment is None else environment
        self._address = _address_of(variables.get("NOTIFY_SOCKET", ""))
        self.watchdog_interval = _find_watchdog_interval(variables) if self._address else 0.0

    def ready(self, status: str = "") -> None:
        """All is up: after the start, and after each `reloading`."""
        self._send("READY=1", f"MAINPID={os.getpid()}", *_status(status))

    def reloading(self, status: str = "") -> None:
        """The settings are read again, or the program is replaced; `ready` says that it is done, also when it has failed."""
        # systemd.service(5), Type=notify-reload: without the time a reload is not told from one before.
        # On Linux, Python's clock is the CLOCK_MONOTONIC that is meant.
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", *_status(status))

    def stopping(self, status: str = "") -> None:
        """The end has begun."""
        self._send("STOPPING=1", *_status(status))

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(*_status(text))

    def extend(self, seconds: float) -> None:
        """Starting, reloading or stopping needs so many seconds from now on; systemd waits at least that long."""
        self._send(f"EXTEND_TIMEOUT_USEC={int(seconds * 1_000_000)}")

    def watchdog(self) -> None:
        """The event loop turns. To be said every `watchdog_interval` seconds, half of what the unit allows; 0 is never."""
        if self.watchdog_interval:
            self._send("WATCHDOG=1")

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.settimeout(_PATIENCE)
                sender.sendto("\n".join(lines).encode(), self._address)
        except (OSError, ValueError):
            pass  # who watches the service has gone; that is no reason to stop serving


def find_sockets(environment: Mapping[str, str] | None = None) -> list[HandedSocket]:
    """The sockets that systemd hands to this process; none when they are meant for another one (`LISTEN_PID`).

    The variables stay, for a reload and for the program this process becomes by an upgrade in place.
    """
    variables = os.environ if environment is None else environment
    number, process, names = (variables.get(name, "") for name in ("LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES"))
    if not number.isdecimal() or process != str(os.getpid()):
        return []
    named = [*names.split(":"), *[""] * int(number)]
    return [HandedSocket(_FIRST + index, named[index]) for index in range(int(number))]


def places_with(sockets: Sequence[HandedSocket], listen: Sequence[str]) -> tuple[str, ...]:
    """Where to listen when systemd hands over `sockets`, in place of `listen` of the settings.

    The sockets take the place of the TCP addresses; one that is named "fcgi" is for FastCGI. Unix sockets of `listen` stay,
    unless one of the sockets is at the same path. Where `listen` itself names descriptors ("fd:3"), it is left as it is.
    Raises ConfigurationError when a place of `listen` is none.
    """
    binds = [parse_bind(place) for place in listen]
    if not sockets or any(bind.fd >= 0 for bind in binds):
        return tuple(listen)
    paths = {_path_of(each.descriptor) for each in sockets}
    handed = [f"fcgi+fd:{each.descriptor}" if each.name == "fcgi" else f"fd:{each.descriptor}" for each in sockets]
    stay = [bind.text for bind in binds if bind.path and os.path.abspath(bind.path) not in paths]
    return (*handed, *stay)


def child_environment(environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment for a child process: without what systemd says to this one."""
    variables = os.environ if environment is None else environment
    return {name: value for name, value in variables.items() if name not in VARIABLES}


def _address_of(text: str) -> str:
    """sd_notify(3): a path, or "@" and the name of an abstract socket. Sockets of virtual machines are not for us."""
    if text.startswith("@"):
        return "\0" + text[1:]
    return text if text.startswith("/") else ""


def _find_watchdog_interval(variables: Mapping[str, str]) -> float:
    """sd_watchdog_enabled(3): half the time, so that one that comes late does no harm."""
    microseconds, process = variables.get("WATCHDOG_USEC", ""), variables.get("WATCHDOG_PID", "")
    if not microseconds.isdecimal() or process not in ("", str(os.getpid())):
        return 0.0
    return int(microseconds) / 2_000_000


def _status(text: str) -> tuple[str, ...]:
    return (f"STATUS={' '.join(text.splitlines())}",) if text else ()


def _path_of(descriptor: int) -> str:
    """The absolute path of a Unix socket; "" for others."""
    # A duplicate, so that closing the object leaves the descriptor open.
    with socket.socket(fileno=os.dup(descriptor)) as handed:
        name = handed.getsockname() if handed.family == AF_UNIX else ""
    return os.path.abspath(name) if isinstance(name, str) and name else ""
