"""Where connections arrive: bind specs such as ":8000" or "unix:/run/app.sock", opened as listening sockets."""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Sequence
from typing import Final

from penstock.errors import ConfigurationError, Problem
from penstock.hosts.binds import Bind, parse_bind, refusal
from penstock.hosts.unix_socket import AF_UNIX, UNIX_MODE, OwnedFile, claim_path

__all__ = ["UNIX_MODE", "Bind", "BoundSocket", "open_sockets", "parse_bind", "peer_address"]

_NO_IPV6: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT)
_ATTEMPTS_AT_PORT_0: Final = 8
_EVERYWHERE: Final = ("", "::", "0.0.0.0")

_Address = tuple[str, int] | tuple[str, int, int, int]


class BoundSocket:
    """A listening socket: non-blocking, not inherited by child processes unless `socket.set_inheritable(True)`.

    `url` is for people ("http://127.0.0.1:8000", "unix:/run/app.sock", "fcgi://127.0.0.1:9000"); `bind` is what was asked for.
    """

    __slots__ = ("_file", "bind", "is_unix", "socket", "tls", "url")

    def __init__(self, sock: socket.socket, bind: Bind, *, tls: bool, file: OwnedFile | None = None) -> None:
        sock.setblocking(False)
        self.socket = sock
        self.bind = bind
        self.tls = tls and not bind.is_fastcgi
        self.is_unix = sock.family == AF_UNIX
        self.url = _url(sock, bind, tls=tls)
        self._file = file

    def close(self) -> None:
        """Stop listening. The file of a Unix socket goes too, if this process made it and it is still the same file."""
        self.socket.close()
        if self._file is not None:
            self._file.remove()
            self._file = None


def open_sockets(
    binds: Sequence[Bind], *, backlog: int = 2048, tls: bool = False, unix_mode: int = UNIX_MODE
) -> list[BoundSocket]:
    """Listen in every place of `binds`; a name with several addresses gives several sockets. All of them, or none.

    `backlog` is how many connections the kernel holds until they are accepted. Raises ConfigurationError with every
    place that cannot be had.
    """
    opened: list[BoundSocket] = []
    problems: list[Problem] = []
    for bind in binds:
        if rival := _twin(bind, opened):
            problems.append(Problem(f"{bind.text} is the same place as {rival}: take one of them out", bind.where))
            continue
        try:
            opened += _open(bind, binds, backlog=backlog, tls=tls, unix_mode=unix_mode)
        except OSError as error:
            problems.append(Problem(_explain(bind, error, opened), bind.where))
        except ConfigurationError as error:
            problems.extend(error.problems)
    if problems:
        for bound in opened:
            bound.close()
        raise ConfigurationError(problems)
    return opened


def peer_address(address: _Address) -> tuple[str, int]:
    """Host and port of a socket address as applications expect them: no zone, and IPv4 as IPv4 on a dual-stack socket."""
    host = address[0]
    if ":" in host:
        if host.startswith("::ffff:") and "." in host:
            host = host[7:]
        elif "%" in host:
            host = host.partition("%")[0]
    return host, address[1]


def _open(bind: Bind, binds: Sequence[Bind], *, backlog: int, tls: bool, unix_mode: int) -> list[BoundSocket]:
    if bind.fd >= 0:
        return [_adopt(bind, backlog=backlog, tls=tls)]
    if bind.path:
        return [_open_unix(bind, backlog=backlog, tls=tls, mode=unix_mode)]
    for _ in range(_ATTEMPTS_AT_PORT_0):
        try:
            return _open_tcp(bind, binds, backlog=backlog, tls=tls)
        except OSError as error:
            # The port that was free on the first address of a name is taken on its second: ask for another.
            if bind.port or error.errno != errno.EADDRINUSE:
                raise
    return _open_tcp(bind, binds, backlog=backlog, tls=tls)


def _open_tcp(bind: Bind, binds: Sequence[Bind], *, backlog: int, tls: bool) -> list[BoundSocket]:
    opened: list[BoundSocket] = []
    port = bind.port
    missing: OSError | None = None
    for family, host, scope in _addresses(bind):
        try:
            only_ipv6 = host != "::" or _has_ipv4_rival(bind, binds) or not socket.has_dualstack_ipv6()
            address = (host, port, 0, scope) if family == socket.AF_INET6 else (host, port)
            sock = _listen(family, address, backlog=backlog, only_ipv6=only_ipv6)
        except OSError as error:
            if error.errno in _NO_IPV6:  # "localhost" is often ::1 as well on machines that have no IPv6
                missing = error
                continue
            for bound in opened:
                bound.close()
            raise
        opened.append(BoundSocket(sock, bind, tls=tls))
        port = sock.getsockname()[1]
        if not bind.host and socket.has_dualstack_ipv6():
            break  # ":8000": this one socket serves both; IPv4 alone is for machines without IPv6
    if missing is not None and not opened:
        raise missing
    return opened


