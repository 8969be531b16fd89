"""A client without a socket: requests are handed to the runtime in memory, answers come back whole."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, Mapping, Sequence
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from penstock.hosts.memory_host import MemoryRequest
from penstock.http.head import HeadLimits
from penstock.http.headers import Headers, encode_field
from penstock.intake.runtime import Runtime
from penstock.intake.site import Site

if TYPE_CHECKING:
    from penstock.testing.client_websocket import OpeningWebSocket

# Header fields of a request, by name; or as pairs, where a name comes more than once.
Fields = Mapping[str, str] | Sequence[tuple[str, str]]


class ClientResponse:
    """An answer. `body` is what was sent in all, `pieces` the calls in which it was sent; `is_aborted`: it was cut off.

    `informed` are interim answers before it (status and fields), `trailers` the fields behind it.
    """

    __slots__ = ("body", "headers", "informed", "is_aborted", "pieces", "status", "trailers")

    def __init__(self, request: MemoryRequest) -> None:
        self.status = 0 if request.response_head is None else request.response_head.status
        self.headers = Headers([] if request.response_head is None else list(request.response_head.raw_headers))
        self.pieces = list(request.pieces)
        self.body = b"".join(request.pieces)
        self.is_aborted = request.is_aborted
        self.informed = [(status, Headers(fields)) for status, fields in request.informed]
        self.trailers = Headers(request.trailer)

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)


class ClientLimits(HeadLimits, Protocol):
    """The limits that hold without a wire: those of heads, and how many requests and sockets may be inside and in front."""

    @property
    def requests_inside(self) -> int: ...
    @property
    def queue(self) -> int: ...
    @property
    def retry_after(self) -> int: ...
    @property
    def sockets(self) -> int: ...


class Client:
    """`async with Client(sites, limits=limits) as client:` starts the sites; `await client.get("/")` asks them.

    `penstock.server.open_client` makes one for settings or an application.
    """

    def __init__(self, sites: Sequence[Site], *, limits: ClientLimits) -> None:
        """`sites` are composed and not started; `limits` hold as they would on the wire."""
        self._sites = tuple(sites)
        self._limits = limits
        self._runtime: Runtime | None = None

    @property
    def runtime(self) -> Runtime:
        """The runtime behind it."""
        if self._runtime is None:
            raise RuntimeError("the client is not open: use it in an async with block")
        return self._runtime

    async def __aenter__(self) -> Self:
        limits = self._limits
        self._runtime = Runtime(
            self._sites,
            requests_inside=limits.requests_inside,
            queue=limits.queue,
            retry_after=limits.retry_after,
            sockets=limits.sockets,
        )
        await self._runtime.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.runtime.drain(10)
        await self.runtime.stop()

    async def get(self, target: str, *, headers: Fields | None = None) -> ClientResponse:
        """GET `target`."""
        return await self.request("GET", target, headers=headers)

    async def post(self, target: str, body: bytes = b"", *, headers: Fields | None = None) -> ClientResponse:
        """POST `body` to `target`."""
        return await self.request("POST", target, headers=headers, body=body)

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Fields | None = None,
        body: bytes | AsyncIterable[bytes] = b"",
    ) -> ClientResponse:
        """Ask, and wait for the whole answer. `body` as pieces is sent as it comes, without a length."""
        request = self.open(method, target, headers=headers, body=body)
        await request.wait_finished()
        return ClientResponse(request)

    def open(
        self,
        method: str,
        target: str,
        *,
        headers: Fields | None = None,
        body: bytes | AsyncIterable[bytes] = b"",
    ) -> MemoryRequest:
        """Hand a request to the runtime and return at once: to see it in between, or to leave with `disconnect()`."""
        given = list(headers.items() if isinstance(headers, Mapping) else headers or ())
        if not any(name.lower() == "host" for name, _ in given):
            given.insert(0, ("host", "testserver"))
        fields = [encode_field(name, value) for name, value in given]
        request = MemoryRequest.make(method, target, fields, body if isinstance(body, bytes) else None, self._limits)
        self.runtime.process(request)
        if not isinstance(body, bytes):
            request.feeding = asyncio.get_running_loop().create_task(request.feed_from(body))
        return request

    def websocket(
        self,
        target: str,
        *,
        headers: Fields | None = None,
        subprotocols: Sequence[str] = (),
        origin: str | None = None,
        compression: bool = False,
    ) -> OpeningWebSocket:
        """`async with client.websocket("/chat") as websocket:` opens a WebSocket, and closes it at the end of the block.

        `subprotocols` are offered in this order; `origin` is the page that opens it, None for no browser's; `compression`
        offers permessage-deflate. What stands in `headers`, too, is taken from there. Raises WebSocketRefused when the answer
        is not 101, and, as the wire would with 400, RequestRejected for a head that HTTP does not allow.
        """
        from penstock.testing.client_websocket import OpeningWebSocket, handshake_headers

        own = handshake_headers(subprotocols=subprotocols, origin=origin, compression=compression)
        given = list(headers.items() if isinstance(headers, Mapping) else headers or ())
        names = {name.lower() for name, _ in given}
        fields = [pair for pair in own if pair[0] not in names] + given
        return OpeningWebSocket(partial(self.open, "GET", target, headers=fields))
