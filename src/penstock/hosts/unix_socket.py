"""How the file of a Unix socket is taken over from a dead server, and removed in the end."""

from __future__ import annotations

import os
import socket
import stat
from typing import Final

from penstock.hosts.binds import Bind, refusal

# Who may connect to a Unix socket: everybody, as to a loopback port. A proxy runs as a user of its own, so a narrower mode
# would be the first thing to be undone; the folder's own permissions are the place to say who may reach it.
UNIX_MODE: Final = 0o666

# Windows has none in Python; a family that does not exist is refused by the system in plain words.
AF_UNIX: Final[int] = getattr(socket, "AF_UNIX", -1)


class OwnedFile:
    """A socket's file that this process has made."""

    __slots__ = ("_identity", "_path", "_process")

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)
        self._process = os.getpid()
        self._identity = _identify(self._path)

    def remove(self) -> None:
        """Remove the file, unless it is another by now, is gone, or this is a fork of the process that made it."""
        try:
            if self._process == os.getpid() and self._identity == _identify(self._path):
                os.unlink(self._path)
        except OSError:
            pass  # somebody else was first


def claim_path(bind: Bind) -> None:
    """Make `bind.path` free: the socket of a dead server is removed.

    Raises ConfigurationError when a server lives there, or when the file is no socket; OSError when it cannot be told.
    """
    try:
        mode = os.stat(bind.path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise refusal(f"{bind.text}: the file at {bind.path} is not a socket: choose another path", bind.where)
    if _is_alive(bind.path):
        raise refusal(f"{bind.text} is already in use (by another process): choose another path", bind.where)
    os.unlink(bind.path)


def _is_alive(path: str) -> bool:
    with socket.socket(AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except BlockingIOError:
            pass  # its backlog is full: somebody lives there, and is busy
    return True


def _identify(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino
