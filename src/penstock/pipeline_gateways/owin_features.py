"""OwinContext: an OWIN environment as an endpoint of Penstock's own style sees it, on a server that is not Penstock (2.8)."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from penstock.errors import ContractError, RequestRejected
from penstock.http.headers import Headers
from penstock.http.websocket_handshake import read_protocols
from penstock.pipeline.principal import ANONYMOUS, Principal
from penstock.request_sockets.options import AcceptOptions
from penstock.request_sockets.owin_options import (
    ACCEPT_INLINE,
    REQUEST_HEADERS,
    RESPONSE_HEADERS,
    STATUS,
    Environment,
)
from penstock.request_sockets.websocket import WebSocket

T = TypeVar("T")


def _read(environment: Environment, key: str, default: T) -> T:
    """What stands under `key`; `default` when it is missing or of another type (websockets CO-70)."""
    value = environment.get(key)
    return value if isinstance(value, type(default)) else default


class OwinContext:
    """`request`, `response`, `websockets`, `principal` and `items`; what else a Context has belongs to the pipeline, and is missing."""

    __slots__ = ("environment", "items", "request", "response", "websockets")

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.items: dict[str, Any] = {}
        self.request = OwinRequest(environment)
        self.response = OwinResponse(environment)
        self.websockets = OwinWebSockets(environment)

    @property
    def principal(self) -> Principal:
        """Who asks (websockets CO-77)."""
        found = self.environment.get("owin.RequestUser") or self.environment.get("server.User")
        return found if isinstance(found, Principal) else ANONYMOUS

    @principal.setter
    def principal(self, principal: Principal) -> None:
        self.environment["owin.RequestUser"] = self.environment["server.User"] = principal

    async def answer_with(self, endpoint: Callable[[Any], object]) -> None:
        """Call `endpoint(context)`, and write what it returns: text, bytes, or what JSON can hold; None: it has written."""
        value: Any = endpoint(self)
        if hasattr(value, "__await__"):
            value = await value
        if value is None or self.websockets.is_upgrading:
            return
        if isinstance(value, str):
            await self._write(value.encode(), "text/plain; charset=utf-8")
        elif isinstance(value, bytes):
            await self._write(value, "application/octet-stream")
        else:
            await self._write(json.dumps(value, separators=(",", ":")).encode(), "application/json")

    async def _write(self, body: bytes, content_type: str) -> None:
        headers = self.environment[RESPONSE_HEADERS]
        if not any(name.lower() == "content-type" for name in headers):
            headers["content-type"] = [content_type]
        await self.response.write(body)


class OwinRequest:
    """What was asked."""

    __slots__ = ("_environment",)

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    @property
    def method(self) -> str:
        """The method, such as "GET"."""
        return _read(self._environment, "owin.RequestMethod", "")

    @property
    def scheme(self) -> str:
        """The scheme: http or https."""
        return _read(self._environment, "owin.RequestScheme", "")

    @property
    def path(self) -> str:
        """The whole path, decoded."""
        base = _read(self._environment, "owin.RequestPathBase", "")
        return base + _read(self._environment, "owin.RequestPath", "")

    @property
    def query_string(self) -> bytes:
        """What stands behind the "?"."""
        return _read(self._environment, "owin.RequestQueryString", "").encode("latin-1")

    @property
    def headers(self) -> Headers:
        """The header fields; a copy."""
        headers = Headers()
        for name, values in (self._environment.get(REQUEST_HEADERS) or {}).items():
            for value in values:
                headers.add(name, value)
        return headers

    async def body(self) -> bytes:
        """The whole body, once."""
        stream = self._environment.get("owin.RequestBody")
        return b"" if stream is None else bytes(await stream.read())


class OwinResponse:
    """What will be answered."""

    __slots__ = ("_environment", "is_started")

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self.is_started = False
        if callable(environment.get("server.OnSendingHeaders")):
            self.on_sending_headers(self._start)  # websockets CO-71

    def _start(self, _: object) -> None:
        self.is_started = True

    @property
    def status(self) -> int:
        """The status; 200 where none was set."""
        return _read(self._environment, STATUS, 0) or 200

    @status.setter
    def status(self, status: int) -> None:
        self._environment[STATUS] = status

    @property
    def headers(self) -> Environment:
        """The header fields: OWIN's own dictionary of lists."""
        headers: Environment = self._environment[RESPONSE_HEADERS]
        return headers

    async def write(self, body: bytes) -> None:
        """Append to the body."""
        await self._environment["owin.ResponseBody"].write(body)

    def on_sending_headers(self, callback: Callable[[Any], object]) -> None:
        """Call `callback(response)` just before the head leaves. Raises ContractError where the server cannot."""
        register = self._environment.get("server.OnSendingHeaders")
        if not callable(register):
            raise ContractError("this OWIN server does not tell when headers are sent (server.OnSendingHeaders)")
        register(callback, self)


class OwinWebSockets:
    """The handshake, if this request is one, and something inside the server's pipeline offers `websocket.AcceptAlt`."""

    __slots__ = ("_environment", "is_upgrading")

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self.is_upgrading = False

    @property
    def is_websocket_request(self) -> bool:
        """Whether it can be accepted (websockets CO-74)."""
        return callable(self._environment.get(ACCEPT_INLINE))

    @property
    def requested_protocols(self) -> tuple[str, ...] | None:
        """The sub-protocols offered; None when this is no handshake."""
        if not self.is_websocket_request:
            return None
        headers = OwinRequest(self._environment).headers
        return read_protocols([value for name, value in headers.raw if name == b"sec-websocket-protocol"])

    async def accept(self, options: AcceptOptions | None = None) -> WebSocket:
        """The socket, as `Context.websockets.accept` gives it.

        Raises RequestRejected (400) when this is no handshake, ValueError for a sub-protocol that was not offered.
        """
        accept = self._environment.get(ACCEPT_INLINE)
        if not callable(accept):
            raise RequestRejected(
                400, "this is a WebSocket endpoint: open it with a WebSocket client", rule="RFC 6455 section 4.2.1"
            )
        if options is not None and options.subprotocol is not None:
            offered = self.requested_protocols or ()
            if options.subprotocol not in offered:
                raise ValueError(f"the sub-protocol {options.subprotocol!r} was not offered by the client")
        websocket: WebSocket = await accept(options)
        self.is_upgrading = True
        return websocket
