"""WsgiRequest: a request of a WSGI server's as a worker request: its body is read, and its answer taken, by the server's thread."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Generator
from typing import Any, Final

from penstock.errors import ClientGone, ContractError
from penstock.hosts.request_body import too_large
from penstock.hosts.wsgi_handover import End, FilePart, Handover, Head, Item, Read
from penstock.http.messages import RequestHead, ResponseHead
from penstock.http.response_head import write_head
from penstock.http.status import REASONS, is_bodiless
from penstock.intake.answer_pieces import OneAnswer, announce_file, check_length, leaves_body_out, send_pieces
from penstock.intake.frame_transport import FrameTransport, UpgradeTerms
from penstock.intake.worker_request import Address, Capability

# What the server's thread has not taken: beyond it, who sends has to wait.
HIGH_WATER: Final = 64 * 1024
_PIECE: Final = 64 * 1024
# PEP 3333: an application says nothing of the connection.
_HOP_BY_HOP: Final = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade", b"te", b"trailer")
)
_HAS_PREAD: Final = hasattr(os, "pread")


class WsgiRequest(OneAnswer):
    """One request on loan from a WSGI server. Everything is called on the loop; `handover` is the way to the server's thread."""

    __slots__ = (
        "_callbacks",
        "_error",
        "_has_body",
        "_is_closed",
        "_is_reading",
        "_is_whole",
        "_limit",
        "_loop",
        "_pieces",
        "_promised",
        "_room",
        "_taken",
        "_unsent",
        "_waiter",
        "bytes_sent",
        "client",
        "handover",
        "has_sent_all",
        "has_sent_head",
        "head",
        "is_disconnected",
        "scheme",
        "server",
        "started",
    )

    def __init__(
        self,
        head: RequestHead,
        *,
        scheme: str,
        client: Address | None,
        server: Address | None,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        """`head` is what the environ says, judged: see `wsgi_host`. `handover` is set before the request is taken in."""
        self.head = head
        self.scheme = scheme
        self.client: Address | None = client
        self.server: Address | None = server
        self.bytes_sent = 0
        self.started = 0.0
        self.is_disconnected = False
        self.has_sent_all = False
        self.has_sent_head = False
        self.handover: Handover | None = None
        self._loop = loop
        self._pieces: list[bytes] = []
        self._taken = 0
        self._limit = 1 << 62
        self._is_whole = head.framing.content_length == 0
        self._is_reading = False
        self._is_closed = False  # the server's thread has gone
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._callbacks: list[Callable[[], None]] | None = None
        self._unsent = 0
        self._room: asyncio.Future[None] | None = None
        self._promised = -1
        self._has_body = True

    @property
    def capabilities(self) -> Capability:
        """As `WorkerRequest.capabilities`."""
        return Capability.SEND_FILE

    def come_from(self, client: Address | None) -> None:
        """A trusted proxy says who the client is."""
        self.client = client

    # -- reading ---------------------------------------------------------------------------------------------------------

    def limit_body(self, limit: int) -> None:
        """As `WorkerRequest.limit_body`."""
        self._limit = limit
        if self.head.framing.content_length > limit or self._taken > limit:
            raise too_large(limit)

    def take(self) -> bytes | None:
        """As `WorkerRequest.take`."""
        if self._taken > self._limit:
            raise too_large(self._limit)
        if self._pieces:
            piece = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            self._pieces.clear()
            return piece
        if self._is_whole:
            return b""
        if self._error is not None:
            raise self._error
        if self.has_sent_all:
            raise ClientGone("the request was answered before its body was read")
        return None

    async def wait_body(self) -> None:
        """As `WorkerRequest.wait_body`: the server's thread is asked to read."""
        if self._pieces or self._is_whole or self._error is not None or self.has_sent_all or self._taken > self._limit:
            return
        if self._waiter is None:
            self._waiter = self._loop.create_future()
        if not self._is_reading:
            self._is_reading = True
            announced = self.head.framing.content_length
            self._put(Read(_PIECE if announced < 0 else min(_PIECE, announced - self._taken)))
        # Several may wait at once; a cancelled one must not wake the others.
        await asyncio.shield(self._waiter)

    def feed(self, piece: bytes) -> None:
        """The server's thread has read a piece; b"" is the end."""
        self._is_reading = False
        if piece:
            self._taken += len(piece)
            self._pieces.append(piece)
            self._is_whole = self._taken == self.head.framing.content_length
        elif self.head.framing.content_length > self._taken:
            self.fail_body(None)
        else:
            self._is_whole = True
        self._wake()

    def fail_body(self, error: Exception | None) -> None:
        """The rest of the body will not come: the client has left, or broken the rules."""
        self._is_reading = False
        self._error = ClientGone("the client left")
        self._error.__cause__ = error
        self.is_disconnected = True
        self._wake()
        self._tell()

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """As `WorkerRequest.on_disconnect`. A WSGI server notices only when it sends something."""
        if self.is_disconnected:
            self._loop.call_soon(callback)
            return
        if self._callbacks is None:
            self._callbacks = []
        self._callbacks.append(callback)

    def lose(self) -> None:
        """The server wants no more of the answer: the client has left."""
        self._is_closed = True
        if self.is_disconnected:
            self._make_room()
            return
        self.is_disconnected = True
        if not self._is_whole and self._error is None:
            self._error = ClientGone("the client left")
        self._wake()
        self._make_room()
        self._tell()

    def _tell(self) -> None:
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            callback()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # -- answering -------------------------------------------------------------------------------------------------------

    def send(self, head: ResponseHead | None, body: bytes, more: bool) -> Awaitable[None] | None:
        """As `WorkerRequest.send`."""
        if head is None:
            return self._send_piece(body, more)
        if self.has_sent_head:
            raise ContractError("the head of this response has been sent already")
        if self.has_sent_all:
            return None
        promised, fields = self._judge(head, -1 if more else len(body))
        if not self._has_body:
            body = b""
        if promised >= 0 and (len(body) > promised or (not more and len(body) < promised)):
            raise ContractError(f"the response has {len(body)} bytes of body but content-length {promised}")
        self.has_sent_head = True
        if more:
            self._promised = promised
            self._put(Head(_status_line(head), fields, None))
            return self._send_piece(body, True)
        self._put(Head(_status_line(head), fields, body))
        self.bytes_sent = len(body)
        self._end()
        return None

    def _judge(self, head: ResponseHead, count: int) -> tuple[int, list[tuple[str, str]]]:
        """The length that `head` promises, and its fields for the server; `count` is that of the body, -1 if not known."""
        promised = write_head(head)[1]
        is_bare = is_bodiless(head.status_code)
        self._has_body = not is_bare and not self.head.line.is_head
        fields = [
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, value in head.raw_headers
            # RFC 9110 section 8.6: no length with 204, and nobody needs it with 304.
            if name not in _HOP_BY_HOP and not (is_bare and name == b"content-length")
        ]
        if promised < 0 and count >= 0 and not is_bare:
            fields.append(("content-length", str(count)))
        return (promised if self._has_body else -1), fields

    def _send_piece(self, body: bytes, more: bool) -> Awaitable[None] | None:
        if self.has_sent_all:
            return None
        count = len(body) if self._has_body else 0
        self._promise(count, more)
        self.bytes_sent += count
        if count:
            self._put(body)
            self._unsent += count
        if more:
            return self._wait_room() if self._unsent >= HIGH_WATER or self.is_disconnected else None
        self._put(End(is_cut_off=False))
        self._end()
        return None

    def _promise(self, count: int, more: bool) -> None:
        if self._promised >= 0:
            check_length(self._promised, count, more)
            self._promised -= count

    def _wait_room(self) -> Awaitable[None]:
        if self.is_disconnected:
            raise ClientGone("the client left")
        if self._room is None:
            self._room = self._loop.create_future()
        return _Room(self, self._room)

    def take_back(self, count: int) -> None:
        """The server's thread has come back for more: so much has been sent."""
        self._unsent -= count
        if self._unsent < HIGH_WATER:
            self._make_room()

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    async def send_file(self, head: ResponseHead | None, descriptor: int, offset: int, count: int, more: bool) -> None:
        """As `WorkerRequest.send_file`: the server's thread reads it, with `wsgi.file_wrapper` where that can be."""
        announce_file(head, count, more)
        is_empty = not count or not self._has_body or leaves_body_out(self.head, head)
        if is_empty or self.has_sent_all or not _HAS_PREAD:
            size = 0 if is_empty else count
            await send_pieces(self, head, descriptor=descriptor, offset=offset, count=size, more=more)
            return
        if head is None or more:
            await self._send_part(head, descriptor, offset, count, more)
            return
        if self.has_sent_head:
            raise ContractError("the head of this response has been sent already")
        promised, fields = self._judge(head, count)
        if promised != count:
            raise ContractError(f"the response has {count} bytes of body but content-length {promised}")
        part = _part_of(descriptor, offset, count)
        self.has_sent_head = True
        self.bytes_sent = count
        self._put(Head(_status_line(head), fields, part))
        self._end()

    async def _send_part(self, head: ResponseHead | None, descriptor: int, offset: int, count: int, more: bool) -> None:
        if head is not None:
            self.send(head, b"", True)
        self._promise(count, more)
        self.bytes_sent += count
        self._unsent += count
        self._put(_part_of(descriptor, offset, count))
        if more:
            await self._wait_room()
        else:
            self._put(End(is_cut_off=False))
            self._end()

    def upgrade(self, head: ResponseHead, terms: UpgradeTerms) -> FrameTransport | None:
        """As `WorkerRequest.upgrade`: WSGI knows no WebSockets."""
        raise ContractError("this host carries no WebSockets")

    def abort(self) -> None:
        """As `WorkerRequest.abort`: the server's thread raises, and the server cuts the connection."""
        if not self.has_sent_all:
            self._put(End(is_cut_off=True))
            self._end()

    def _put(self, item: Item) -> None:
        if self.handover is not None and not self._is_closed:
            self.handover.put(item)

    def _end(self) -> None:
        """The answer is complete: the server's thread reads no body any more."""
        self.has_sent_all = True
        self._wake()
        self._make_room()


class _Room:
    """What `send` returns when the server's thread is behind: whoever awaits it waits until that has caught up."""

    __slots__ = ("_request", "_room")

    def __init__(self, request: WsgiRequest, room: asyncio.Future[None]) -> None:
        self._request = request
        self._room = room

    def __await__(self) -> Generator[Any, Any, None]:
        return self._wait().__await__()

    async def _wait(self) -> None:
        # A cancelled one must not wake the others.
        await asyncio.shield(self._room)
        if self._request.is_disconnected:
            raise ClientGone("the client left")


def _status_line(head: ResponseHead) -> str:
    reason = head.reason_phrase.decode("latin-1") or REASONS.get(head.status_code, "Unknown")
    return f"{head.status_code} {reason}"


def _part_of(descriptor: int, offset: int, count: int) -> FilePart:
    """A part of an open file with a descriptor of its own: one with a place of its own, too, where the system has a way."""
    try:
        own = os.open(f"/proc/self/fd/{descriptor}", os.O_RDONLY)
    except OSError:
        return FilePart(os.dup(descriptor), offset, count, is_to_the_end=False)
    return FilePart(own, offset, count, is_to_the_end=offset + count >= os.fstat(own).st_size)
