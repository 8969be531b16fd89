"""Both ends of a request at once: what `check_host` must be given of a host, and the same of the in-memory host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

from penstock.hosts.memory_host import MemoryRequest
from penstock.http.head import HeadLimits
from penstock.http.headers import encode_field
from penstock.intake.worker_request import WorkerRequest

Pairs = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the client asks. `headers` come beside Host. `body` None: it comes by `feed`, without a length said before."""

    method: str = "GET"
    target: str = "/"
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | None = b""


@dataclass(slots=True, kw_only=True)
class Received:
    """What reached the client. `status` 0: no head did. `is_whole`: the client can be sure that nothing is missing.

    Names in `headers`, `informed` (status and fields of each interim answer) and `trailers` are in lower case. `rest` is what
    came behind the answer and belongs to nothing.
    """

    status: int = 0
    headers: Pairs = field(default_factory=list)
    body: bytes = b""
    is_whole: bool = False
    informed: list[tuple[int, Pairs]] = field(default_factory=list)
    trailers: Pairs = field(default_factory=list)
    rest: bytes = b""


class RequestUnderTest(Protocol):
    """One request: `worker_request` is the host's side of it, the methods are the client's."""

    @property
    def worker_request(self) -> WorkerRequest:
        """What the host hands to the runtime."""

    def feed(self, piece: bytes) -> None:
        """The client sends a piece of the body; only where `Asked.body` was None."""

    def end_body(self) -> None:
        """The client says that its body is whole."""

    def leave(self) -> None:
        """The client leaves without a word: it closes its connection, or resets its stream."""

    async def receive(self) -> Received:
        """Read until the answer is whole or cut off. Until this is called the client reads nothing."""


# Asks the host, and gives the request in a context that lasts until both ends are done with it.
AskHost = Callable[[Asked], AbstractAsyncContextManager[RequestUnderTest]]


class MemoryRequestUnderTest:
    """A request of the in-memory host."""

    def __init__(self, made: MemoryRequest) -> None:
        self._made = made

    @property
    def worker_request(self) -> MemoryRequest:
        """As `RequestUnderTest.worker_request`."""
        return self._made

    def feed(self, piece: bytes) -> None:
        """As `RequestUnderTest.feed`."""
        self._made.feed(piece)

    def end_body(self) -> None:
        """As `RequestUnderTest.end_body`."""
        self._made.end_body()

    def leave(self) -> None:
        """As `RequestUnderTest.leave`."""
        self._made.disconnect()

    def send_bytes(self, sent: bytes) -> None:
        """As `UpgradeUnderTest.send_bytes`."""
        self._made.send_bytes(sent)

    async def receive_bytes(self) -> bytes:
        """As `UpgradeUnderTest.receive_bytes`."""
        socket = self._made.socket
        assert socket is not None
        while not (taken := socket.take()) and not socket.is_ended:
            await socket.wait_change()
        return taken

    async def receive(self) -> Received:
        """As `RequestUnderTest.receive`."""
        await self._made.wait_finished()
        head = self._made.response_head
        return Received(
            status=0 if head is None else head.status,
            headers=[] if head is None else list(head.raw_headers),
            body=b"".join(self._made.pieces),
            is_whole=not self._made.is_aborted,
            informed=list(self._made.informed),
            trailers=list(self._made.trailer),
        )


def memory_requests(limits: HeadLimits) -> Callable[[Asked], AbstractAsyncContextManager[MemoryRequestUnderTest]]:
    """What `check_host` wants, of the in-memory host: `check_host(memory_requests(limits), holds_back=False)`."""

    @asynccontextmanager
    async def ask(asked: Asked) -> AsyncIterator[MemoryRequestUnderTest]:
        yield MemoryRequestUnderTest(memory_request(asked, limits))

    return ask


def memory_request(asked: Asked, limits: HeadLimits) -> MemoryRequest:
    """A request of the in-memory host; the caller hands it to a runtime. Raises RequestRejected for what no wire would carry."""
    fields = [encode_field(name, value) for name, value in (("host", "testserver"), *asked.headers)]
    return MemoryRequest.make(asked.method, asked.target, fields, asked.body, limits)
