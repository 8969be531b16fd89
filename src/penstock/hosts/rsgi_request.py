"""RsgiRequest: a request of an RSGI server's as a worker request: an answer that is whole at once leaves in one call."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, Final

from penstock.errors import ClientGone, ContractError
from penstock.hosts.rsgi_body import RsgiBody
from penstock.hosts.rsgi_fields import address_of, fields_for_server
from penstock.http.messages import RequestHead, ResponseHead
from penstock.http.response_head import CLOSES, judge_head
from penstock.http.status import is_bodiless
from penstock.intake.answer_pieces import (
    Drain,
    OneAnswer,
    Turns,
    announce_file,
    check_length,
    leaves_body_out,
    send_pieces,
)
from penstock.intake.frame_transport import FrameTransport, UpgradeTerms
from penstock.intake.worker_request import Address, Capability

_CONNECTION_CLOSE: Final = ("connection", "close")


class RsgiRequest(OneAnswer):
    """One HTTP request on loan from an RSGI server.

    What streams is queued, and leaves when somebody waits for it: whoever got an awaitable from `send`, and `finish`.
    """

    __slots__ = (
        "_body",
        "_callbacks",
        "_client",
        "_has_body",
        "_loop",
        "_outgoing",
        "_promised",
        "_protocol",
        "_scope",
        "_transport",
        "_turns",
        "_wake",
        "_watching",
        "bytes_sent",
        "has_sent_all",
        "has_sent_head",
        "head",
        "is_aborted",
        "is_disconnected",
        "scheme",
        "started",
    )

    def __init__(self, scope: Any, protocol: Any, *, head: RequestHead, loop: asyncio.AbstractEventLoop) -> None:
        """`head` is what `scope` says, judged: see `rsgi_host.head_of`."""
        self.head = head
        self.scheme: str = scope.scheme
        self.bytes_sent = 0
        self.started = 0.0
        self.is_disconnected = False
        self.is_aborted = False
        self.has_sent_all = False
        self.has_sent_head = False
        self._scope = scope
        self._protocol = protocol
        self._loop = loop
        self._body: RsgiBody | None = (
            None if head.framing.content_length == 0 else RsgiBody(protocol, head, loop=loop, lose=self._lose)
        )
        self._transport: Any = None
        # The rest is made by who streams, or waits.
        self._outgoing: deque[bytes] | None = None
        self._callbacks: list[Callable[[], None]] | None = None
        self._watching: asyncio.Task[None] | None = None
        self._wake: asyncio.Future[None] | None = None
        self._turns: Turns | None = None
        self._promised = -1
        self._has_body = True
        self._client: Address | None = None

    @property
    def client(self) -> Address | None:
        """As `WorkerRequest.client`."""
        return self._client or address_of(self._scope.client)

    @property
    def server(self) -> Address | None:
        """As `WorkerRequest.server`."""
        return address_of(self._scope.server)

    @property
    def capabilities(self) -> Capability:
        """As `WorkerRequest.capabilities`: RSGI knows neither interim answers nor trailers."""
        return Capability.SEND_FILE

    def come_from(self, client: Address | None) -> None:
        """A trusted proxy says who the client is."""
        self._client = client

    # -- reading ---------------------------------------------------------------------------------------------------------

    def limit_body(self, limit: int) -> None:
        """As `WorkerRequest.limit_body`."""
        if self._body is not None:
            self._body.limit(limit)

    def take(self) -> bytes | None:
        """As `WorkerRequest.take`."""
        return b"" if self._body is None else self._body.take()

    async def wait_body(self) -> None:
        """As `WorkerRequest.wait_body`."""
        if self._body is not None:
            self._watch()
            await self._body.wait()

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """As `WorkerRequest.on_disconnect`."""
        if self.is_disconnected:
            self._loop.call_soon(callback)
            return
        if self._callbacks is None:
            self._callbacks = []
        self._callbacks.append(callback)
        self._watch()

    def _watch(self) -> None:
        # Servers of RSGI 1.4 and earlier cannot tell.
        if self._watching is None and not self.has_sent_all and hasattr(self._protocol, "client_disconnect"):
            self._watching = self._loop.create_task(self._wait_disconnect(), name="penstock-rsgi-client")

    async def _wait_disconnect(self) -> None:
        await self._protocol.client_disconnect()
        self._lose()

    def _lose(self) -> None:
        """The client has left: whoever reads, and who asked, is told."""
        if self.is_disconnected or (self.has_sent_all and not self._outgoing):
            return
        self.is_disconnected = True
        self._transport = None
        if self._outgoing is not None:
            self._outgoing.clear()
        if self._body is not None:
            self._body.fail(ClientGone("the client left"))
        callbacks, self._callbacks = self._callbacks, None
        for callback in callbacks or ():
            callback()

    # -- answering -------------------------------------------------------------------------------------------------------

    def send(self, head: ResponseHead | None, body: bytes, more: bool) -> Awaitable[None] | None:
        """As `WorkerRequest.send`."""
        if head is None:
            return self._send_piece(body, more)
        if self.has_sent_head:
            raise ContractError("the head of this response has been sent already")
        if self.has_sent_all:
            return None
        kept, promised, notes = judge_head(head)
        if more:
            return self._send_first(head, body, fields_for_server(kept), promised=promised, notes=notes)
        count = len(body)
        fields = fields_for_server(kept)
        if self.head.line.is_head or (head.status_code != 200 and is_bodiless(head.status_code)):
            body = b""
            fields = self._without_body(head, fields, promised, count)
        elif promised >= 0 and promised != count:
            raise ContractError(f"the response has {count} bytes of body but content-length {promised}")
        if notes & CLOSES and self.head.line.version in ("1.1", "1.0"):
            fields.append(_CONNECTION_CLOSE)
        self.has_sent_head = True
        self.has_sent_all = True
        self.bytes_sent = len(body)
        if body:
            self._protocol.response_bytes(head.status_code, fields, body)
        else:
            self._protocol.response_empty(head.status_code, fields)
        self._end()
        return None

    def _send_first(
        self, head: ResponseHead, body: bytes, fields: list[tuple[str, str]], *, promised: int, notes: int
    ) -> Awaitable[None] | None:
        self._has_body = not self.head.line.is_head and not is_bodiless(head.status_code)
        if not self._has_body:
            fields = self._without_body(head, fields, promised, -1)
            promised, body = -1, b""
        if 0 <= promised < len(body):
            raise ContractError("the response body is longer than its content-length")
        if notes & CLOSES and self.head.line.version in ("1.1", "1.0"):
            fields.append(_CONNECTION_CLOSE)
        self._promised = promised
        self.has_sent_head = True
        self._outgoing = deque()
        if self._has_body:
            self._transport = self._protocol.response_stream(head.status_code, fields)
        else:
            self._protocol.response_empty(head.status_code, fields)
        return self._send_piece(body, True)

    def _without_body(
        self, head: ResponseHead, fields: list[tuple[str, str]], promised: int, count: int
    ) -> list[tuple[str, str]]:
        # RFC 9110 section 8.6: none with 204, and nobody needs it with 304.
        if is_bodiless(head.status_code):
            return [pair for pair in fields if pair[0] != "content-length"] if promised >= 0 else fields
        if promised < 0 and count >= 0:
            fields.append(("content-length", str(count)))
        return fields

    def _send_piece(self, body: bytes, more: bool) -> Awaitable[None] | None:
        if self.has_sent_all:
            return None
        count = len(body) if self._has_body else 0
        if self._promised >= 0:
            check_length(self._promised, count, more)
            self._promised -= count
        self.bytes_sent += count
        outgoing = self._outgoing
        if outgoing is not None and count and not self.is_disconnected:
            outgoing.append(body)
        if more:
            return Drain(self)
        self.has_sent_all = True
        self._end()
        return None

    async def send_file(self, head: ResponseHead | None, descriptor: int, offset: int, count: int, more: bool) -> None:
        """As `WorkerRequest.send_file`: the server reads it by its path, where it has one; else piece by piece, in a thread."""
        announce_file(head, count, more)
        is_empty = not count or leaves_body_out(self.head, head)
        if is_empty or head is None or more or not self._send_path(head, descriptor, offset, count):
            await send_pieces(self, head, descriptor=descriptor, offset=offset, count=count, more=more)

    def _send_path(self, head: ResponseHead, descriptor: int, offset: int, count: int) -> bool:
        path = _path_of(descriptor)
        if not path or self.has_sent_head or self.has_sent_all or not hasattr(self._protocol, "response_file_range"):
            return False
        kept, promised, notes = judge_head(head)
        if promised != count:
            raise ContractError(f"the response has {count} bytes of body but content-length {promised}")
        fields = fields_for_server(kept)
        if notes & CLOSES and self.head.line.version in ("1.1", "1.0"):
            fields.append(_CONNECTION_CLOSE)
        self.has_sent_head = True
        self.has_sent_all = True
        self.bytes_sent = count
        self._protocol.response_file_range(head.status_code, fields, path, offset, offset + count)
        self._end()
        return True

    def upgrade(self, head: ResponseHead, terms: UpgradeTerms) -> FrameTransport | None:
        """As `WorkerRequest.upgrade`: an RSGI server says at once which requests are WebSockets, and this is none."""
        raise ContractError("this request is no WebSocket")

    def abort(self) -> None:
        """As `WorkerRequest.abort`: the server is told by an error that leaves the application (see `finish`)."""
        if self.has_sent_all and not self._outgoing:
            return
        self.is_aborted = True
        self.has_sent_all = True
        self._transport = None
        if self._outgoing is not None:
            self._outgoing.clear()
        self._end()

    # -- for whoever led it here -------------------------------------------------------------------------------------------

    @property
    def is_over(self) -> bool:
        """Whether all has been handed to the server, and nobody is left to wait for."""
        return self.has_sent_all and not self._outgoing and not self.is_aborted

    async def drain(self) -> None:
        """Send what is queued. Raises ClientGone when the client has left."""
        turns = self._turns = self._turns or Turns()
        while turns.is_taken:
            await turns.wait()
        turns.is_taken = True
        try:
            while self._outgoing and self._transport is not None:
                await self._transport.send_bytes(self._outgoing.popleft())
        except Exception as error:
            self._lose_stream()
            gone = ClientGone("the client left")
            gone.__cause__ = error
            raise gone from error
        except BaseException:
            self.abort()  # in the middle of a piece: nobody knows how much of it has left
            raise
        finally:
            turns.pass_on()
        if self.is_disconnected:
            raise ClientGone("the client left")

    def _lose_stream(self) -> None:
        if self.has_sent_all:
            self.is_disconnected = True
        self._lose()
        if self._outgoing is not None:
            self._outgoing.clear()

    async def finish(self) -> None:
        """Send all that is queued until the answer is complete.

        Raises ClientGone when the answer was cut off, although the client is there: whoever sees that cuts the connection.
        """
        try:
            while not self.has_sent_all or self._outgoing:
                if self._outgoing:
                    await self._drain_quietly()
                else:
                    self._wake = self._loop.create_future()
                    await self._wake
        except BaseException:
            self._lose()  # the server has ended us: it takes nothing more
            raise
        finally:
            self._transport = None  # with the last reference the server ends the body
        if self.is_aborted and not self.is_disconnected:
            raise ClientGone("the answer was cut off")

    async def _drain_quietly(self) -> None:
        try:
            await self.drain()
        except ClientGone:
            pass

    def _end(self) -> None:
        """The answer is complete: nobody watches the client any more, and `finish` goes on."""
        if self._watching is not None:
            self._watching.cancel()
        if self._body is not None:
            self._body.release()
        wake, self._wake = self._wake, None
        if wake is not None and not wake.done():
            wake.set_result(None)


def _path_of(descriptor: int) -> str:
    """A path that leads to the open file, "" when there is none any more, or no way to tell."""
    try:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        return path if os.path.samestat(os.stat(path), os.fstat(descriptor)) else ""
    except (OSError, ValueError):
        return ""
