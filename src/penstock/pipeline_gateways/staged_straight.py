"""The straight way from a middleware in a stage to an ASGI application, where nothing takes part between the two of them.

The application is then called with what the middleware passes on, as on any ASGI server: no request and response of its own are
made for what is behind the middleware until something there fails.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final

from penstock.errors import ClientGone, ContractError
from penstock.pipeline import steps
from penstock.pipeline.plan import Plan
from penstock.pipeline_gateways.asgi import AsgiGateway
from penstock.pipeline_gateways.asgi_application import AT_THE_END, Message, Send

# Where a scope says to whom it belongs. A middleware may copy its scope, and does not know what else is in it.
KEY: Final = "penstock.frame"
# Steps that do nothing for a response that nobody has touched.
_IDLE: Final = (steps.require_principal, steps.keep_headers)


def find_gateway(plan: Plan, position: int) -> tuple[AsgiGateway, int] | None:
    """The application that is all there is from `position` of `plan` to its END, and where it is; None where more takes part."""
    target = plan.target
    gateway = getattr(target.execute, "__self__", None)
    if not isinstance(gateway, AsgiGateway) or not gateway.is_plain or plan.headers:
        return None
    found = -1
    for at in range(position, plan.unwind_at):
        call = plan.calls[at]
        if call is target.execute:
            found = at
        elif call is not target.finish and call not in _IDLE:
            return None
    return None if found < 0 else (gateway, found)


class StraightAnswer:
    """`send` for the application: its head waits for its first body message, as it does in front of a host."""

    __slots__ = ("_is_trailing", "_send", "_start", "has_sent", "is_complete")

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._is_trailing = False
        self.has_sent = False  # something that cannot be taken back
        self.is_complete = False

    async def send(self, message: Message) -> None:
        """ASGI `send`. Raises ContractError for a message out of turn."""
        kind = message["type"]
        if self.is_complete:
            raise ContractError(f"{kind} after the response was complete")
        if kind == "http.response.start":
            if self._start is not None or self.has_sent:
                raise ContractError("http.response.start was sent twice")
            self._start = message
            return
        start = self._start
        if start is not None and kind == "http.response.body":
            self._start = None
            self.has_sent = True
            self._is_trailing = bool(start.get("trailers"))
            await self._send(start)
        elif not self.has_sent and kind == "http.response.body":
            raise ContractError("http.response.body before http.response.start")
        await self._send(message)
        if kind == "http.response.body":
            self.is_complete = not message.get("more_body") and not self._is_trailing
        elif kind == "http.response.trailers":
            self.is_complete = not message.get("more_trailers")


def scope_for(gateway: AsgiGateway, scope: MutableMapping[str, Any]) -> dict[str, Any]:
    """What the application gets of the `scope` that the middleware has passed on."""
    own = {**scope}
    own.pop(KEY, None)
    own.pop(AT_THE_END, None)
    if gateway.state is not None:
        own["state"] = {**gateway.state, **own.get("state", {})}
    return own


def judged(answer: StraightAnswer, *, is_told: bool) -> Exception | None:
    """What is wrong with an application that has returned. `is_told`: it knew that the client had left."""
    if answer.is_complete:
        return None
    if is_told:
        return ClientGone("the client left before it was answered")
    return ContractError("the ASGI application returned without completing its response")
