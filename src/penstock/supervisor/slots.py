"""The listening sockets of a pool, slot by slot: the supervisor keeps them, and each slot's next worker is handed the same ones."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from penstock.hosts.listener import BoundSocket

# Elsewhere SO_REUSEPORT exists, but does not spread connections (macOS, the BSDs).
_IS_SPREAD: Final = sys.platform == "linux"


class Listening(NamedTuple):
    """A socket and its place as `listen` has it for a process that inherits it: "fd:5", "fcgi+fd:6"."""

    socket: socket.socket
    place: str


class SlotSockets:
    """TCP places have one SO_REUSEPORT socket for each slot, among which the kernel spreads connections; others are shared.

    A socket stays open while somebody may have connected to it: one that is closed resets those who wait in its queue.
    """

    def __init__(self, bound: Sequence[BoundSocket], *, backlog: int) -> None:
        """`bound` are those of slot 0, and belong to this object from now on."""
        self._backlog = backlog
        self._places = [_Place(each) for each in bound]
        self._leaving: list[_Place] = []

    @property
    def bound(self) -> list[BoundSocket]:
        """Those of slot 0."""
        return [place.bound for place in self._places]

    @property
    def urls(self) -> list[str]:
        """The addresses, for people."""
        return [place.bound.url for place in self._places]

    @property
    def descriptors(self) -> dict[str, list[int]]:
        """Of every place, as it was asked for, those of its slots: for a supervisor that replaces its own program."""
        found: dict[str, list[int]] = {}
        for place in self._places:
            found.setdefault(place.bound.bind.text, []).extend([each.fileno() for each in place.sockets])
        return found

    def of_slot(self, slot: int, count: int) -> list[Listening]:
        """Those on which the worker of `slot` accepts, if there are `count` slots: slot 0 has those of slots that are gone, too."""
        return [each for place in self._places for each in place.of_slot(slot, count, self._backlog)]

    def adopt(self, bound: BoundSocket, twins: Sequence[socket.socket], *, is_leaving: bool) -> None:
        """Take over a place and the sockets of its other slots, which an earlier program of this process has opened."""
        place = _Place(bound)
        place.adopt(twins)
        (self._leaving if is_leaving else self._places).append(place)

    def change(self, opened: Sequence[BoundSocket], closed: Sequence[str]) -> None:
        """Workers that start from now on listen at `opened`, too, and no more at `closed`, places as they were asked for."""
        self._leaving += [place for place in self._places if place.bound.bind.text in closed]
        self._places = [place for place in self._places if place.bound.bind.text not in closed]
        self._places += [_Place(each) for each in opened]

    def undo(self, opened: Sequence[BoundSocket]) -> None:
        """Take the last `change` back: those that were opened are closed."""
        kept = [place for place in self._places if place.bound not in opened]
        for place in self._places:
            if place.bound in opened:
                place.close()
        self._places, self._leaving = kept + self._leaving, []

    def close_leaving(self) -> None:
        """Close those at which nobody listens any more."""
        for place in self._leaving:
            place.close()
        self._leaving.clear()

    def close(self) -> None:
        """Close all; whoever waits to be accepted is reset."""
        self.close_leaving()
        for place in self._places:
            place.close()


class _Place:
    """One place and its sockets: of slot 0, and of the others."""

    __slots__ = ("_twins", "bound")

    def __init__(self, bound: BoundSocket) -> None:
        self.bound = bound
        self._twins: list[socket.socket] = []

    @property
    def sockets(self) -> list[socket.socket]:
        return [self.bound.socket, *self._twins]

    def adopt(self, twins: Sequence[socket.socket]) -> None:
        """Those of the slots from 1 on, opened by an earlier program of this process."""
        self._twins = list(twins)

    def of_slot(self, slot: int, count: int, backlog: int) -> Iterator[Listening]:
        if not self._is_spread:
            yield self._listening(self.bound.socket)
            return
        while len(self._twins) < count - 1:
            self._twins.append(_open_twin(self.bound.socket, backlog))
        found = [self._twins[slot - 1]] if slot else [self.bound.socket, *self._twins[count - 1 :]]
        for each in found:
            yield self._listening(each)

    def close(self) -> None:
        self.bound.close()
        for twin in self._twins:
            twin.close()
        self._twins.clear()

    @property
    def _is_spread(self) -> bool:
        # A descriptor that somebody else has opened may be shared with others, who have not asked for company.
        return _IS_SPREAD and not self.bound.is_unix and self.bound.bind.fd < 0

    def _listening(self, sock: socket.socket) -> Listening:
        return Listening(sock, f"{'fcgi+' if self.bound.bind.is_fastcgi else ''}fd:{sock.fileno()}")


def _open_twin(first: socket.socket, backlog: int) -> socket.socket:
    """Another socket that listens at the same address."""
    # Set behind `bind`, so that a second server at the same address was refused, as without it.
    _share_address(first)
    twin = socket.socket(first.family, socket.SOCK_STREAM)
    try:
        twin.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        _share_address(twin)
        if first.family == socket.AF_INET6:
            only = first.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY)
            twin.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
        twin.bind(first.getsockname())
        twin.listen(backlog)
    except OSError:
        twin.close()
        raise
    twin.setblocking(False)
    return twin


def _share_address(sock: socket.socket) -> None:
    if sys.platform != "win32":
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
