"""The reverse proxy: what answers below a path is another server, asked over HTTP/1.1."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Final

from penstock.http.websocket_handshake import asks_for_websocket
from penstock.pipeline.handler import PARKED, Signal
from penstock.request_handlers.proxy_answer_head import AnswerReader
from penstock.request_handlers.proxy_backends import Backends, make_backend
from penstock.request_handlers.proxy_body import WITH_BODY
from penstock.request_handlers.proxy_exchange import Exchange
from penstock.request_handlers.proxy_health import Health
from penstock.request_handlers.proxy_place import BackendPlace, OwnLinks, make_tls
from penstock.request_handlers.proxy_pool import PoolLimits
from penstock.request_handlers.proxy_request_head import RequestWriter

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.settings import BackendSettings

_NO_BACKENDS: Final = Backends(())


class Proxy:
    """One `[[site.proxy]]`. `execute` is its step of stage EXECUTE, `finish` the one right behind it.

    Lives between `start` and `stop`, on one event loop. Connections are made with the first requests.
    """

    __slots__ = ("_replaced", "_settings", "_tls", "backends", "buffer", "retries", "writer")

    def __init__(self, settings: BackendSettings) -> None:
        """Raises ConfigurationError when the certificates that are to be trusted are none."""
        self._settings = settings
        self._tls = make_tls(settings.ca) if any(name.startswith("https://") for name in settings.to) else None
        self.buffer = settings.buffer
        self.retries = settings.retries
        self.backends = _NO_BACKENDS
        self._replaced = _encoded(settings.response_headers)
        self.writer = RequestWriter(
            settings.at,
            strips=settings.strip_prefix,
            is_own_host=settings.host == "backend",
            forwarded=settings.forwarded,
            replaced=_encoded(settings.request_headers),
        )

    def start(self) -> None:
        """Be ready for requests, and begin to ask backends how they are where they are to be asked."""
        settings = self._settings
        limits = PoolLimits(
            connections=settings.connections,
            queue=settings.queue,
            keep_alive=settings.keep_alive,
            connect_timeout=settings.connect_timeout,
            read_timeout=settings.read_timeout,
        )
        made = [
            make_backend(name, self._health(name), reader=self._reader(name), limits=limits, tls=self._tls)
            for name in settings.to
        ]
        self.backends = Backends(made, is_least=settings.balance == "least_connections")
        self.backends.start()

    async def stop(self) -> None:
        """Drop all connections."""
        backends, self.backends = self.backends, _NO_BACKENDS
        await backends.stop()

    def execute(self, context: Context) -> Awaitable[None] | Signal:
        """Pass the request on. Raises BackendFailed (503) when there is no backend to pass it to, RequestRejected."""
        head = context.worker_request.head
        framing = head.framing
        self.writer.judge(head.line)
        if framing.is_upgrade and self._settings.websockets and asks_for_websocket(head):
            from penstock.request_handlers.proxy_socket import open_socket  # imported by the first socket

            return open_socket(context, self)
        exchange = Exchange(context, self)
        if framing.content_length or head.method in WITH_BODY:
            return exchange.run()
        backend = self.backends.choose()
        connection = backend.pool.find_idle()
        if connection is None:
            return exchange.run(backend)
        exchange.send_at_once(backend, connection)
        return PARKED

    def finish(self, context: Context) -> Awaitable[None] | None:
        """Behind the parking: answer with what has come. Raises BackendFailed, ClientGone."""
        exchange = context.exchange
        if not isinstance(exchange, Exchange):
            return None  # it was not parked, and has been answered
        context.exchange = None
        return exchange.settle()

    def _reader(self, name: str) -> AnswerReader:
        settings = self._settings
        prefix = settings.at if settings.strip_prefix else ""
        links = OwnLinks(BackendPlace(name), prefix) if settings.rewrite_location else None
        return AnswerReader(settings.max_head, replaced=self._replaced, links=links)

    def _health(self, name: str) -> Health:
        given = self._settings.health
        return Health(
            name,
            path=given.path,
            interval=given.interval,
            timeout=given.timeout,
            unhealthy_after=given.unhealthy_after,
            healthy_after=given.healthy_after,
        )


def _encoded(headers: dict[str, str]) -> dict[bytes, bytes]:
    return {name.lower().encode("ascii"): value.encode("latin-1") for name, value in headers.items()}
