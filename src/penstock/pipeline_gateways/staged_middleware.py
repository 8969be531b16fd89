"""Middleware of ASGI in a stage: it waits in its `await app(...)` while the rest of the request passes (middleware 15.6).

The innermost application of each is the rest of the pipeline. What is behind it gets a worker request of its own, made of the
middleware's `scope`, `receive` and `send`, and a response of its own, which is sent through that `send` when the request comes
back, in front of END.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextvars import copy_context
from typing import Any, Final

from penstock.errors import ClientGone, ContractError
from penstock.http.foreign_head import foreign_head, foreign_line
from penstock.http.messages import RequestHead
from penstock.intake.asgi_request import AsgiRequest
from penstock.pipeline.context import Context
from penstock.pipeline.loop import advance
from penstock.pipeline.principal import ANONYMOUS, Principal
from penstock.pipeline.response import ContextResponse
from penstock.pipeline.task import drive
from penstock.pipeline_gateways.asgi import (
    AsgiApplication,
    AsgiGateway,
)
from penstock.pipeline_gateways.asgi_application import Application, Receive, Send
from penstock.pipeline_gateways.held_exchange import HeldExchange
from penstock.pipeline_gateways.staged_crossing import come_back, cross, refuse_websocket

# Where a scope says to whom it belongs. A middleware may copy its scope, and does not know what else is in it.
_KEY: Final = "penstock.frame"
# What the application behind it has of its own.
_OWN: Final = (
    "asgi", "client", "headers", "http_version", "method", "path", "query_string", "raw_path", "root_path", "scheme",
    "server", "type",
)  # fmt: skip

Wrap = Callable[[AsgiApplication], AsgiApplication]


class StagedMiddleware:
    """One middleware of the site, made once. `relays_errors`: it gets to see the errors of what it wraps, as exceptions.

    By default they are answered where they happen, and it sees an ordinary answer (middleware R-SG-29).
    """

    __slots__ = ("_application", "gateway", "name", "relays_errors")

    def __init__(self, wrap: Wrap, *, name: str, relays_errors: bool = False) -> None:
        """`wrap(app)` makes the middleware around `app`. Raises what that raises."""
        self.name = name
        self.relays_errors = relays_errors
        self._application = wrap(Application(self._rest))
        self.gateway = AsgiGateway(self._application)

    def step(self, context: Context) -> Awaitable[None] | None:
        """The step of its stage."""
        frames = context.rest.frames
        if frames is not None and any(frame.is_of(self) for frame in frames):
            return None  # the request was re-dispatched, and is inside it already
        refuse_websocket(context, self.name)
        return StagedExchange(context, self).run(self._application)

    async def _rest(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """The application that it wraps: the rest of the pipeline."""
        if scope["type"] == "lifespan":
            await _answer_lifespan(receive, send)
            return
        exchange = scope.get(_KEY)
        if not isinstance(exchange, StagedExchange):
            raise ContractError(
                f"{self.name} calls its application with a scope of its own making: it copies the one that it was given"
            )
        await exchange.lead_on(scope, receive, send)


class StagedExchange(HeldExchange):
    """One request in one middleware: `receive` and `send` as that sees them from outside, and the way on into the rest."""

    __slots__ = ("_has_led_on", "_inner", "_piece", "_scope")

    def __init__(self, context: Context, piece: StagedMiddleware) -> None:
        super().__init__(context)
        self._piece = piece
        self._scope: MutableMapping[str, Any] = {}
        self._has_led_on = False
        self._inner: AsgiRequest | None = None  # what is behind it

    # -- as a frame --------------------------------------------------------------------------------------------------------

    def is_of(self, piece: object) -> bool:
        """As `Frame.is_of`."""
        return self._piece is piece

    def complete(self, scope: dict[str, Any]) -> dict[str, Any]:
        """As `Frame.complete`."""
        given = {name: value for name, value in self._scope.items() if name not in _OWN}
        state = {**scope.get("state", {}), **given.get("state", {})}
        completed = {**given, **scope}
        if state:
            completed["state"] = state
        return completed

    # -- the step ------------------------------------------------------------------------------------------------------------

    async def run(self, application: AsgiApplication) -> None:
        """Call the middleware to its end, and judge what it did."""
        context = self._context
        scope = self._piece.gateway.scope(context)
        scope[_KEY] = self
        try:
            await application(scope, self.receive, self.send)
            may_be_silent = self._has_led_on or not context.plan.is_development
            self.judge(f"the middleware {self._piece.name}", may_be_silent=may_be_silent)
        except Exception as error:
            self.end()
            cross(context, error, has_led_on=self._has_led_on)
            return
        finally:
            self.end()
        if self._has_led_on:
            come_back(context)
        else:
            context.complete()  # neither later stages nor what answers are asked (middleware G7)

    # -- the way on ------------------------------------------------------------------------------------------------------------

    async def lead_on(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Run what is behind the middleware, up to END, and send its answer by `send`.

        Raises ContractError when it is called twice, or when the request has ended (middleware R-SG-28).
        """
        if self._ended:
            raise ContractError(f"{self._piece.name} called its application when the request had left it")
        if self._has_led_on:
            raise ContractError(f"{self._piece.name} called its application twice")
        self._has_led_on = True
        self._scope = scope
        context = self._context
        rest = context.rest
        around = _Around(context)
        inner = AsgiRequest(scope, receive, send, head=_head_of(scope, around.worker_request.head))
        self._inner = inner
        inner.started = around.worker_request.started
        response = ContextResponse(context)
        response.raw_headers = around.response.raw_headers.copy()
        context.worker_request, context.response, context.exchange = inner, response, None
        context.task, context.variables = asyncio.current_task(), copy_context()
        rest.request = None
        _adopt_user(context, scope)
        frames = rest.frames = [*(rest.frames or ()), self]
        try:
            await drive(context, advance(context))
            leading = context.task
            if leading is not None and leading is not asyncio.current_task():
                await asyncio.wait((leading,))  # an application has answered from a task of its own
            error = rest.crossing
            if error is None and self._piece.relays_errors:
                error = rest.error
            if error is not None:
                rest.crossing = rest.error = None
                rest.is_answered = False
                raise error
            await self._replay(inner)
        finally:
            inner.release()
            response.release()
            rest.frames = frames[:-1] or None
            rest.request = None
            around.restore(context)

    async def _replay(self, inner: AsgiRequest) -> None:
        """Send what was answered behind the middleware through it (middleware R-SG-25)."""
        response = self._context.response
        if not inner.has_sent_all and not inner.is_aborted:
            if response.is_started and self._context.error is not None:
                inner.abort()
            else:
                pending = response.finish()
                if pending is not None:
                    await pending
        if inner.is_aborted:
            raise ClientGone("the answer was cut off")
        await inner.drain()

    # -- what it sends outwards: held until END, unless it streams -----------------------------------------------------------

    def _merge(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        # What came back from behind it has the headers that modules had set before.
        is_relayed = self._inner is not None and self._inner.has_sent_head
        return headers if is_relayed else super()._merge(headers)


class _Around:
    """What a context is around a middleware, while it is something else behind it."""

    __slots__ = ("_exchange", "_task", "_variables", "response", "worker_request")

    def __init__(self, context: Context) -> None:
        self.worker_request = context.worker_request
        self.response = context.response
        self._exchange = context.exchange
        self._task = context.task
        self._variables = context.variables

    def restore(self, context: Context) -> None:
        """Put it back."""
        context.worker_request, context.response, context.exchange = self.worker_request, self.response, self._exchange
        context.task, context.variables = self._task, self._variables


def _head_of(scope: MutableMapping[str, Any], head: RequestHead) -> RequestHead:
    """The head of the request behind a middleware: the same one, unless it has changed it."""
    line = head.line
    path: str = scope["path"]
    method: str = scope["method"]
    query: bytes = scope["query_string"]
    if path != line.path or method != line.method or query != line.query:
        from urllib.parse import quote

        raw_path = scope.get("raw_path") if path == line.path else None
        line = foreign_line(method, raw_path or quote(path).encode("ascii"), query, version=line.version)
    headers = scope["headers"]
    if headers == head.headers:
        return head if line is head.line else RequestHead(line, head.headers, head.authority, head.host, head.framing)
    return foreign_head(line, [(bytes(name).lower(), bytes(value)) for name, value in headers])


def _adopt_user(context: Context, scope: MutableMapping[str, Any]) -> None:
    """By convention a middleware says in `scope["user"]` who asks (middleware 15.10)."""
    user = scope.get("user")
    if user is None or context.principal is not ANONYMOUS:
        return
    if isinstance(user, str):
        context.principal = Principal(user)
    elif getattr(user, "is_authenticated", False):
        name = getattr(user, "username", "") or getattr(user, "display_name", "") or getattr(user, "identity", "")
        context.principal = Principal(str(name) or "user")


async def _answer_lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
