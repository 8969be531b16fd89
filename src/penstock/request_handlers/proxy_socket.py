"""A WebSocket passed on: the backend's handshake comes first, then that of the client; then messages go both ways.

Messages are relayed, not bytes. So the rules of the location hold (sizes, keep-alive, places, the stop of the server), each
side has its own compression and answers its own pings, and it works on every host that carries WebSockets. A message is
passed on in the pieces in which it comes: never a whole one in memory, and who reads slowly slows the other side down.
"""

from __future__ import annotations

import asyncio
import base64
import os
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from penstock.errors import (
    ConnectionLost,
    WebSocketDisconnect,
    WebSocketError,
    WebSocketProtocolError,
)
from penstock.http.websocket_handshake import accept_value
from penstock.request_handlers.proxy_answer_head import AnswerHead, BadAnswer
from penstock.request_handlers.proxy_exchange import Exchange
from penstock.request_handlers.proxy_frames import BackendFrames
from penstock.request_sockets.close_codes import GOING_AWAY, NO_CODE, NORMAL, is_sendable_code
from penstock.request_sockets.messages import MessageType
from penstock.request_sockets.options import AcceptOptions
from penstock.request_sockets.websocket import WebSocket

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.request_handlers.proxy import Proxy
    from penstock.request_handlers.proxy_backends import Backend
    from penstock.request_handlers.proxy_connection import BackendConnection

# RFC 6455 section 7.4.2, registered: what is behind the server that answers has failed.
_BAD_GATEWAY: Final = 1014
# Seconds that a backend has for its Close when the relay has ended.
_LAST_WORDS: Final = 1.0
_PIECE: Final = 65536
# What the handshake with the client says itself, and what a 101 has no place for.
_OWN_FIELDS: Final = frozenset(
    (
        b"content-length",
        b"content-type",
        b"date",
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-protocol",
        b"server",
    )
)


def open_socket(context: Context, proxy: Proxy) -> Awaitable[None]:
    """Pass a handshake on, and answer as the backend does. Raises RequestRejected and HTTPError for what could not be accepted."""
    context.websockets.judge()
    return SocketExchange(context, proxy).run()


class SocketExchange(Exchange):
    """A handshake with a backend; once it has switched, the WebSocket behind it."""

    __slots__ = ("_frames", "_is_accepted", "_key", "_switched")

    def __init__(self, context: Context, proxy: Proxy) -> None:
        super().__init__(context, proxy)
        self._key = b""
        self._switched: AnswerHead | None = None
        self._frames: BackendFrames | None = None
        self._is_accepted = False

    async def _open(self, backend: Backend) -> BackendConnection:
        # Sockets stay: a connection of their own, which takes nobody's place.
        return await backend.pool.connect_aside()

    def _head(self, backend: Backend) -> bytes:
        self._key = base64.b64encode(os.urandom(16))
        head = self._proxy.writer.write(self.worker_request, backend.host, is_handshake=True)
        return (
            b"%bconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: %b\r\n"
            % (head, self._key)
        )

    def switch(self, connection: BackendConnection, head: AnswerHead, rest: bytes) -> bool:
        """As `Exchange.switch`. Raises BadAnswer when the handshake is not what was asked for (RFC 6455 section 4.1)."""
        upgrade = head.find(b"upgrade")
        if upgrade is None or upgrade.lower() != b"websocket":
            raise BadAnswer("its 101 does not switch to websocket")
        if head.find(b"sec-websocket-accept") != accept_value(self._key):
            raise BadAnswer("its Sec-WebSocket-Accept does not answer our key")
        if any(name == b"sec-websocket-extensions" for name, _ in head.received):
            raise BadAnswer("it agreed to an extension that was not offered")
        self._judge_protocol(head)
        self._frames = BackendFrames(self.context.plan.location.sockets.max_message_size)
        self._frames.begin(connection.take_transport(self._frames), rest)
        self._switched = head
        self.is_whole = True
        return True

    def _judge_protocol(self, head: AnswerHead) -> None:
        chosen = [value for name, value in head.received if name == b"sec-websocket-protocol"]
        offered = self.context.websockets.requested_protocols or ()
        if len(chosen) > 1 or (chosen and chosen[0].decode("latin-1") not in offered):
            raise BadAnswer("it chose a sub-protocol that was not offered")

    def respond(self) -> Awaitable[None] | None:
        """Accept the client's handshake by the terms of the backend's; a refusal is an ordinary answer."""
        switched, frames = self._switched, self._frames
        if switched is None or frames is None:
            return super().respond()
        protocol = switched.find(b"sec-websocket-protocol")
        options = AcceptOptions(
            None if protocol is None else protocol.decode("ascii"),
            headers=[pair for pair in switched.fields if pair[0] not in _OWN_FIELDS],
        )
        context = self.context
        context.accept_websocket(self._relay, options)
        self._is_accepted = True
        upgrade = context.websockets.upgrade
        if upgrade is not None:
            upgrade.on_lost = self._lose
        return None

    def lose_client(self) -> None:
        """As `Exchange.lose_client`; behind the accept it is the socket that is told."""
        if not self._is_accepted:
            super().lose_client()

    def close(self) -> None:
        """As `Exchange.close`; an accepted socket goes on."""
        if not self._is_accepted:
            super().close()
            self._drop_frames()

    def _lose(self, error: Exception) -> None:
        """The accept was not carried out after all."""
        self._leave()
        self._drop_frames()

    def _drop_frames(self) -> None:
        if self._frames is not None:
            self._frames.abort()

    async def _relay(self, client: WebSocket) -> None:
        frames = self._frames
        assert frames is not None
        rules = self.context.plan.location.sockets
        backend = WebSocket(frames, close_timeout=rules.close_timeout)
        frames.attach(backend)
        ways = (_pass_on(client, backend, GOING_AWAY), _pass_on(backend, client, _BAD_GATEWAY))
        tasks = [asyncio.create_task(way, name="penstock-proxy-socket") for way in ways]
        both = asyncio.gather(*tasks)
        if rules.keepalive_interval:
            pinging = frames.keep_alive(rules.keepalive_interval, rules.keepalive_timeout)
            tasks.append(asyncio.create_task(pinging, name="penstock-proxy-keep-alive"))
        try:
            await both
        finally:
            for task in tasks:
                task.cancel()
            self._leave()
            try:
                await backend.finish(GOING_AWAY, "", _LAST_WORDS)
            finally:
                backend.dispose()


async def _pass_on(source: WebSocket, target: WebSocket, lost: int) -> None:
    """Pass on what comes from `source` until its Close, or the end of `target`; `lost` is the code for one without a Close."""
    try:
        while True:
            try:
                piece = await source.receive_fragment(_PIECE)
            except (ConnectionLost, WebSocketProtocolError, WebSocketDisconnect):
                # Nobody waits for the answer to this Close any more; but a client may be far away.
                await target.close(lost, timeout=None if lost == _BAD_GATEWAY else _LAST_WORDS)
                return
            if piece.type is MessageType.CLOSE:
                code, reason = piece.close_code or NO_CODE, piece.close_reason or ""
                break
            await target.send_fragment(piece.data, piece.type, piece.end_of_message)
        if code != NO_CODE and not is_sendable_code(code):
            code = NORMAL  # 1010 is for clients alone
        await target.close_output(code, reason)
    except WebSocketError:
        pass  # the other way tells how `target` has ended
