"""The straight way from a middleware in a stage to an ASGI application, where nothing takes part between the two of them.

The middleware is then the step's own coroutine, and the application is called with what it passes on, as on any ASGI server: no
request and response of its own are made for what is behind the middleware until something there fails.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Final

from penstock.errors import ClientGone, ContractError
from penstock.intake.asgi_request import AsgiRequest
from penstock.pipeline import steps
from penstock.pipeline.context import Context
from penstock.pipeline.plan import Plan
from penstock.pipeline_gateways.asgi import COMPLETE, NOT_STARTED, STARTED, AsgiGateway
from penstock.pipeline_gateways.asgi_application import Message, Send
from penstock.pipeline_gateways.held_exchange import HeldExchange

# Where a scope says to whom it belongs. A middleware may copy its scope, and does not know what else is in it.
KEY: Final = "penstock.frame"
# Steps that do nothing for a response that nobody has touched.
_IDLE: Final = (steps.require_principal, steps.keep_headers)


class StraightWay:
    """What there is of a plan behind the middleware `piece`: a request stands at `start` in there, `behind` the application, then at `end`.

    `inner` is the next middleware on the way to the application, if there is one.
    """

    __slots__ = ("application", "behind", "end", "gateway", "inner", "mount", "piece", "start")

    def __init__(
        self, piece: Any, gateway: AsgiGateway, start: int, *, behind: int, end: int, inner: Any = None
    ) -> None:
        self.piece = piece
        self.inner = inner
        self.gateway = gateway
        self.application = gateway.application
        self.mount = gateway.mount
        self.start = start
        self.behind = behind
        self.end = end


def misled(context: Context, way: StraightWay) -> ContractError:
    """What is wrong with a middleware that calls its application now (middleware R-SG-28)."""
    when = "twice" if way.start < context.position <= way.end else "when the request had left it"
    return ContractError(f"{way.piece.name} called its application {when}")


async def too_late(*message: object) -> None:
    """As `send` of an application that has returned."""
    raise ContractError("an answer was sent by an application that had returned already")


# Where more takes part between a middleware and END than an application.
NO_WAY: Final = StraightWay(None, AsgiGateway(too_late), -1, behind=-1, end=-1)


def find_way(plan: Plan, piece: Any) -> StraightWay:
    """The way from the middleware `piece` of `plan`, or NO_WAY."""
    target = plan.target
    gateway = getattr(target.execute, "__self__", None)
    if not isinstance(gateway, AsgiGateway) or not gateway.is_plain or target.finish is None:
        return NO_WAY
    if piece.step not in plan.calls:
        return NO_WAY  # what is traced, or watched in development, is called by others
    start = plan.calls.index(piece.step) + 1
    if plan.calls[start] != piece.judge:
        return NO_WAY
    for at in range(start + 1, plan.unwind_at):
        call = plan.calls[at]
        owner = getattr(call, "__self__", None)
        if isinstance(owner, type(piece)):
            further = find_way(plan, owner)
            if further is NO_WAY or piece.may_skip:
                return NO_WAY
            return StraightWay(piece, gateway, start, behind=further.behind, end=further.end, inner=owner)
        if call == target.execute:
            is_free = all(each == target.finish for each in plan.calls[at + 1 : plan.unwind_at])
            return StraightWay(piece, gateway, start, behind=at + 1, end=plan.unwind_at + 2) if is_free else NO_WAY
        if call not in _IDLE:
            return NO_WAY
    return NO_WAY


class StraightLink:
    """What one of several middlewares knows of the request, and those around it do not."""

    __slots__ = ("context", "has_passed", "inner", "root", "send_on", "way")

    def __init__(self, root: StraightExchange, way: StraightWay) -> None:
        self.root = root  # the exchange with the outermost
        self.context = root.context
        self.way = way
        self.has_passed = False
        self.send_on: Send = too_late
        self.inner: AsgiRequest | None = None

    def pass_on(self, message: Message) -> Awaitable[None]:
        """As of `StraightExchange`."""
        self.has_passed = True
        return self.send_on(message)

    def let_go(self) -> None:
        """As of `HeldExchange`."""
        self.inner = None


class StraightExchange(HeldExchange):
    """`receive` and `send` of the middleware, and `pass_on`, the `send` of its application (middleware R-SG-26)."""

    __slots__ = ("context", "has_passed", "send_on", "way")

    def __init__(self, context: Context, way: StraightWay) -> None:
        # All of it here: each class between would be a call for every request.
        self._context = self.context = context
        self._worker_request = context.worker_request
        self._response = context.response
        self._offers_pathsend = False
        self._state = NOT_STARTED
        self._body_done = False
        self._disconnect = None
        self.is_told = False
        self._ended = False
        self._is_relayed = False
        self.inner = None
        self.way = way
        self.has_passed = False  # something of the application's answer
        # Of the middleware, as long as its application runs: it leads back here, and would be left for the garbage collector.
        self.send_on: Send = too_late

    @property
    def is_parked(self) -> bool:
        """Whether the middleware waits in its `await app(...)` (middleware R-SG-35)."""
        return self.send_on is not too_late

    def pass_on(self, message: Message) -> Awaitable[None]:
        """ASGI `send` for the application. Whether its messages come in turn is judged where they arrive."""
        self.has_passed = True
        return self.send_on(message)

    @property
    def root(self) -> StraightExchange:
        """As of `StraightLink`."""
        return self

    @property
    def is_left(self) -> bool:
        """Whether the request has ended, or goes another way: what is behind the middleware has no part in it any more."""
        return self.context.exchange is not self

    def judge_missing(self) -> Exception:
        """What is wrong with an application that has returned without an answer."""
        if self.is_told:
            return ClientGone("the client left before it was answered")
        return ContractError("the ASGI application returned without completing its response")

    def judge_end(self) -> None:
        """The middleware has returned behind its application. Raises ContractError for half an answer."""
        if self._state != NOT_STARTED:
            raise ContractError(f"the middleware {self.way.piece.name} returned in the middle of its answer")

    def _send_last(self, body: bytes) -> Awaitable[None] | None:
        if self._state != STARTED or self._disconnect is not None:
            return super()._send_last(body)
        # What nearly every answer is.
        self._response.content = body
        self._state = COMPLETE
        context, way = self.context, self.way
        if context.position == way.behind:
            context.position = way.end
            context.exchange = None  # nothing more is taken
        return None

    def _be_complete(self) -> None:
        super()._be_complete()
        context, way = self.context, self.way
        if context.position == way.behind:
            context.position = way.end
