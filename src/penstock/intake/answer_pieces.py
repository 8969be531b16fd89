"""What hosts do alike when an answer leaves: hold it to its length, send a file piece by piece, take turns."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Generator, Sequence
from typing import Any, Final, Protocol

from penstock.errors import ClientGone, ContractError
from penstock.http.messages import RequestHead, ResponseHead
from penstock.http.response_head import check_trailers, write_fields
from penstock.http.status import is_bodiless

# So much of a file is read and sent at a time.
_PIECE: Final = 256 * 1024
# Windows has none.
_PREAD: Final[Any] = getattr(os, "pread", None)


class Sending(Protocol):
    """The half of a worker request that answers."""

    head: RequestHead

    @property
    def has_sent_all(self) -> bool:
        """As `WorkerRequest.has_sent_all`."""

    def send(self, head: ResponseHead | None, body: bytes, more: bool) -> Awaitable[None] | None:
        """As `WorkerRequest.send`."""

    def abort(self) -> None:
        """As `WorkerRequest.abort`."""


class Draining(Protocol):
    """A request whose pieces wait until somebody sends them."""

    async def drain(self) -> None:
        """Send what is queued. Raises ClientGone when the client has left."""


class OneAnswer:
    """What is common to requests of hosts that carry one answer, and nothing in front of it or behind it."""

    __slots__ = ()

    def inform(self, status: int, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """As `WorkerRequest.inform`: judged, and dropped."""
        write_fields(headers)

    def trailers(self, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """As `WorkerRequest.trailers`: judged, and dropped."""
        check_trailers(headers)


class Drain:
    """What `send` returns where pieces are queued: whoever awaits it sends them; nothing is lost when nobody does."""

    __slots__ = ("_request",)

    def __init__(self, request: Draining) -> None:
        self._request = request

    def __await__(self) -> Generator[Any, Any, None]:
        return self._request.drain().__await__()


class Turns:
    """Who may send: one at a time, so that pieces keep their order. Who takes a turn passes it on, whatever happens."""

    __slots__ = ("_passed", "is_taken")

    def __init__(self) -> None:
        self.is_taken = False
        self._passed: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Wait until somebody passes on; another may be quicker then."""
        if self._passed is None:
            self._passed = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._passed)  # a cancelled one must not wake the others

    def pass_on(self) -> None:
        """The turn is over."""
        self.is_taken = False
        passed, self._passed = self._passed, None
        if passed is not None and not passed.done():
            passed.set_result(None)


def check_length(promised: int, count: int, more: bool) -> None:
    """Hold an application to its own Content-Length (-1: none), neither more nor fewer bytes (bad-input row 43).

    `promised` are those that are still due, `count` those that come now. Raises ContractError.
    """
    if promised < 0:
        return
    if count > promised:
        raise ContractError("the response body is longer than its content-length")
    if not more and count < promised:
        raise ContractError("the response body is shorter than its content-length")


def announce_file(head: ResponseHead | None, count: int, more: bool) -> None:
    """Add a Content-Length to the head of an answer that is `count` bytes of a file and nothing else."""
    if head is not None and not more and not any(name == b"content-length" for name, _ in head.raw_headers):
        head.raw_headers = [*head.raw_headers, (b"content-length", b"%d" % count)]


def leaves_body_out(asked: RequestHead, head: ResponseHead | None) -> bool:
    """Whether no body follows this head, although there is one (RFC 9110 section 6.4.1)."""
    return head is not None and (asked.line.is_head or is_bodiless(head.status_code))


async def send_pieces(
    request: Sending,
    head: ResponseHead | None,
    *,
    descriptor: int,
    offset: int,
    count: int,
    more: bool,
    on_loop: bool = False,
) -> None:
    """As `WorkerRequest.send_file`: the file is read piece by piece, in a thread or `on_loop`. `announce_file` went before."""
    if not count or leaves_body_out(request.head, head):
        request.send(head, b"", more)
        return
    while count and not request.has_sent_all:
        size = min(count, _PIECE)
        piece = (
            read_at(descriptor, size, offset) if on_loop else await asyncio.to_thread(read_at, descriptor, size, offset)
        )
        if not piece:
            request.abort()  # a promise that cannot be kept
            raise ClientGone("the file became shorter while it was sent")
        offset += len(piece)
        count -= len(piece)
        pending = request.send(head, piece, more or count > 0)
        head = None
        if pending is not None:
            await pending


def read_at(descriptor: int, count: int, offset: int) -> bytes:
    """At most `count` bytes of a file from `offset`."""
    if _PREAD is None:
        os.lseek(descriptor, offset, os.SEEK_SET)
        return os.read(descriptor, count)
    piece: bytes = _PREAD(descriptor, count, offset)
    return piece
