"""Middleware of ASGI in a stage: it waits in its `await app(...)` while the rest of the request passes (middleware 15.6)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from penstock.errors import ContractError
from penstock.pipeline.context import Context
from penstock.pipeline_gateways.asgi import AsgiApplication, AsgiGateway
from penstock.pipeline_gateways.asgi_application import Application, Receive, Send
from penstock.pipeline_gateways.staged_crossing import is_handshake
from penstock.pipeline_gateways.staged_passage import StagedPassage
from penstock.pipeline_gateways.staged_straight import KEY

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
        passage = StagedPassage(context, self.name, self, relays_errors=self.relays_errors)
        if is_handshake(context):
            return passage.run_socket(self._application, self.gateway)
        return passage.run(self._application, self.gateway)

    async def _rest(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """The application that it wraps: the rest of the pipeline."""
        if scope["type"] == "lifespan":
            await _answer_lifespan(receive, send)
            return
        passage = scope.get(KEY)
        if not isinstance(passage, StagedPassage):
            raise ContractError(
                f"{self.name} calls its application with a scope of its own making: it copies the one that it was given"
            )
        await passage.lead_on(scope, receive, send)


async def _answer_lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
