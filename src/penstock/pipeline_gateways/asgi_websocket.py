"""The ASGI side of a WebSocket: `websocket.*` messages, from the handshake to the end of the socket.

A refused handshake is an ordinary answer: what the application says of it goes the way of `http.response.start` and
`http.response.body`, so that filters, headers and errors are those of any request.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Coroutine
from typing import Any, Final

from penstock.errors import (
    AcceptLost,
    ClientGone,
    ConnectionLost,
    ContractError,
    WebSocketClosedError,
    WebSocketDisconnect,
    WebSocketError,
    WebSocketProtocolError,
    WebSocketStateError,
)
from penstock.pipeline.context import Context
from penstock.pipeline_gateways.asgi import AsgiExchange, Message
from penstock.pipeline_gateways.asgi_extensions import STOPPING
from penstock.pipeline_gateways.disconnect import Disconnect
from penstock.request_sockets.options import AcceptOptions
from penstock.request_sockets.websocket import WebSocket, WebSocketState

logger = logging.getLogger("penstock")

ACCEPT: Final = "websocket.accept"
CLOSE: Final = "websocket.close"
SEND: Final = "websocket.send"
START: Final = "websocket.http.response.start"
BODY: Final = "websocket.http.response.body"

_ASGI: Final = {"version": "3.0", "spec_version": "2.5"}

# Where an exchange stands while it has no socket; with one, it is connected.
_HANDSHAKE: Final = 0
_DENYING: Final = 1
_OVER: Final = 2  # refused, lost, or closed by the application

_LOST: Final = (1006, "")  # RFC 6455 section 7.1.5: no Close has come


def socket_scope(scope: dict[str, Any], context: Context) -> dict[str, Any]:
    """The scope of a handshake, made of the one that an HTTP request would have (websockets section 4.1)."""
    scope["type"] = "websocket"
    scope["asgi"] = _ASGI
    scope["scheme"] = "wss" if scope["scheme"] == "https" else "ws"
    scope["subprotocols"] = list(context.websockets.requested_protocols or ())
    scope["extensions"] = {"websocket.http.response": {}, STOPPING: context.stopping}
    del scope["method"]
    return scope


class AsgiSocketExchange(AsgiExchange):
    """`receive` and `send` of one WebSocket."""

    __slots__ = ("_ended", "_is_connect_told", "_phase", "_socket")

    def __init__(self, context: Context) -> None:
        super().__init__(context, False)
        self._socket: WebSocket | None = None
        self._phase = _HANDSHAKE
        self._is_connect_told = False
        self._ended: tuple[int, str] | None = None  # code and reason, once there is a socket

    async def run(self, running: Awaitable[object]) -> None:
        """Wait for the application; what it raises passes through, but a framework's word for a client that left."""
        try:
            result = await running
        except Exception as error:
            if type(error).__name__ == "WebSocketDisconnect" and self._knows_of_the_end:
                return  # Starlette's, for one: that a client leaves is nobody's fault
            raise
        if result is not None:  # websockets AS-28
            logger.error("an ASGI application returns None, not %r: what it returned is ignored", type(result).__name__)

    @property
    def _is_upgrading(self) -> bool:
        return self._context.websockets.is_upgrading

    @property
    def _knows_of_the_end(self) -> bool:
        socket = self._socket
        return self.is_told if socket is None else socket.state is not WebSocketState.OPEN

    def receive(self) -> Coroutine[Any, Any, Message]:
        """ASGI `receive`: `websocket.connect`, then messages, whole; `websocket.disconnect` from the end on.

        Awaiting it raises WebSocketBusyError while another task waits for a message.
        """
        socket = self._socket
        return self._receive_early() if socket is None else socket.receive_for(self)

    def shape_message(self, received: str | bytes) -> Message:
        """As `Receiver.shape_message`."""
        if isinstance(received, str):
            return {"type": "websocket.receive", "text": received}
        return {"type": "websocket.receive", "bytes": received}

    def shape_end(self, error: WebSocketError) -> Message:
        """As `Receiver.shape_end`: the first error says how it ended."""
        if isinstance(error, (WebSocketDisconnect, WebSocketProtocolError)):
            self._ended = error.code, error.reason
        return self._disconnect_message()

    def send(self, message: Message) -> Coroutine[Any, Any, None]:
        """ASGI `send`. Awaiting it raises WebSocketClosedError, an OSError, when the socket is closed.

        ContractError for a message that is none, or out of turn; ValueError for what cannot be sent with it.
        """
        socket = self._socket
        if socket is None or message["type"] != SEND:
            return self._send_rest(message)
        # Every message passes here: the coroutine of the socket itself is the answer.
        try:
            content = message.get("bytes")
            text = message.get("text")
            if content is None and isinstance(text, str):
                return socket.send(text)
            if text is None and isinstance(content, (bytes, bytearray, memoryview)):
                return socket.send(content)
        except Exception as error:
            return _fail(_as_closed(error))
        found = f"text={type(text).__name__} and bytes={type(content).__name__}"
        return _fail(ContractError(f"{SEND} has either a text (str) or bytes, not {found}"))

    def judge_end(self) -> None:
        """The application has returned, or accepted. Raises ContractError for no decision (websockets AS-10)."""
        if self._is_upgrading:
            return
        if self._phase == _DENYING:
            if self._response.is_started:
                raise ContractError("the ASGI application returned without completing its refusal")
            return  # its status and headers are an answer without a body (websockets AS-19)
        if self.is_told:
            raise ClientGone("the client left before it was answered")
        raise ContractError("the ASGI application returned without accepting or refusing the WebSocket")

    # -- before the socket, and behind it --------------------------------------------------------------------------------

    async def _receive_early(self) -> Message:
        """What there is to receive without a socket, or, when there is one meanwhile, from it."""
        if not self._is_connect_told:
            self._is_connect_told = True
            return {"type": "websocket.connect"}
        if not self._is_over:
            # Until there is a socket, an answer, or no client; one that can still be answered may have left, too.
            if self._disconnect is None:
                self._disconnect = Disconnect(self._context.runtime.loop, self._worker_request)
            await self._disconnect.wait()
        socket = self._socket
        if socket is None:
            return self._disconnect_message()
        message: Message = await socket.receive_for(self)
        return message

    def _disconnect_message(self) -> Message:
        self.is_told = True
        if self._ended is None:
            return {"type": "websocket.disconnect", "code": 1006}  # there never was a socket
        code, reason = self._ended
        return {"type": "websocket.disconnect", "code": code, "reason": reason}

    @property
    def _is_over(self) -> bool:
        return self._phase == _OVER or self.is_complete or self._worker_request.is_disconnected

    async def _send_rest(self, message: Message) -> None:
        kind = message["type"]
        socket = self._socket
        if socket is None:
            await self._send_early(kind, message)
        elif kind == CLOSE:
            await self._close(socket, message)
        else:
            raise ContractError(f"{kind!r} is no message for a connected WebSocket: {SEND} or {CLOSE}")

    async def _send_early(self, kind: str, message: Message) -> None:
        if self._phase == _OVER:
            raise WebSocketClosedError(f"{kind} was sent after the WebSocket was closed or refused")
        if self._phase == _DENYING:
            await self._send_body(kind, message)
        elif self._is_upgrading:
            raise ContractError(f"{kind} was sent while {ACCEPT} is under way: wait until that has returned")
        elif kind == ACCEPT:
            await self._accept(message)
        elif kind == CLOSE:
            # Refused without a word (websockets AS-2).
            await self._deny({"type": "http.response.start", "status": 403})
            await self._send_body(BODY, {})
        elif kind == START:
            await self._deny({**_chosen(message, ("status", "headers")), "type": "http.response.start"})
        else:
            raise ContractError(
                f"{kind!r} cannot be sent before the handshake is answered: {ACCEPT}, {CLOSE} or {START}"
            )

    async def _accept(self, message: Message) -> None:
        """The rest of the plan runs in here, END included, and 101 leaves."""
        if self.is_told or self._worker_request.is_disconnected:
            self.is_told = True
            raise ClientGone("the client left before its WebSocket was accepted")
        options = read_options(message)
        try:
            socket = await self._context.websockets.accept(options, answers_close=True)
        except AcceptLost:
            self._phase = _OVER
            self._let_receivers_go_on()
            raise
        self._begin_with(socket)

    def _begin_with(self, socket: WebSocket | None) -> None:
        self._socket = socket
        self._ended = _LOST
        self._let_receivers_go_on()

    def _let_receivers_go_on(self) -> None:
        waiting, self._disconnect = self._disconnect, None
        if waiting is not None:
            waiting.resolve()

    async def _deny(self, start: Message) -> None:
        await self._answer(start)
        self._phase = _DENYING

    async def _send_body(self, kind: str, message: Message) -> None:
        if kind != BODY:
            raise ContractError(f"{BODY} is expected behind {START}, not {kind!r}")
        await self._answer({**_chosen(message, ("body", "more_body")), "type": "http.response.body"})
        if self.is_complete:
            self._phase = _OVER

    async def _answer(self, message: Message) -> None:
        try:
            await self._send_answer(message)
        except ContractError as error:
            raise ContractError(str(error).replace("http.response.", "websocket.http.response.")) from None

    async def _send_answer(self, message: Message) -> None:
        await AsgiExchange.send(self, message)

    async def _close(self, socket: WebSocket, message: Message) -> None:
        """Close; the client's own Close is waited for behind it, not by the application."""
        code = message.get("code")
        reason = message.get("reason") or ""
        code = 1000 if code is None else code
        if not isinstance(code, int) or not isinstance(reason, str):
            raise ContractError(f"{CLOSE} has a code (int) and a reason (str), not {code!r} and {reason!r}")
        try:
            if socket.close_code is None:
                await socket.close_output(code, reason)
                self._ended = code, reason
        except (WebSocketStateError, ConnectionLost):
            pass  # there is nothing left to close, as behind the Close of a client: applications do so in a `finally`
        else:
            self._phase = _OVER
            self._socket = None


