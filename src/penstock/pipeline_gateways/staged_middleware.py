"""Middleware of ASGI in a stage: it waits in its `await app(...)` while the rest of the request passes (middleware 15.6)."""

from __future__ import annotations

import logging
from asyncio import CancelledError, current_task
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, ClassVar

from penstock.errors import ContractError
from penstock.pipeline.context import Context
from penstock.pipeline.error_report import describe
from penstock.pipeline_gateways.asgi import AsgiApplication, AsgiGateway
from penstock.pipeline_gateways.asgi_application import Receive, Send
from penstock.pipeline_gateways.staged_crossing import adopt_user, come_back, is_handshake
from penstock.pipeline_gateways.staged_passage import StagedPassage
from penstock.pipeline_gateways.staged_straight import (
    KEY,
    NO_WAY,
    StraightExchange,
    StraightLink,
    StraightWay,
    find_way,
    misled,
    too_late,
)

logger = logging.getLogger("penstock")

Wrap = Callable[[AsgiApplication], AsgiApplication]


class StagedMiddleware:
    """One middleware of the site, made once. `relays_errors`: it gets to see the errors of what it wraps, as exceptions.

    By default they are answered where they happen, and it sees an ordinary answer (middleware R-SG-29).
    """

    __slots__ = ("application", "gateway", "may_skip", "name", "relays_errors", "rest")

    def __init__(self, wrap: Wrap, *, name: str, relays_errors: bool = False, may_skip: bool = False) -> None:
        """`wrap(app)` makes the middleware around `app`; what `may_skip` does not always lead to the next one. Raises what that raises."""
        self.name = name
        self.relays_errors = relays_errors
        self.may_skip = may_skip
        self.rest = Rest(self)
        self.application = wrap(self.rest)
        self.gateway = AsgiGateway(self.application)

    def step(self, context: Context) -> Awaitable[None] | None:
        """The step of its stage."""
        frames = None if context.known is None else context.known.frames
        if frames is None:
            shortcuts = context.plan.shortcuts
            way = shortcuts.get(self)
            if way is None:
                way = shortcuts[self] = find_way(context.plan, self)
            response, head = context.response, context.worker_request.head
            if (
                way is not NO_WAY
                and not response.is_special
                and not response.raw_headers
                and not head.line.is_head
                and not head.framing.is_upgrade
            ):
                exchange = StraightExchange(context, way)
                context.exchange = exchange
                scope = self.gateway.scope(context)
                scope[KEY] = exchange
                return self.application(scope, exchange.receive, exchange.send)
        elif any(frame.is_of(self) for frame in frames):
            return None  # the request was re-dispatched, and is inside it already
        passage = StagedPassage(context, self.name, self, relays_errors=self.relays_errors)
        if is_handshake(context):
            return passage.run_socket(self.application, self.gateway)
        return passage.run(self.application, self.gateway)

    def judge(self, context: Context) -> None:
        """The step behind it, for a request that has gone straight into it, and not on: what it has said is the answer.

        Raises ContractError for half an answer (middleware G7).
        """
        exchange = context.exchange
        if isinstance(exchange, StraightExchange):
            exchange.judge(f"the middleware {self.name}", may_be_silent=not context.plan.is_development)
            exchange.end()
            context.exchange = None
            context.complete()


class Rest:
    """The application that a middleware wraps: the rest of the pipeline."""

    __slots__ = ("_piece",)

    # As of `Application`, which would be a call more.
    _asgi_single_callable: ClassVar[bool] = True
    __gateway__: ClassVar[str] = "asgi3"

    def __init__(self, piece: StagedMiddleware) -> None:
        self._piece = piece

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request, or the whole life of the middleware."""
        exchange = scope.get(KEY)
        if not isinstance(exchange, (StraightExchange, StraightLink)):
            await self._lead_on(scope, receive, send)
            return
        context, way = exchange.context, exchange.way
        if context.position != way.start:
            raise misled(context, way)
        if way.inner is not None:
            await self._lead_inside(exchange, scope, receive, send)
            return
        context.position = way.behind
        exchange.send_on = send
        del scope[KEY]
        if "user" in scope:
            adopt_user(context, scope)
        if way.mount:
            scope["root_path"] = way.mount
        state = way.gateway.state
        if state or (state is not None and "state" not in scope):
            scope["state"] = {**state, **scope.get("state", {})}
        # Compiled by mypyc, a coroutine that waits inside `except` and raises again breaks when it is cancelled.
        failure: BaseException | None = None
        try:
            try:
                await way.application(scope, receive, exchange.pass_on)
                if not exchange.has_passed:
                    raise exchange.root.judge_missing()
            except BaseException as error:
                failure = error
            if failure is not None and not await self._settle(exchange, failure, scope, receive=receive, send=send):
                raise failure
        finally:
            exchange.send_on = too_late
            failure = None  # whose traceback holds this frame, a cycle for the garbage collector

    async def _lead_inside(
        self, exchange: StraightExchange | StraightLink, scope: MutableMapping[str, Any], receive: Receive, send: Send
    ) -> None:
        """Straight into the next middleware. What that raises is for this one (middleware G8)."""
        context, inner = exchange.context, exchange.way.inner
        way: StraightWay = context.plan.shortcuts.get(inner) or find_way(context.plan, inner)
        context.plan.shortcuts[inner] = way
        adopt_user(context, scope)
        if inner.gateway.state is not None:
            scope["state"] = {**inner.gateway.state, **scope.get("state", {})}
        scope[KEY] = StraightLink(exchange.root, way)
        context.position = way.start
        exchange.send_on = send
        try:
            await inner.application(scope, receive, exchange.pass_on)
            if not exchange.has_passed:
                await send({"type": "http.response.start", "status": 200, "headers": []})
                await send({"type": "http.response.body", "body": b""})
        finally:
            exchange.send_on = too_late
            if context.position == way.start:
                context.position = way.end if exchange.root.is_complete else way.behind

    async def _settle(
        self,
        exchange: StraightExchange | StraightLink,
        failure: BaseException,
        scope: MutableMapping[str, Any],
        *,
        receive: Receive,
        send: Send,
    ) -> bool:
        """The application has failed. Whether that is told by an answer, which the middleware has seen."""
        context = exchange.context
        if exchange.has_passed:
            if not exchange.root.is_complete or self._piece.relays_errors or not isinstance(failure, Exception):
                return False
            logger.error("an application failed behind its answer to %s", describe(context), exc_info=failure)
            return True
        if exchange.root.is_left or (isinstance(failure, CancelledError) and current_task() is not context.task):
            return False
        piece = self._piece
        passage = StagedPassage(context, piece.name, piece, relays_errors=piece.relays_errors)
        try:
            await passage.settle(exchange, scope, receive, send=send, failure=failure)
        finally:
            exchange.let_go()
            if not context.is_over:
                come_back(context)
                context.position = exchange.way.behind
        return True

    async def _lead_on(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _answer_lifespan(receive, send)
            return
        passage = scope.get(KEY)
        if not isinstance(passage, StagedPassage):
            raise ContractError(
                f"{self._piece.name} calls its application a second time, or with a scope of its own making: "
                "it copies the one that it was given"
            )
        await passage.lead_on(scope, receive, send)


async def _answer_lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
