"""One request in one middleware of ASGI in a stage: into it, on into the rest of the pipeline, and back (middleware 15.6).

What is behind the middleware gets a worker request of its own, made of the middleware's `scope`, `receive` and `send`, and a
response of its own, which is sent through that `send` when the request comes back, in front of END.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping
from contextvars import copy_context
from typing import Any, Final
from urllib.parse import quote

from penstock.errors import ClientGone, ContractError
from penstock.http.foreign_head import foreign_head, foreign_line
from penstock.http.messages import RequestHead
from penstock.intake.asgi_request import AsgiRequest
from penstock.pipeline.context import Context
from penstock.pipeline.error_report import describe
from penstock.pipeline.loop import advance
from penstock.pipeline.response import ContextResponse
from penstock.pipeline.task import drive
from penstock.pipeline_gateways.asgi import AsgiApplication, AsgiGateway
from penstock.pipeline_gateways.asgi_application import AT_THE_END, Receive, Send
from penstock.pipeline_gateways.held_exchange import HeldExchange
from penstock.pipeline_gateways.staged_crossing import adopt_user, come_back, cross
from penstock.pipeline_gateways.staged_straight import KEY, StraightLink

logger = logging.getLogger("penstock")

Scope = MutableMapping[str, Any]

# What the application behind it has of its own.
_OWN: Final = (
    "asgi", "client", "headers", "http_version", "method", "path", "query_string", "raw_path", "root_path", "scheme",
    "server", "subprotocols", "type", AT_THE_END, KEY,
)  # fmt: skip


class StagedPassage:
    """The frame that a middleware puts around everything that comes behind it."""

    __slots__ = (
        "_context",
        "_ended",
        "_exchange",
        "_has_led_on",
        "_name",
        "_piece",
        "_relays_errors",
        "_scope",
        "_skipped",
    )

    def __init__(self, context: Context, name: str, piece: object, *, relays_errors: bool) -> None:
        self._context = context
        self._name = name
        self._piece = piece
        self._relays_errors = relays_errors
        self._scope: Scope = {}
        self._exchange: Any = None
        self._has_led_on = False
        self._ended = False
        self._skipped: tuple[object, ...] = ()

    # -- as a frame --------------------------------------------------------------------------------------------------------

    def is_of(self, piece: object) -> bool:
        """As `Frame.is_of`."""
        return self._piece is piece or piece in self._skipped

    def complete(self, scope: dict[str, Any]) -> dict[str, Any]:
        """As `Frame.complete`."""
        given = {name: value for name, value in self._scope.items() if name not in _OWN}
        state = {**scope.get("state", {}), **given.get("state", {})}
        completed = {**given, **scope}
        if state:
            completed["state"] = state
        return completed

    # -- the step ------------------------------------------------------------------------------------------------------------

    async def run(self, application: AsgiApplication, gateway: AsgiGateway) -> None:
        """Call the middleware to its end, and judge what it did."""
        context = self._context
        exchange = self._exchange = HeldExchange(context)
        scope = gateway.scope(context)
        scope[KEY] = self
        try:
            await application(scope, exchange.receive, exchange.send)
            exchange.judge(f"the middleware {self._name}", may_be_silent=self._may_be_silent)
        except Exception as error:
            self._ended = True
            exchange.end()
            cross(context, error, has_led_on=self._has_led_on)
            return
        finally:
            self._ended = True
            exchange.end()
            # What is left of the request goes without waiting for the garbage collector.
            exchange.inner = None
            self._scope = {}
        self._come_back()

    async def run_socket(self, application: AsgiApplication, gateway: AsgiGateway) -> None:
        """As `run`, for a WebSocket: it waits as long as that lives."""
        # Imported when used: few requests are handshakes.
        from penstock.pipeline_gateways.asgi_websocket import socket_scope
        from penstock.pipeline_gateways.held_socket import HeldSocketExchange

        context = self._context
        context.websockets.judge()
        exchange = self._exchange = HeldSocketExchange(context)
        scope = socket_scope(gateway.scope(context), context)
        scope[KEY] = self
        failure: BaseException | None = None
        try:
            await exchange.run(application(scope, exchange.receive, exchange.send))
            exchange.judge(f"the middleware {self._name}", may_be_silent=self._has_led_on)
        except BaseException as error:
            failure = error
        self._ended = True
        await exchange.end(failure)
        if failure is None:
            self._come_back()
        elif not isinstance(failure, Exception):
            raise failure
        elif exchange.is_accepted:
            logger.error(
                "the middleware %s failed in the WebSocket %s", self._name, describe(context), exc_info=failure
            )
            self._come_back()
        else:
            cross(context, failure, has_led_on=self._has_led_on)

    @property
    def _may_be_silent(self) -> bool:
        return self._has_led_on or not self._context.plan.is_development

    def _come_back(self) -> None:
        if self._has_led_on:
            come_back(self._context)
        else:
            self._context.complete()  # neither later stages nor what answers are asked (middleware G7)

    # -- the way on ------------------------------------------------------------------------------------------------------------

    async def lead_on(self, scope: Scope, receive: Receive, send: Send, *, skipping: tuple[object, ...] = ()) -> None:
        """Run what is behind the middleware but for the pieces `skipping`, up to END, and send its answer by `send`.

        Raises ContractError when it is called twice, or when the request has ended (middleware R-SG-28).
        """
        if self._ended:
            raise ContractError(f"{self._name} called its application when the request had left it")
        if self._has_led_on:
            raise ContractError(f"{self._name} called its application twice")
        self._has_led_on = True
        self._scope = scope
        self._skipped = skipping
        await self._lead_framed(scope, receive, send)

    async def settle(
        self,
        exchange: HeldExchange | StraightLink,
        scope: Scope,
        receive: Receive,
        *,
        send: Send,
        failure: BaseException,
    ) -> None:
        """As `lead_on`, for a request that has gone straight on, and failed there before anything of its answer was sent."""
        self._has_led_on = True
        self._scope = scope
        self._exchange = exchange
        await self._lead_framed(scope, receive, send, failure=failure)

    async def _lead_framed(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        *,
        failure: BaseException | None = None,
    ) -> None:
        is_socket = scope["type"] == "websocket"
        if is_socket and (await receive())["type"] != "websocket.connect":
            raise ClientGone("the client left before its WebSocket was accepted")
        context = self._context
        rest = context.rest
        around = _Around(context)
        inner = AsgiRequest(scope, receive, send, head=_head_of(scope, around.worker_request.head))
        self._exchange.inner = inner
        inner.started = around.worker_request.started
        response = ContextResponse(context)
        response.raw_headers = around.response.raw_headers.copy()
        context.worker_request, context.response, context.exchange = inner, response, None
        context.task, context.variables = asyncio.current_task(), copy_context()
        rest.request = rest.disconnected = rest.websockets = None
        adopt_user(context, scope)
        frames = rest.frames = [*(rest.frames or ()), self]
        try:
            if is_socket:
                await self._pass_socket(inner)
            else:
                await self._pass(failure)
                await self._replay(inner)
        finally:
            inner.release()
            response.release()
            rest.frames = frames[:-1] or None
            around.restore(context)

    async def _pass(self, failure: BaseException | None = None) -> None:
        """The rest of the plan. Raises what crosses to this middleware."""
        context = self._context
        rest = context.rest
        await drive(context, advance(context) if failure is None else _raised(failure))
        leading = context.task
        if leading is not None and leading is not asyncio.current_task():
            await asyncio.wait((leading,))  # an application has answered from a task of its own
        error = rest.crossing
        if error is None and self._relays_errors:
            error = rest.error
        if error is not None:
            rest.crossing = rest.error = None
            rest.is_answered = False
            try:
                raise error
            finally:
                error = None  # whose traceback holds this frame, a cycle for the garbage collector

    async def _pass_socket(self, inner: AsgiRequest) -> None:
        """The same for a WebSocket, whose messages pass meanwhile, until it is gone."""
        pump = asyncio.ensure_future(inner.finish())
        # Compiled by mypyc, a coroutine that waits inside `except` and raises again breaks when it is cancelled.
        failure: BaseException | None = None
        try:
            await self._lead_socket(inner, pump)
        except BaseException as error:
            failure = error
        await _end(pump)
        if failure is not None:
            try:
                raise failure
            finally:
                failure = None  # as above

    async def _lead_socket(self, inner: AsgiRequest, pump: asyncio.Future[None]) -> None:
        from penstock.pipeline.attached_socket import end_attached, is_attached

        context = self._context
        rest = context.rest
        ended: BaseException | None = None
        try:
            await self._pass()
        except BaseException as error:
            ended = error
        if ended is not None:
            await end_attached(context, ended)
            try:
                raise ended
            finally:
                ended = None  # as above
        failure, rest.endpoint_failure = rest.endpoint_failure, None
        if not is_attached(context) and inner.frames is None:
            await self._replay(inner)  # it was refused
        await end_attached(context, failure)
        await asyncio.wait((pump,))
        if failure is not None and self._relays_errors:
            try:
                raise failure
            finally:
                failure = None  # as above

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
        try:
            await inner.drain()
        except ClientGone:
            failure = inner.failure
            if failure is None or isinstance(failure, OSError):
                raise
        else:
            return
        raise failure  # what the middleware, or who is around it, did not take


class _Around:
    """What a context is around a middleware, while it is something else behind it."""

    __slots__ = (
        "_disconnected",
        "_exchange",
        "_request",
        "_task",
        "_variables",
        "_websockets",
        "response",
        "worker_request",
    )

    def __init__(self, context: Context) -> None:
        rest = context.rest
        self.worker_request = context.worker_request
        self.response = context.response
        self._exchange = context.exchange
        self._task = context.task
        self._variables = context.variables
        self._request = rest.request
        self._disconnected = rest.disconnected
        self._websockets = rest.websockets

    def restore(self, context: Context) -> None:
        """Put it back."""
        rest = context.rest
        if rest.request is not None:
            rest.request.release()
        context.worker_request, context.response, context.exchange = self.worker_request, self.response, self._exchange
        context.task, context.variables = self._task, self._variables
        rest.request, rest.disconnected, rest.websockets = self._request, self._disconnected, self._websockets


async def _raised(failure: BaseException) -> None:
    raise failure


async def _end(pump: asyncio.Future[None]) -> None:
    pump.cancel()
    await asyncio.gather(pump, return_exceptions=True)


def _head_of(scope: Scope, head: RequestHead) -> RequestHead:
    """The head of the request behind a middleware: the same one, unless it has changed it."""
    line = head.line
    path: str = scope["path"]
    method: str = scope.get("method", "GET")
    query: bytes = scope["query_string"]
    if path != line.path or method != line.method or query != line.query:
        raw_path = scope.get("raw_path") if path == line.path else None
        line = foreign_line(method, raw_path or quote(path).encode("ascii"), query, version=line.version)
    headers = scope["headers"]
    if headers == head.headers:
        return head if line is head.line else RequestHead(line, head.headers, head.authority, head.host, head.framing)
    return foreign_head(line, [(bytes(name).lower(), bytes(value)) for name, value in headers])
