"""The gateway of ASGI 3: an application's coroutine is a step of the plan, its `send` a way back into it.

Stage EXECUTE ends at the application's last body message: the rest of the plan runs inside that `send`, and whatever the
coroutine does afterwards (background tasks) it does behind the answer.
"""

from __future__ import annotations

from asyncio import current_task, shield
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from penstock.errors import ClientGone, ContractError, RequestRejected
from penstock.http.websocket_handshake import asks_for_websocket
from penstock.intake.worker_request import Capability
from penstock.pipeline.context import Context
from penstock.pipeline.handler import DONE
from penstock.pipeline.loop import advance
from penstock.pipeline.task import drive, take_over
from penstock.pipeline_gateways.asgi_extensions import (
    EARLY_HINT,
    STOPPING,
    TRAILERS,
    Extensions,
    extensions_of,
    read_trailers,
    send_early_hint,
)
from penstock.pipeline_gateways.disconnect import Disconnect
from penstock.pipeline_gateways.pathsend import send_path

Message = MutableMapping[str, Any]
AsgiApplication = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]
]

_ASGI: Final = {"version": "3.0", "spec_version": "2.4"}

# Where the exchange with an application stands.
NOT_STARTED: Final = 0
STARTED: Final = 1
STREAMING: Final = 2
COMPLETE: Final = 3
FILTERED: Final = 4  # it streams, and its pieces are changed on their way
TRAILING: Final = 5  # it has started, and trailers will follow its body
ENDED: Final = 6  # its body has ended, and its trailers have not


class AsgiGateway:
    """An ASGI application at a place in the site.

    `at` is where it is mounted ("" for the root), `root_path` what a proxy in front took off before it. `state` is what its
    lifespan set up; every scope gets a shallow copy.
    """

    __slots__ = (
        "_capabilities",
        "_extensions",
        "_mount",
        "_offered",
        "_offers_pathsend",
        "_raw_root_path",
        "_root_path",
        "application",
        "state",
    )

    def __init__(
        self, application: AsgiApplication, *, at: str = "", root_path: str = "", offers_pathsend: bool = False
    ) -> None:
        self.application = application
        self.state: dict[str, Any] | None = None
        self._root_path = root_path.rstrip("/")
        self._raw_root_path = self._root_path.encode("utf-8")
        self._mount = self._root_path + at.rstrip("/")
        self._offers_pathsend = offers_pathsend
        self._extensions: Extensions = {"http.response.pathsend": {}} if offers_pathsend else {}
        # What requests of one host can do is the same for all of them: worked out for the first.
        self._capabilities: Capability | None = None
        self._offered = self._extensions

    @property
    def is_plain(self) -> bool:
        """Whether it adds nothing to a scope but its state and where it is mounted: it offers nothing of its own."""
        return not self._root_path and not self._extensions

    @property
    def mount(self) -> str:
        """What its scopes have as `root_path`."""
        return self._mount

    def execute(self, context: Context) -> Awaitable[None]:
        """The step of stage EXECUTE: call the application."""
        head = context.worker_request.head
        if head.framing.is_upgrade and head.line.method == "GET" and asks_for_websocket(head):
            return self._open_socket(context)
        exchange = AsgiExchange(context, self._offers_pathsend)
        context.exchange = exchange
        return self.application(self.scope(context), exchange.receive, exchange.send)

    def finish(self, context: Context) -> None:
        """The step behind it: the application has returned, or sent its last body message.

        Raises ContractError when it returned without a complete answer; ClientGone when it did so because it was told that
        the client left.
        """
        exchange = context.exchange
        if context.error is None and isinstance(exchange, AsgiExchange) and not exchange.is_complete:
            exchange.judge_end()

    def _open_socket(self, context: Context) -> Awaitable[None]:
        """Call the application for the handshake of a WebSocket, if it is a sound one (websockets section 4.1)."""
        # Imported when used: few requests are handshakes.
        from penstock.pipeline_gateways.asgi_websocket import AsgiSocketExchange, socket_scope

        context.websockets.judge()
        exchange = AsgiSocketExchange(context)
        context.exchange = exchange
        scope = socket_scope(self.scope(context), context)
        return exchange.run(self.application(scope, exchange.receive, exchange.send))

    def scope(self, context: Context) -> dict[str, Any]:
        """The scope of a request; behind middleware in stages, with what that has put into it."""
        worker_request = context.worker_request
        head = worker_request.head
        line = head.line
        path, raw_path = line.path, line.raw_path
        if self._root_path:
            path, raw_path = self._root_path + path, self._raw_root_path + raw_path
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": _ASGI,
            "http_version": line.version,
            "method": line.method,
            "scheme": worker_request.scheme,
            "path": path,
            "raw_path": raw_path,
            "query_string": line.query,
            "root_path": self._mount,
            "headers": head.headers.copy(),
            "client": worker_request.client,
            "server": worker_request.server,
        }
        if self.state is not None:
            scope["state"] = self.state.copy()
        capabilities = worker_request.capabilities
        if capabilities is not self._capabilities:
            self._capabilities = capabilities
            self._offered = extensions_of(capabilities, self._extensions)
            self._offered[STOPPING] = context.stopping
        scope["extensions"] = self._offered.copy()
        if context.known is not None and context.known.frames:
            return context.known.frames[-1].complete(scope)
        return scope


