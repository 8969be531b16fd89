"""The registry of open WebSockets: who may open one, how many there are, and how all of them end when the server stops."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, NamedTuple, Protocol

from penstock.errors import RequestRejected

# RFC 6455 section 7.4.1: the server is going away.
GOING_AWAY: Final = 1001
# The registry of close codes at IANA: the service is restarted, and a client may come back at once.
RESTARTING: Final = 1012

# A site, a place in it, and the address of a client there: other sites have clients of their own.
Holder = tuple[object, str, str]


class OpenSocket(Protocol):
    """What the registry must know of a WebSocket."""

    bytes_in: int
    bytes_out: int

    @property
    def state_name(self) -> str:
        """Its state, for people: "open", "close_sent" ..."""

    def go_away(self, code: int, reason: str) -> None:
        """Close it politely from outside, and tell its endpoint."""

    def abort(self) -> None:
        """Drop its connection."""

    def abort_async(self) -> Awaitable[None]:
        """Drop its connection; done when nothing of it is pending any more."""


class SocketStatistics(NamedTuple):
    """`total` were opened; `executing` are open now; at rest total == succeeded + failed (websockets section 1.12).

    `bytes_in` and `bytes_out` are payload of data, of all sockets together.
    """

    total: int
    executing: int
    succeeded: int
    failed: int
    bytes_in: int
    bytes_out: int


class SocketInside(NamedTuple):
    """One open WebSocket, for people. `age` is in seconds; `client` is the address of its client, or ""."""

    path: str
    client: str
    state: str
    age: float
    bytes_in: int
    bytes_out: int


class Entry:
    """What the registry keeps of one open socket. `task` is the one its endpoint runs in, `site` the site it belongs to."""

    __slots__ = ("client", "path", "since", "site", "task")

    def __init__(
        self, path: str, client: str, since: float, *, task: asyncio.Task[None] | None = None, site: object = None
    ) -> None:
        self.path = path
        self.client = client
        self.since = since
        self.site = site
        self.task = task


class OpenSockets:
    """All WebSockets of one runtime; used on its loop (websockets SW-63 to SW-67, PY-11 to PY-13).

    `limit` is how many may be open at once, 0 for any number.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int = 0) -> None:
        self.is_going_away = False
        self.is_aborted = False
        self._loop = loop
        self._limit = limit
        self._lock = threading.Lock()
        self._entries: dict[OpenSocket, Entry] = {}
        self._places = 0
        self._places_by_client: dict[Holder, int] = {}
        self._give_one_back: Callable[[], None] = self._give_back  # one for all: 400 bytes less of each idle socket
        self._ending = 0
        self._empty: asyncio.Future[None] | None = None
        self._code = GOING_AWAY
        self._reason = ""
        self._total = 0
        self._succeeded = 0
        self._failed = 0
        self._bytes_in = 0
        self._bytes_out = 0

    # -- places ------------------------------------------------------------------------------------------------------------

    def take_place(self, client: Holder, limit: int) -> Callable[[], None]:
        """Take a place for a socket that was accepted; the result gives it back.

        `client` is who holds it, and where; `limit` how many sockets it may have there, 0 for any number.
        Raises RequestRejected, told in one line of the log: 503 when the server stops or has too many sockets, 429 when the
        client has.
        """
        if self.is_going_away:
            raise RequestRejected(503, "the server is stopping", headers=[(b"retry-after", b"1")])
        with self._lock:  # a function with threads accepts in one of them
            if self._limit and self._places >= self._limit:
                raise RequestRejected(503, "too many WebSockets are open", headers=[(b"retry-after", b"1")])
            held = self._places_by_client.get(client, 0)
            if limit and held >= limit:
                plural = "s" if held > 1 else ""
                raise RequestRejected(
                    429, f"you have {held} WebSocket{plural} open already", headers=[(b"retry-after", b"1")]
                )
            self._places += 1
            if limit:
                self._places_by_client[client] = held + 1
                return lambda: self._give_back(client)
        return self._give_one_back

    def _give_back(self, client: Holder | None = None) -> None:
        with self._lock:
            self._places -= 1
            if client is not None:
                left = self._places_by_client[client] - 1
                if left:
                    self._places_by_client[client] = left
                else:
                    del self._places_by_client[client]

    # -- sockets -----------------------------------------------------------------------------------------------------------

    def add(self, socket: OpenSocket, entry: Entry) -> None:
        """Count a socket in. When all were aborted already, so is this one; its endpoint still runs (PY-13)."""
        self._entries[socket] = entry
        self._total += 1
        self._ending += 1
        if self.is_aborted:
            socket.abort()
        elif self.is_going_away:
            socket.go_away(self._code, self._reason)

    def remove(self, socket: OpenSocket, *, succeeded: bool) -> None:
        """Count a socket out whose endpoint has ended."""
        if self._entries.pop(socket, None) is None:
            return
        if succeeded:
            self._succeeded += 1
        else:
            self._failed += 1
        self._bytes_in += socket.bytes_in
        self._bytes_out += socket.bytes_out

    def complete(self) -> None:
        """Nothing of a socket that was removed is pending any more; called once for each."""
        self._ending -= 1
        if not self._ending and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    def statistics(self) -> SocketStatistics:
        """A snapshot of the counters."""
        return SocketStatistics(
            total=self._total,
            executing=len(self._entries),
            succeeded=self._succeeded,
            failed=self._failed,
            bytes_in=self._bytes_in + sum(each.bytes_in for each in self._entries),
            bytes_out=self._bytes_out + sum(each.bytes_out for each in self._entries),
        )

    def sockets(self) -> list[SocketInside]:
        """The open sockets, the oldest first."""
        now = self._loop.time()
        return [
            SocketInside(
                entry.path, entry.client, socket.state_name, now - entry.since, socket.bytes_in, socket.bytes_out
            )
            for socket, entry in self._entries.items()
        ]

    # -- the end -----------------------------------------------------------------------------------------------------------

    def go_away(self, code: int = GOING_AWAY, reason: str = "") -> None:
        """Close all politely; from now on none is accepted (PY-12)."""
        self.is_going_away = True
        self._code, self._reason = code, reason
        for socket in tuple(self._entries):
            socket.go_away(code, reason)

    async def retire(self, sites: Sequence[object], within: float) -> None:
        """Close the sockets of `sites`, which others have replaced; endpoints still at work after `within` seconds are cancelled."""
        found = [(socket, entry.task) for socket, entry in self._entries.items() if entry.site in sites]
        for socket, _ in found:
            socket.go_away(RESTARTING, "")
        tasks = [task for _, task in found if task is not None]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=within)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=within)

    async def wait_empty(self, within: float) -> bool:
        """Wait at most `within` seconds until every endpoint has ended. Did they?"""
        if not self._ending:
            return True
        if self._empty is None or self._empty.done():
            self._empty = self._loop.create_future()
        await asyncio.wait((self._empty,), timeout=max(0.0, within))
        return not self._ending

    async def abort_all_and_wait(self) -> None:
        """Drop the connections of all, and wait until nothing is pending on them; endpoints may still run (SW-65)."""
        self.is_going_away = self.is_aborted = True
        pending = [asyncio.ensure_future(socket.abort_async()) for socket in tuple(self._entries)]
        if pending:
            await asyncio.wait(pending)

    async def stop(self, within: float) -> None:
        """Drop all, then cancel the endpoints that are still at work, which have `within` seconds to clean up."""
        self.is_going_away = self.is_aborted = True
        if not self._entries and not self._ending:
            return
        await self.abort_all_and_wait()
        # Told by the loss of its connection, an endpoint ends by itself, unless it waits for something else.
        await asyncio.sleep(0)
        tasks = [entry.task for entry in self._entries.values() if entry.task is not None and not entry.task.done()]
        for task in tasks:
            # Behind its first step: a task that is cancelled in front of it ends without a line of its coroutine having run.
            self._loop.call_soon(task.cancel)
        await self.wait_empty(within)