def _addresses(bind: Bind) -> list[tuple[int, str, int]]:
    """Family, address and scope (of a link-local one) of everything that `bind.host` stands for."""
    if not bind.host:
        return [(socket.AF_INET6, "::", 0), (socket.AF_INET, "0.0.0.0", 0)]
    for family in (socket.AF_INET, socket.AF_INET6):
        # An address is no name: nobody need be asked, and Python need not load what it asks with.
        if _is_address(family, bind.host):
            return [(int(family), bind.host, 0)]
    try:
        found = socket.getaddrinfo(bind.host, bind.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except UnicodeError:
        raise refusal(f"{bind.text}: {bind.host} cannot be the name of a machine", bind.where) from None
    addresses = [
        (int(family), str(address[0]).partition("%")[0], int(address[3]) if len(address) == 4 else 0)
        for family, _, _, _, address in found
    ]
    return list(dict.fromkeys(addresses))


def _is_address(family: int, host: str) -> bool:
    try:
        socket.inet_pton(family, host)
    except OSError:
        return False
    return True


def _has_ipv4_rival(bind: Bind, binds: Sequence[Bind]) -> bool:
    """Whether 0.0.0.0 is asked for beside [::] on the same port: then each serves its own family."""
    return bool(bind.port) and any(other.host == "0.0.0.0" and other.port == bind.port for other in binds)


def _listen(family: int, address: _Address, *, backlog: int, only_ipv6: bool) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform == "win32":
            # There SO_REUSEADDR would let another program take the port over.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # Systems differ in what they do unless told (bindv6only), so they are told.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(only_ipv6))
        sock.bind(address)
        sock.listen(backlog)
    except OSError:
        sock.close()
        raise
    return sock


def _open_unix(bind: Bind, *, backlog: int, tls: bool, mode: int) -> BoundSocket:
    claim_path(bind)
    sock = socket.socket(AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(bind.path)
        # Before `listen` nobody can connect, so there is no moment at which the mode is another.
        os.chmod(bind.path, mode)
        sock.listen(backlog)
        return BoundSocket(sock, bind, tls=tls, file=OwnedFile(bind.path))
    except OSError:
        sock.close()
        raise


def _adopt(bind: Bind, *, backlog: int, tls: bool) -> BoundSocket:
    sock = socket.socket(fileno=bind.fd)
    try:
        if sock.family not in (socket.AF_INET, socket.AF_INET6, AF_UNIX):
            raise refusal(f"{bind.text} is neither a TCP nor a Unix socket", bind.where)
        if sock.type != socket.SOCK_STREAM:
            raise refusal(f"{bind.text} is not a stream socket", bind.where)
        if not _is_listening(sock):
            sock.listen(backlog)
        sock.set_inheritable(False)
        return BoundSocket(sock, bind, tls=tls)
    except (OSError, ConfigurationError):
        sock.detach()  # it is not ours to close
        raise


def _is_listening(sock: socket.socket) -> bool:
    try:
        return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except OSError:
        return False  # not every system can tell; to listen twice does no harm


def _url(sock: socket.socket, bind: Bind, *, tls: bool) -> str:
    address = sock.getsockname()
    if sock.family == AF_UNIX:
        name = address if isinstance(address, str) else "@" + os.fsdecode(address[1:])
        return f"{'fcgi+' if bind.is_fastcgi else ''}unix:{name}"
    host = str(address[0])
    scheme = "fcgi" if bind.is_fastcgi else "https" if tls else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{address[1]}"


def _explain(bind: Bind, error: OSError, opened: Sequence[BoundSocket]) -> str:
    if isinstance(error, socket.gaierror):
        return f"{bind.text}: this machine knows no address of {bind.host}"
    if error.errno == errno.EADDRINUSE:
        if rival := _overlap(bind, opened):
            return f"{bind.text} overlaps with {rival}: take one of them out"
        return f"{bind.text} is already in use (by another process): choose another with --port"
    if bind.fd >= 0:
        return f"{bind.text}: no listening socket was handed over as descriptor {bind.fd} ({_reason(error)})"
    if bind.path:
        return f"{bind.text}: no socket can be made there ({_reason(error)})"
    if error.errno == errno.EACCES:
        return f"{bind.text}: ports below 1024 are reserved for root: choose a higher one with --port"
    if error.errno in _NO_IPV6:
        return f"{bind.text}: this machine has no address {bind.host}"
    return f"{bind.text} cannot be opened ({_reason(error)})"


def _twin(bind: Bind, opened: Sequence[BoundSocket]) -> str:
    for other in opened:
        same_port = bind.port == other.bind.port != 0 and bind.host == other.bind.host
        if same_port or bind.path == other.bind.path != "" or bind.fd == other.bind.fd >= 0:
            return other.bind.text
    return ""


def _overlap(bind: Bind, opened: Sequence[BoundSocket]) -> str:
    for other in opened:
        if bind.port == other.bind.port != 0 and (bind.host in _EVERYWHERE or other.bind.host in _EVERYWHERE):
            return other.bind.text
    return ""


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