class AsgiExchange:
    """`receive` and `send` of one request."""

    __slots__ = (
        "_body_done",
        "_context",
        "_disconnect",
        "_offers_pathsend",
        "_response",
        "_state",
        "_worker_request",
        "is_told",
    )

    def __init__(self, context: Context, offers_pathsend: bool) -> None:
        self._context = context
        # Its own: a middleware in a stage puts others into the context for what it wraps.
        self._worker_request = context.worker_request
        self._response = context.response
        self._offers_pathsend = offers_pathsend
        self._state = NOT_STARTED
        self._body_done = False
        self._disconnect: Disconnect | None = None
        self.is_told = False  # that the client left

    @property
    def is_complete(self) -> bool:
        """Whether the last body message was sent."""
        return self._state == COMPLETE

    def judge_end(self) -> None:
        """The application has returned. Raises ContractError for half an answer, ClientGone when it knew to be alone."""
        if self.is_told:
            raise ClientGone("the client left before it was answered")
        raise ContractError("the ASGI application returned without completing its response")

    async def receive(self) -> Message:
        """ASGI `receive`: the body, then, when the client has left or the answer is complete, `http.disconnect`."""
        worker_request = self._worker_request
        while not self._body_done and self._state != COMPLETE:
            try:
                piece = worker_request.take()
                if piece is None:
                    await worker_request.wait_body()
                    continue
                more = worker_request.take() if piece else b""
            except ClientGone:
                break
            except RequestRejected as error:
                await self._refuse(error)
                return {"type": "http.disconnect"}
            self._body_done = more == b""
            return {"type": "http.request", "body": piece + more if more else piece, "more_body": not self._body_done}
        if self._body_done and self._state != COMPLETE and not worker_request.is_disconnected:
            if self._disconnect is None:
                self._disconnect = Disconnect(self._context.runtime.loop, worker_request)
            await self._disconnect.wait()
        self.is_told = True
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """ASGI `send`. Raises ClientGone, an OSError, when the client has left; ContractError for a message out of turn."""
        kind = message["type"]
        if kind == "http.response.body":
            if self._state == COMPLETE:
                self._judge_late(kind)
                return
            if self._state == NOT_STARTED:
                raise ContractError("http.response.body before http.response.start")
            body = message.get("body", b"")
            if type(body) is not bytes:
                body = _as_bytes(body)
            if message.get("more_body"):
                if self._state == STREAMING:
                    pending = self._worker_request.send(None, body, True)
                else:
                    pending = self._send_piece(body)  # an empty one is how an application lets its head go
                if pending is not None:
                    await pending
                return
            pending = self._send_last(body)
            if pending is not None:
                await pending
        elif kind == "http.response.start":
            self._start(message)
        else:
            await self._send_other(kind, message)

    async def _send_other(self, kind: str, message: Message) -> None:
        if kind == "http.response.pathsend":
            if not self._offers_pathsend:
                raise ContractError(
                    "http.response.pathsend is not offered here: pathsend = true at the application allows it"
                )
            if self._state != STARTED:
                raise ContractError("http.response.pathsend comes right behind http.response.start, once")
            send_path(self._context, message)
            await self._complete()
        elif kind == EARLY_HINT:
            if self._state == NOT_STARTED or self._state == STARTED:
                send_early_hint(self._worker_request, message)
        elif kind == TRAILERS:
            await self._send_trailers(message)
        else:
            raise ContractError(
                f"{kind!r} is no message that can be sent here: http.response.start or http.response.body"
            )

    def _start(self, message: Message) -> None:
        if self._state == COMPLETE:
            self._judge_late("http.response.start")
            return
        if self._state != NOT_STARTED:
            raise ContractError("http.response.start was sent twice")
        response = self._response
        try:
            headers: list[tuple[bytes, bytes]] = []
            for name, value in message.get("headers", ()):
                if not isinstance(name, bytes) or not isinstance(value, bytes):
                    raise TypeError(f"got {(name, value)!r}")
                headers.append((name.lower(), value))
            status = message["status"]
            if not isinstance(status, int) or not 200 <= status <= 599:
                raise ContractError(f"{status!r} is not the status of a final response")
        except (TypeError, ValueError, AttributeError, KeyError) as error:
            raise ContractError(
                f"http.response.start needs an int status and headers as pairs of bytes: {error}"
            ) from None
        if response.raw_headers:
            headers = self._merge(headers)
        if response.is_special:
            if self._context.exchange is not self:
                self._judge_late("http.response.start")
            response.begin_head(status)
        else:
            response.status_code = status
        response.raw_headers = headers
        self._state = STARTED
        if message.get("trailers") and Capability.TRAILERS in self._worker_request.capabilities:
            self._state = TRAILING

    def _merge(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Those of the application in place of those that modules have set; cookies of both."""
        names = {name for name, _ in headers if name != b"set-cookie"}
        return [pair for pair in self._response.raw_headers if pair[0] not in names] + headers

    def _send_piece(self, body: bytes) -> Awaitable[None] | None:
        """The first piece of a stream, and every one that does not go straight to the host."""
        if self._state == ENDED:
            raise ContractError("http.response.body after the last one")
        response = self._response
        if self._state == STARTED:
            self._state = FILTERED if response.is_changing_pieces else STREAMING
        return response.send_piece(body)

    async def _send_trailers(self, message: Message) -> None:
        if self._state == COMPLETE:
            self._judge_late(TRAILERS)
            return
        if self._state != ENDED:
            raise ContractError(f"{TRAILERS} comes behind the last body, and http.response.start says trailers=True")
        self._response.add_trailers(read_trailers(message))
        if not message.get("more_trailers"):
            await self._complete()

    def _send_last(self, body: bytes) -> Awaitable[None] | None:
        context = self._context
        if context.exchange is not self:
            self._judge_late("http.response.body")
        if self._state == STREAMING:
            worker_request = self._worker_request
            if worker_request.is_disconnected:
                raise ClientGone("the client left")
            worker_request.send(None, body, False)
        elif self._state == STARTED:
            self._response.content = body
        elif self._hold_back(body):
            return None
        self._state = COMPLETE
        if self._disconnect is not None:
            self._disconnect.resolve()
        if context.position < context.plan.detour_at:
            context.position += 1  # past `finish`: there is nothing left to judge
        if context.task is not None and current_task(context.runtime.loop) is not context.task:
            return self._advance_apart()
        pending = advance(context)
        return None if pending is DONE else drive(context, pending)

    def _hold_back(self, body: bytes) -> bool:
        """The last piece of an answer that is changed on its way, or has trailers. Whether it is not the end yet."""
        if self._state == ENDED:
            raise ContractError("http.response.body after the last one")
        if self._response.is_started and self._worker_request.is_disconnected:
            raise ClientGone("the client left")
        self._response.content = body
        if self._state == FILTERED:
            return False
        self._state = ENDED
        return True

    def _advance_apart(self) -> Awaitable[None] | None:
        """Go on from a task of the application's own: the steps run in the request's variables, beyond its cancelling."""
        task = take_over(self._context)
        return None if task is None else shield(task)

    async def _complete(self) -> None:
        self._state = COMPLETE
        if self._disconnect is not None:
            self._disconnect.resolve()
        await self._advance()

    async def _advance(self) -> None:
        context = self._context
        if context.task is not None and current_task(context.runtime.loop) is not context.task:
            pending = self._advance_apart()
            if pending is not None:
                await pending
        else:
            await drive(context, advance(context))

    async def _refuse(self, error: RequestRejected) -> None:
        """The body cannot be accepted: the client is told, the application sees the request end."""
        context = self._context
        if context.is_over:
            return
        self._state = COMPLETE
        context.fail(error)
        await self._advance()

    def _judge_late(self, kind: str) -> None:
        if self._context.error is None:
            raise ContractError(f"{kind} after the response was complete")
        raise ClientGone("this request has been answered already")


def _as_bytes(body: object) -> bytes:
    if isinstance(body, (bytes, bytearray, memoryview)):
        return bytes(body)
    raise ContractError(f"the body of http.response.body is bytes, not {type(body).__name__!r}")
