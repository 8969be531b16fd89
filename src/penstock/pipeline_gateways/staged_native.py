"""Middleware (context, next) in a stage: it waits in its `await next()` while the rest of the request passes.

Between it and what it wraps there is nothing to convert: both sides have the same context, with the same request and response.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from typing import Any

from penstock.errors import ContractError
from penstock.pipeline.context import Context
from penstock.pipeline.loop import advance
from penstock.pipeline.rest import Frame
from penstock.pipeline.task import drive
from penstock.pipeline_gateways.staged_crossing import come_back, cross, is_handshake

Around = Callable[[Any, Callable[[], Awaitable[None]]], Any]


class NativeMiddleware:
    """One middleware (context, next) of the site. `relays_errors`: as of `StagedMiddleware`."""

    __slots__ = ("around", "inside", "name", "relays_errors")

    def __init__(self, around: Around, *, name: str, relays_errors: bool = False) -> None:
        self.inside: dict[Context, NativePassage] = {}
        self.around = around
        self.name = name
        self.relays_errors = relays_errors

    def step(self, context: Context) -> Awaitable[None] | None:
        """The step of its stage."""
        frames = context.rest.frames
        if frames is not None and any(frame.is_of(self) for frame in frames):
            return None  # the request was re-dispatched, and is inside it already
        return NativePassage(context, self).run()

    def lead_on(self, context: Context) -> Awaitable[None]:
        """`next(context)`, for one that was made around its application."""
        passage = self.inside.get(context)
        if passage is None:
            raise ContractError(f"{self.name} called its application when the request had left it")
        return passage.lead_on()


class NativePassage:
    """One request in one middleware."""

    __slots__ = ("_context", "_ended", "_has_led_on", "_outer", "_piece")

    def __init__(self, context: Context, piece: NativeMiddleware) -> None:
        self._context = context
        self._piece = piece
        frames = context.rest.frames
        self._outer: Frame | None = frames[-1] if frames else None
        self._has_led_on = False
        self._ended = False

    def is_of(self, piece: object) -> bool:
        """As `Frame.is_of`."""
        return self._piece is piece

    def complete(self, scope: dict[str, Any]) -> dict[str, Any]:
        """As `Frame.complete`: what is around it completes."""
        return scope if self._outer is None else self._outer.complete(scope)

    async def run(self) -> None:
        """Call the middleware to its end. What it leaves in the response is the answer."""
        context, piece = self._context, self._piece
        piece.inside[context] = self
        try:
            await piece.around(context, self.lead_on)
        except Exception as error:
            self._ended = True
            cross(context, error, has_led_on=self._has_led_on)
            return
        finally:
            self._ended = True
            del piece.inside[context]
        if self._has_led_on:
            come_back(context)
        else:
            context.complete()  # neither later stages nor what answers are asked (middleware G7)

    async def lead_on(self) -> None:
        """`next()`: run what is behind the middleware, up to END. Raises ContractError when it cannot be (R-SG-28)."""
        if self._ended:
            raise ContractError(f"{self._piece.name} called next when the request had left it")
        if self._has_led_on:
            raise ContractError(f"{self._piece.name} called next twice")
        self._has_led_on = True
        context = self._context
        rest = context.rest
        task, variables = context.task, context.variables
        context.task, context.variables = asyncio.current_task(), copy_context()
        frames = rest.frames = [*(rest.frames or ()), self]
        try:
            await self._pass()
            error = rest.crossing
            if error is None and self._piece.relays_errors:
                error = rest.error
            if error is not None:
                rest.crossing = rest.error = None
                rest.is_answered = False
                raise error
        finally:
            error = None  # whose traceback holds this frame, a cycle for the garbage collector
            rest.frames = frames[:-1] or None
            context.task, context.variables = task, variables

    async def _pass(self) -> None:
        context = self._context
        # Compiled by mypyc, a coroutine that waits inside `except` and raises again breaks when it is cancelled.
        failure: BaseException | None = None
        try:
            await drive(context, advance(context))
            leading = context.task
            if leading is not None and leading is not asyncio.current_task():
                await asyncio.wait((leading,))  # an application has answered from a task of its own
        except BaseException as error:
            failure = error
        await self._end_socket(failure)
        if failure is not None:
            try:
                raise failure
            finally:
                failure = None  # whose traceback holds this frame, a cycle for the garbage collector

    async def _end_socket(self, failure: BaseException | None) -> None:
        """A WebSocket that was accepted lives behind it, and nothing goes on before it has ended."""
        if not is_handshake(self._context):
            return
        from penstock.pipeline.attached_socket import end_attached  # few requests are handshakes

        rest = self._context.rest
        failed, rest.endpoint_failure = rest.endpoint_failure, None
        await end_attached(self._context, failure or failed)
        if failed is not None and self._piece.relays_errors:
            raise failed
