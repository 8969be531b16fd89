"""How a WebSocket of an RSGI server takes part: its protocol, told as the messages of ASGI, for which all else is made."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, Final

from penstock.errors import ClientGone
from penstock.hosts.rsgi_fields import address_of
from penstock.http.messages import RequestHead, ResponseHead
from penstock.http.websocket_handshake import added_fields
from penstock.intake.asgi_frames import AsgiFrames
from penstock.intake.asgi_receiving import Message
from penstock.intake.asgi_request import AsgiRequest
from penstock.intake.frame_transport import UpgradeTerms
from penstock.intake.worker_request import Capability

logger = logging.getLogger("penstock")

_CLOSED: Final = 0
_BYTES: Final = 1
# RFC 6455 section 7.4.1: a Close without a code, and no Close at all. RSGI does not say which code a client gave.
_NO_CODE: Final = 1005
_LOST: Final = 1006
_DENIAL: Final = "websocket.http.response"
# Names of fields that were dropped, each told of once, up to a bound.
_TOLD: Final[set[str]] = set()
_MOST_TOLD: Final = 100


class RsgiMessages:
    """The two channels of a WebSocket, over the protocol of RSGI."""

    __slots__ = ("_accepted", "_is_closed", "_protocol", "_status", "_transport", "client", "scheme", "server")

    def __init__(self, scope: Any, protocol: Any) -> None:
        self.scheme: str = scope.scheme
        self.client = address_of(scope.client)
        self.server = address_of(scope.server)
        self._protocol = protocol
        self._transport: Any = None
        self._accepted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._status = 403
        self._is_closed = False

    async def receive(self) -> Message:
        """The next message. Before it is accepted, an RSGI server tells nothing."""
        await asyncio.shield(self._accepted)
        transport = self._transport
        if transport is None:
            return {"type": "websocket.disconnect", "code": _LOST}
        try:
            message = await transport.receive()
        except RuntimeError:  # RSGIProtocolClosed: the connection has ended without a Close
            return {"type": "websocket.disconnect", "code": _LOST}
        kind = int(message.kind)
        if kind == _CLOSED:
            return {"type": "websocket.disconnect", "code": _NO_CODE}
        return {"type": "websocket.receive", "bytes" if kind == _BYTES else "text": message.data}

    async def send(self, message: Message) -> None:
        """Send a message of ASGI. Raises ClientGone when there is nobody any more."""
        kind = message["type"]
        try:
            if kind == "websocket.send":
                await self._send_data(message)
            elif kind == "websocket.accept":
                await self._accept()
            elif kind == "websocket.http.response.start":
                self._status = message["status"]
            elif kind == "websocket.close" or not message.get("more_body"):
                self.close()
        except RuntimeError as error:
            gone = ClientGone("the client left")
            gone.__cause__ = error
            raise gone from error

    def close(self) -> None:
        """Close the socket, without a code; before it is accepted, answer with a status and without a body."""
        if not self._is_closed:
            self._is_closed = True
            # The server ends the connection when nobody holds its transport any more.
            self._transport = None
            self._protocol.close(self._status)

    async def _accept(self) -> None:
        self._transport = await self._protocol.accept()
        if not self._accepted.done():
            self._accepted.set_result(None)

    async def _send_data(self, message: Message) -> None:
        transport = self._transport
        if transport is None:
            raise ClientGone("the socket is closed")
        text = message.get("text")
        if text is not None:
            await transport.send_str(text)
        else:
            await transport.send_bytes(message["bytes"])


class RsgiSocketRequest(AsgiRequest):
    """A handshake that an RSGI server has found to be one; what is refused is refused with its status alone."""

    __slots__ = ("_messages",)

    def __init__(self, messages: RsgiMessages, head: RequestHead) -> None:
        scope: Message = {
            "type": "websocket",
            "scheme": messages.scheme,
            "client": messages.client,
            "server": messages.server,
            "extensions": {_DENIAL: {}},
        }
        super().__init__(scope, messages.receive, messages.send, head=head)
        self._messages = messages

    @property
    def capabilities(self) -> Capability:
        """As `WorkerRequest.capabilities`: an RSGI server accepts without sub-protocol and fields."""
        return Capability.SEND_FILE | Capability.UPGRADE | Capability.BARE_UPGRADE

    def upgrade(self, head: ResponseHead, terms: UpgradeTerms) -> AsgiFrames | None:
        """As `WorkerRequest.upgrade`. Fields that modules have added are dropped, and told of once."""
        names = {name.decode("latin-1") for name, _ in added_fields(head)} - _TOLD
        if names and len(_TOLD) < _MOST_TOLD:
            _TOLD.update(names)
            logger.warning("an RSGI server accepts WebSockets without fields; dropped: %s", ", ".join(sorted(names)))
        return super().upgrade(ResponseHead(101, []), terms)

    async def finish(self) -> None:
        """As `AsgiRequest.finish`; the server is told that the socket has ended."""
        try:
            await super().finish()
        finally:
            self._messages.close()
