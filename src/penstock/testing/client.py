"""A client without a socket: requests are handed to the runtime in memory, answers come back whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Callable, Mapping
from types import TracebackType
from typing import Any

from penstock.hosts.memory_host import MemoryRequest
from penstock.http.headers import Headers, encode_field
from penstock.intake.runtime import Runtime
from penstock.server.life import build
from penstock.settings import LimitSettings, ServerSettings, Settings, SiteSettings
from penstock.testing.subjects import settings_of


class ClientResponse:
    """An answer. `body` is what was sent in all, `pieces` the calls in which it was sent; `is_aborted`: it was cut off."""

    __slots__ = ("body", "headers", "is_aborted", "pieces", "status")

    def __init__(self, request: MemoryRequest) -> None:
        self.status = 0 if request.response_head is None else request.response_head.status
        self.headers = Headers([] if request.response_head is None else list(request.response_head.headers))
        self.pieces = list(request.pieces)
        self.body = b"".join(request.pieces)
        self.is_aborted = request.is_aborted

    @property
    def text(self) -> str:
        """The body as UTF-8 text."""
        return self.body.decode()


class Client:
    """`async with Client(subject) as client:` starts the sites of `subject`; `await client.get("/")` asks them."""

    def __init__(
        self,
        subject: Settings | SiteSettings | Callable[..., Any],
        *,
        server: ServerSettings | None = None,
        objects: Mapping[str, object] | None = None,
    ) -> None:
        """As `ServerThread`."""
        self._settings, named = settings_of(subject, server)
        self._objects = {**named, **(objects or {})}
        self._runtime: Runtime | None = None
        self._limits = LimitSettings()

    @property
    def runtime(self) -> Runtime:
        """The runtime behind it."""
        if self._runtime is None:
            raise RuntimeError("the client is not open: use it in an async with block")
        return self._runtime

    async def __aenter__(self) -> Client:
        server = build(self._settings, objects=self._objects)
        self._limits = self._settings.server.limits
        self._runtime = Runtime(
            server.sites, requests_inside=self._limits.requests_inside, queue=self._limits.queue
        )
        await self._runtime.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.runtime.drain(10)
        await self.runtime.stop()

    async def get(self, target: str, *, headers: Mapping[str, str] | None = None) -> ClientResponse:
        """GET `target`."""
        return await self.request("GET", target, headers=headers)

    async def post(
        self, target: str, body: bytes = b"", *, headers: Mapping[str, str] | None = None
    ) -> ClientResponse:
        """POST `body` to `target`."""
        return await self.request("POST", target, headers=headers, body=body)

    async def request(
        self,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
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
        headers: Mapping[str, str] | None = None,
        body: bytes | AsyncIterable[bytes] = b"",
    ) -> MemoryRequest:
        """Hand a request to the runtime and return at once: to see it in between, or to leave with `disconnect()`."""
        fields = [encode_field(name, value) for name, value in ({"host": "testserver"} | dict(headers or {})).items()]
        request = MemoryRequest.make(method, target, fields, body, self._limits)
        self.runtime.process(request)
        if not isinstance(body, bytes):
            request.feeding = asyncio.get_running_loop().create_task(request.feed_from(body))
        return request
