"""The handler of an application that runs in a pool of its own: it is asked over HTTP/1.1 on the pool's Unix socket."""

from __future__ import annotations

import math
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from penstock.http.websocket_handshake import asks_for_websocket
from penstock.intake.metadata import FAILED, MetadataSigner
from penstock.pipeline.handler import PARKED, Signal
from penstock.request_handlers.pool_connection import PoolConnections
from penstock.request_handlers.pool_exchange import RETRIES, PoolExchange
from penstock.request_handlers.pool_request_head import PoolRequestWriter
from penstock.request_handlers.proxy import Proxy
from penstock.request_handlers.proxy_answer_head import AnswerReader
from penstock.request_handlers.proxy_backends import Backend, Backends
from penstock.request_handlers.proxy_body import WITH_BODY
from penstock.request_handlers.proxy_health import Health
from penstock.request_handlers.proxy_pool import PoolLimits
from penstock.settings import BackendSettings

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.request_handlers.pool_address import PoolAddress
    from penstock.settings import AppSettings, PoolSettings

# Seconds in which a connection must come about, or become free. The supervisor's socket is always there.
_CONNECT_TIMEOUT: Final = 30.0
# Seconds that an idle connection is kept; the pool's worker keeps it longer, so it is nearly always the front that closes.
_KEEP_ALIVE: Final = 60.0
# As [site.proxy] has them: bytes that may wait for a slow client, and of the head of an answer.
_BUFFER: Final = 262_144
_MAX_HEAD: Final = 1_048_576
# A pool is never "down": its socket is the supervisor's, and who connects is told by whoever accepts.
_NEVER: Final = 1_000_000_000


class PoolHandler(Proxy):
    """One `[[site.app]]` with a pool. `execute` is its step of stage EXECUTE, `finish` the one right behind it.

    Lives between `start` and `stop`, on one event loop. Connections are made with the first requests.
    """

    __slots__ = ("_is_wsgi", "_path", "_pool", "heads", "pool_name")

    def __init__(self, settings: AppSettings, pool: PoolSettings, address: PoolAddress) -> None:
        super().__init__(BackendSettings(at=settings.at, to=(f"unix:{address.path}",)))
        self.buffer = _BUFFER
        self.retries = RETRIES
        self.pool_name = pool.name
        self.heads = PoolRequestWriter(MetadataSigner(address.key, pool.name), settings.at)
        self._path = address.path
        self._pool = pool
        self._is_wsgi = settings.wsgi is not None

    def start(self) -> None:
        """Be ready for requests."""
        pool = self._pool
        limits = PoolLimits(
            connections=pool.connections,
            queue=pool.queue,
            keep_alive=_KEEP_ALIVE,
            connect_timeout=_CONNECT_TIMEOUT,
            read_timeout=pool.read_timeout or math.inf,
        )
        name = f"pool {pool.name}"
        reader = AnswerReader(_MAX_HEAD, replaced={FAILED: b""})
        connections = PoolConnections(name, "", 0, path=self._path, reader=reader, limits=limits)
        health = Health(name, path="", interval=1.0, timeout=1.0, unhealthy_after=_NEVER, healthy_after=1)
        self.backends = Backends([Backend(f"unix:{self._path}", health, connections)])

    def execute(self, context: Context) -> Awaitable[None] | Signal:
        """Pass the request on. Raises BackendFailed (503) when too many wait already, RequestRejected."""
        head = context.worker_request.head
        framing = head.framing
        if framing.is_upgrade and not self._is_wsgi and head.line.method == "GET" and asks_for_websocket(head):
            from penstock.request_handlers.pool_socket import open_pool_socket  # imported by the first socket

            return open_pool_socket(context, self)
        exchange = PoolExchange(context, self)
        if framing.content_length or head.method in WITH_BODY:
            return exchange.run()
        backend = self.backends.choose()
        connection = backend.pool.find_idle()
        if connection is None:
            return exchange.run(backend)
        exchange.send_at_once(backend, connection)
        return PARKED
