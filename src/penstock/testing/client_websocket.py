"""The client's side of a WebSocket without a wire: it speaks the frames of RFC 6455, so that their rules hold."""

from __future__ import annotations

import asyncio
import base64
import os
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final

from penstock.errors import (
    ConnectionLost,
    WebSocketClosedError,
    WebSocketDisconnect,
    WebSocketError,
    WebSocketProtocolError,
)
from penstock.hosts.memory_host import MemoryRequest
from penstock.hosts.memory_socket import MemorySocket
from penstock.http.deflate_offers import negotiate, read_extensions
from penstock.http.headers import Headers
from penstock.http.websocket_handshake import accept_value
from penstock.intake.frame_transport import BINARY, CLOSE, PING, PONG, TEXT
from penstock.request_sockets.close_codes import encode_close, encode_echo
from penstock.request_sockets.deflate import Deflater, Inflater
from penstock.request_sockets.frame_writing import encode_frame
from penstock.request_sockets.frames import FrameReader
from penstock.testing.client import ClientResponse

_LARGEST: Final = 1 << 40  # a test may be sent what it likes
_PATIENCE: Final = 10.0  # seconds for the server to end what this client has closed


class WebSocketRefused(WebSocketError):
    """The server answered a handshake with something else than 101: `response` has its status, headers and body."""

    def __init__(self, response: ClientResponse) -> None:
        super().__init__(f"the handshake was answered with {response.status}: {response.body[:200]!r}")
        self.response = response


def handshake_headers(
    *, subprotocols: Sequence[str] = (), origin: str | None = None, compression: bool = False
) -> list[tuple[str, str]]:
    """What a client says that wants a WebSocket (RFC 6455 section 4.1), with a key of its own."""
    fields = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", base64.b64encode(os.urandom(16)).decode()),
    ]
    if subprotocols:
        fields.append(("sec-websocket-protocol", ", ".join(subprotocols)))
    if origin is not None:
        fields.append(("origin", origin))
    if compression:
        fields.append(("sec-websocket-extensions", "permessage-deflate; client_max_window_bits"))
    return fields


