"""One request passed to a pool, and its answer on the way back; as the proxy does it, but for what is tried again."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from penstock.intake.metadata import FAILED
from penstock.request_handlers.pool_connection import PoolConnection
from penstock.request_handlers.pool_failures import pool_failure_of, told_failure
from penstock.request_handlers.proxy_exchange import Exchange
from penstock.request_handlers.proxy_failures import BrokenConnection

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.request_handlers.pool_handler import PoolHandler
    from penstock.request_handlers.proxy_backends import Backend

# A worker that is replaced may close more than one idle connection while a request looks for one.
RETRIES: Final = 3
_FAILURES: Final = 400


class PoolExchange(Exchange):
    """A request to a pool."""

    __slots__ = ("_handler", "_sent")

    def __init__(self, context: Context, handler: PoolHandler) -> None:
        super().__init__(context, handler)
        self._handler = handler
        self._sent = b""  # all of it, where it is sent again

    def _head(self, backend: Backend) -> bytes:
        return self._handler.heads.write(self.context, self.worker_request)

    def _send(self) -> None:
        connection, sent = self.connection, self._sent
        if not sent or connection is None:
            super()._send()
            return
        self.is_sent = True
        connection.begin(self, sent, connection.pool.loop.time())

    def _may_repeat(self) -> bool:
        """Whether nobody has read the request: only then is it sent again, whatever its method (RFC 9112 section 9.3.1).

        Even GET is not sent again to the next worker once one has ended over it: it might be the reason.
        """
        connection = self.connection
        if not isinstance(connection, PoolConnection) or not connection.was_unread or not connection.sent:
            return False
        if self.has_begun or not self._retries or not isinstance(self.error, BrokenConnection):
            return False
        self._sent = connection.sent
        return not self.worker_request.is_disconnected

    def respond(self) -> Awaitable[None] | None:
        """As `Exchange.respond`. Raises what the application has failed with, so that the error pages of the location answer."""
        answer = self.answer
        told = None if answer is None or answer.status < _FAILURES or not self.is_whole else answer.find(FAILED)
        if answer is not None and told is not None:
            self.context.rest.error_id = told.decode("latin-1")
            raise told_failure(answer.status, self.take(), headers=answer.fields, pool=self._handler.pool_name)
        return super().respond()

    def _failure(self, error: Exception) -> Exception:
        return pool_failure_of(error, self._handler.pool_name, has_begun=self.answer is not None)
