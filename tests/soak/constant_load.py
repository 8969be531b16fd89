"""A constant load over kept-alive connections that counts every request: what was answered, and what was lost.

A request is lost when it was sent and no whole answer came: the connection was reset, closed, or silent for too long. A connection
that the server has said it will close (`connection: close`) is not used again, and one that closed before a request was sent on it
has lost none.
"""

import asyncio
import itertools
import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

_PATIENCE = 20.0
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)
_LAST = re.compile(rb"\r\nconnection: close\r\n", re.IGNORECASE)


class Loss(NamedTuple):
    """A request without an answer: the worker that the connection was with, as far as it has told, and what happened."""

    pid: int
    began: float
    ended: float
    what: str


class Load:
    """`rate` requests a second for `paths` in turn, over `connections` connections, from `run` until `stop`.

    Answers hold the pid of the worker as their last word.
    """

    def __init__(self, address: tuple[str, int], rate: float, *, connections: int, paths: Iterable[str]) -> None:
        self.statuses: Counter[int] = Counter()
        self.by_worker: Counter[int] = Counter()
        self.lost: list[Loss] = []
        self.opened = 0
        self.late = 0.0
        self.texts: Counter[bytes] = Counter()
        self._address = address
        self._interval = connections / rate
        self._connections = connections
        self._paths = itertools.cycle([f"GET {path} HTTP/1.1\r\nhost: soak\r\n\r\n".encode() for path in paths])
        self._is_over = False

    @property
    def answered(self) -> int:
        """How many requests were answered with 200."""
        return self.statuses[200]

    @property
    def others(self) -> dict[int, int]:
        """The answers that were not 200, by status."""
        return {status: count for status, count in self.statuses.items() if status != 200}

    def stop(self) -> None:
        """Begin no more requests."""
        self._is_over = True

    async def run(self) -> None:
        """Until `stop` was called, and all that was sent has been answered."""
        clients = [self._ask(number) for number in range(self._connections)]
        await asyncio.gather(*clients)

    async def _ask(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time() + number * self._interval / self._connections
        connection: _Connection | None = None
        while not self._is_over:
            if (early := due - loop.time()) > 0:
                await asyncio.sleep(early)
            else:
                self.late = max(self.late, -early)
            due = max(due + self._interval, loop.time() - 1.0)
            if connection is None or connection.is_over:
                connection = await self._connect(connection)
            if connection is not None:
                await self._exchange(connection)
        if connection is not None:
            connection.close()

    async def _connect(self, before: "_Connection | None") -> "_Connection | None":
        if before is not None:
            before.close()
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            _, connection = await loop.create_connection(_Connection, *self._address)
        except OSError as error:
            self.lost.append(Loss(0, began, loop.time(), f"connect: {error}"))
            return None
        self.opened += 1
        return connection

    async def _exchange(self, connection: "_Connection") -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            async with asyncio.timeout(_PATIENCE):
                status, body = await connection.ask(next(self._paths))
        except (OSError, TimeoutError) as error:
            self.lost.append(Loss(connection.pid, began, loop.time(), repr(error)))
            connection.close()
            return
        self.statuses[status] += 1
        word, _, last = body.rpartition(b" ")
        self.texts[word] += 1
        if last.isdigit():
            connection.pid = int(last)
            self.by_worker[connection.pid] += 1


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.pid = 0
        self.is_over = False
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._answer: asyncio.Future[tuple[int, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head + b"\r\n")
        if not end or length is None or len(body) < int(length[1]):
            return
        self._received = b""
        self.is_over = _LAST.search(head + b"\r\n") is not None
        if self._answer is not None and not self._answer.done():
            self._answer.set_result((int(head[9:12]), body))

    def connection_lost(self, error: Exception | None) -> None:
        self.is_over = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"closed after {self._received[:40]!r} ({error})"))

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        self.is_over = True
        if self._transport is not None:
            self._transport.close()