class ClientWebSocket:
    """An open WebSocket, seen from its client. `Client.websocket` makes it.

    Nothing is read but in `receive`, `ping`, `close` and a `send` that waits: a client that calls none of them is one that
    reads slowly. There pings are answered with pongs, and a Close with a Close. `subprotocol` is the one that the server chose, or None;
    `response_headers` are those of the 101; `close_code` and `close_reason` are the server's, None until its Close came.
    """

    def __init__(self, request: MemoryRequest, socket: MemorySocket) -> None:
        """`request` is the handshake, answered with 101, and `socket` what carries the frames behind it.

        Raises WebSocketProtocolError (1002) when the 101 does not answer the handshake.
        """
        head = request.response_head
        self.response_headers = Headers([] if head is None else list(head.raw_headers))
        _check_answer(request, self.response_headers)
        self.subprotocol = self.response_headers.get("sec-websocket-protocol")
        self.close_code: int | None = None
        self.close_reason: str | None = None
        self._socket = socket
        extensions = [value.encode() for value in self.response_headers.get_all("sec-websocket-extensions")]
        deflate = negotiate(read_extensions(extensions))
        self._deflater = None if deflate is None else Deflater(deflate, is_server=False)
        inflater = (
            None if deflate is None else Inflater(deflate, max_size=_LARGEST, max_ratio=_LARGEST, is_server=False)
        )
        self._reader = FrameReader(self, max_message_size=_LARGEST, inflater=inflater, is_server=False)
        self._messages: deque[str | bytes] = deque()
        self._parts: list[bytes] = []
        self._pongs: list[bytes] = []
        self._failure: WebSocketProtocolError | None = None
        self._has_sent_close = False

    # -- what tests call ---------------------------------------------------------------------------------------------------

    async def send(self, message: str | bytes) -> None:
        """Send text, or bytes as a binary message; waits while the server does not read.

        Raises WebSocketClosedError when one side has closed, ConnectionLost when the connection is gone.
        """
        if self._has_sent_close:
            raise WebSocketClosedError("this client has closed the WebSocket")
        payload = message.encode() if isinstance(message, str) else bytes(message)
        is_compressed = self._deflater is not None
        if self._deflater is not None:
            payload = self._deflater.deflate(payload)
        self._write(TEXT if isinstance(message, str) else BINARY, payload, rsv1=is_compressed)
        while self._socket.is_full and not self._socket.is_ended:
            # A server that waits for us to read does not read either.
            await self._take_or_wait()
        if self._socket.is_ended:
            raise ConnectionLost("the server has dropped the connection")

    async def receive(self) -> str | bytes:
        """The next message. Raises WebSocketDisconnect behind the last one: with the server's code, 1006 when it said none.

        Raises WebSocketProtocolError when the server broke RFC 6455.
        """
        while not self._messages:
            await self._read()
        return self._messages.popleft()

    async def ping(self, payload: bytes = b"") -> None:
        """Ping the server and wait for its pong; messages that come meanwhile are kept. Raises as `receive`."""
        self._write(PING, payload)
        while payload not in self._pongs:
            await self._read()
        self._pongs.remove(payload)

    async def close(self, code: int | None = 1000, reason: str = "") -> None:
        """Close, and read until the server has dropped the connection; messages that come meanwhile can still be received.

        `code` None: a Close without one. A server that does not end is left after ten seconds. Safe to call again. Raises
        ValueError for a code or a reason that cannot be sent.
        """
        if not self._has_sent_close:
            payload = encode_close(code, reason)
            self._has_sent_close = True
            self._write(CLOSE, payload)
        try:
            async with asyncio.timeout(_PATIENCE):
                await self.wait_end()
        except TimeoutError:
            self.leave()

    async def wait_end(self) -> None:
        """Read until the server has dropped the connection; messages that come meanwhile can still be received."""
        while not self._socket.is_ended:
            await self._take_or_wait()
        self._reader.feed(self._socket.take())

    def send_raw(self, sent: bytes) -> None:
        """Send bytes that need not be frames, at once: for what no client of good will would send."""
        self._socket.feed(sent)

    async def receive_raw(self) -> bytes:
        """The bytes that came since, at least one; b"" when the connection is gone. For frames that are judged by the test."""
        while not (taken := self._socket.take()):
            if self._socket.is_ended:
                return b""
            await self._socket.wait_change()
        return taken

    def leave(self) -> None:
        """Drop the connection without a Close."""
        self._socket.leave()

    # -- what the reader calls ---------------------------------------------------------------------------------------------

    def take_message(self, data: str | bytes) -> None:
        """As `FrameSink.take_message`."""
        self._messages.append(data)

    def take_part(self, opcode: int, data: bytes, is_end: bool) -> None:  # noqa: FBT001 - as FrameSink has it
        """As `FrameSink.take_part`."""
        self._parts.append(data)
        if is_end:
            whole = b"".join(self._parts)
            self._parts.clear()
            self._messages.append(whole.decode() if opcode == TEXT else whole)

    def take_close(self, code: int, reason: str) -> None:
        """As `FrameSink.take_close`."""
        self.close_code, self.close_reason = code, reason
        if not self._has_sent_close:
            self._has_sent_close = True
            self._write(CLOSE, encode_echo(code))

    def take_ping(self, payload: bytes) -> None:
        """As `FrameSink.take_ping`."""
        self._write(PONG, payload)

    def take_pong(self, payload: bytes) -> None:
        """As `FrameSink.take_pong`."""
        self._pongs.append(payload)

    def fail(self, code: int, reason: str) -> None:
        """As `FrameSink.fail`."""
        self._failure = WebSocketProtocolError(code, f"the server broke the protocol: {reason}")

    def lose(self, error: Exception | None) -> None:
        """As `FrameSink.lose`; the connection itself is asked, so there is nothing to do."""

    def resume_sending(self) -> None:
        """As `FrameSink.resume_sending`; see `lose`."""

    # -- inside ------------------------------------------------------------------------------------------------------------

    async def _read(self) -> None:
        """Read what has come, or wait for more. Raises what says that nothing will."""
        if taken := self._socket.take():
            self._reader.feed(taken)
            return
        if self._failure is not None:
            raise self._failure
        if self.close_code is not None:
            raise WebSocketDisconnect(self.close_code, self.close_reason or "")
        if self._socket.is_ended:
            raise WebSocketDisconnect(1006, "the connection was dropped without a Close")
        await self._socket.wait_change()

    async def _take_or_wait(self) -> None:
        if taken := self._socket.take():
            self._reader.feed(taken)
        else:
            await self._socket.wait_change()

    def _write(self, opcode: int, payload: bytes, *, rsv1: bool = False) -> None:
        self._socket.feed(encode_frame(opcode, payload, rsv1=rsv1, mask=os.urandom(4)))


class OpeningWebSocket:
    """A handshake: `async with` sends it, waits for the answer, and closes the socket in the end."""

    def __init__(self, ask: Callable[[], MemoryRequest]) -> None:
        """`ask` hands the request of the handshake over."""
        self._ask = ask
        self._websocket: ClientWebSocket | None = None

    async def __aenter__(self) -> ClientWebSocket:
        request = self._ask()
        await request.wait_finished()
        if request.socket is None:
            raise WebSocketRefused(ClientResponse(request))
        self._websocket = ClientWebSocket(request, request.socket)
        return self._websocket

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._websocket is None:
            return
        if error is not None:
            self._websocket.leave()
        await self._websocket.close()


def _check_answer(request: MemoryRequest, fields: Headers) -> None:
    key = request.head.find(b"sec-websocket-key") or b""
    if (fields.get("sec-websocket-accept") or "").encode() != accept_value(key):
        raise WebSocketProtocolError(1002, "the 101 does not answer Sec-WebSocket-Key")