def read_options(message: Message) -> AcceptOptions | None:
    """What an accept says. Raises ContractError, TypeError or ValueError for what cannot be accepted with (websockets AS-3, AS-4)."""
    subprotocol = message.get("subprotocol") or None
    if subprotocol is not None and not isinstance(subprotocol, str):
        raise ContractError(f"the subprotocol of {ACCEPT} is a str or None, not {subprotocol!r}")
    headers: list[tuple[bytes, bytes]] = []
    for field in message.get("headers") or ():
        name, value = field
        if not isinstance(name, bytes) or not isinstance(value, bytes):
            raise ContractError(f"the headers of {ACCEPT} are pairs of bytes, not {(name, value)!r}")
        headers.append((name.lower(), value))
    if subprotocol is None and not headers:
        return None  # what most say; there are 200 bytes less to keep for each socket
    return AcceptOptions(subprotocol, headers=headers)


def _as_closed(error: Exception) -> Exception:
    """What ASGI 2.4 wants of a socket that has ended: an OSError."""
    return WebSocketClosedError(str(error)) if isinstance(error, (WebSocketStateError, OSError)) else error


async def _fail(error: Exception) -> None:
    """Raised to whoever awaits, as by any coroutine: not where it is made."""
    raise error


def _chosen(message: Message, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: message[name] for name in names if name in message}
