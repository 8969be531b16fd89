"""A WebSocket of an application in a pool: the handshake passes as the client sent it, then messages go both ways."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

from penstock.request_handlers.pool_failures import pool_failure_of
from penstock.request_handlers.proxy_socket import SocketExchange

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.request_handlers.pool_handler import PoolHandler
    from penstock.request_handlers.proxy_backends import Backend


def open_pool_socket(context: Context, handler: PoolHandler) -> Awaitable[None]:
    """Pass a handshake on. Raises RequestRejected and HTTPError for what could not be accepted."""
    context.websockets.judge()
    return PoolSocketExchange(context, handler).run()


class PoolSocketExchange(SocketExchange):
    """A handshake with a pool; once it has switched, the WebSocket behind it."""

    __slots__ = ("_handler",)

    def __init__(self, context: Context, handler: PoolHandler) -> None:
        super().__init__(context, handler)
        self._handler = handler

    def _head(self, backend: Backend) -> bytes:
        # The application sees the handshake that it would see in process, so it answers the client's key.
        self._key = self.worker_request.head.find(b"sec-websocket-key") or b""
        return self._handler.heads.write(self.context, self.worker_request, is_handshake=True)

    def _may_repeat(self) -> bool:
        return False

    def _failure(self, error: Exception) -> Exception:
        return pool_failure_of(error, self._handler.pool_name, has_begun=self.answer is not None)
