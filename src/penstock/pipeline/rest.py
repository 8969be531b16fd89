"""Rest: what few requests need of their context, made when first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from penstock.pipeline.principal import ANONYMOUS, Principal

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from penstock.http.messages import RequestLine
    from penstock.pipeline.disconnected import Disconnected
    from penstock.pipeline.request import Request
    from penstock.pipeline.stages import Stage
    from penstock.pipeline.verifier import Acting, Verifier
    from penstock.pipeline.websockets import WebSockets


class Frame(Protocol):
    """One middleware that waits in its stage until the request comes back to it (middleware section 15.6)."""

    def complete(self, scope: dict[str, Any]) -> dict[str, Any]:
        """`scope`, which an application is to get, with what the middleware has put into its own (R-SG-22)."""

    def is_of(self, piece: object) -> bool:
        """Whether it belongs to `piece`: nobody enters the same one twice."""


class Rest:
    """Used by the pipeline.

    Without slots: what is not set costs nothing to make, 30 attributes would cost 0.4 us. Compiled, all are set, in 0.08 us.
    """

    # -- what modules keep here
    request: Request | None = None
    items: dict[str, Any] | None = None
    features: dict[type, object] | None = None
    principal: Principal = ANONYMOUS
    # -- how it goes
    at: int = 0  # the step that was interrupted, while the request is on a detour
    error: Exception | None = None
    errors: list[Exception] | None = None
    failed_stage: Stage | None = None
    failed_module: str = ""
    is_answered: bool = False  # the first error has become an answer
    is_resent: bool = False  # sending has failed once
    has_asked_page: bool = False  # a page of the location was asked for, which happens once
    is_complete: bool = False
    started: list[asyncio.Task[Any]] | None = None  # work that the next step waits for
    waiter: asyncio.Future[None] | None = None  # resolved when a parked request goes on
    scopes: list[tuple[Stage, Any, object]] | None = None  # last stage, what was entered, for which subscription
    kept_headers: list[tuple[bytes, bytes]] | None = None  # those that modules have set in front of what answers
    # -- where it leads
    original_path: str | None = None
    effective_path: str | None = None
    redispatch: tuple[RequestLine, str | None] | None = None  # where it is to come in again
    redispatches: list[str] | None = None
    remapped: object = None
    execute_remapped: Callable[[Any], Any] | None = None
    handler: object = None
    # -- its end
    is_cancelled: bool = False  # the pipeline has cancelled the running step
    late_since: float = 0.0  # when the deadline was last held against it
    on_deadline: Callable[[], None] | None = None
    releases: list[tuple[Callable[[Any], Any], object]] | None = None
    completed: list[Callable[[Any], object]] | None = None
    deferred: list[object] | None = None
    # -- middleware in stages
    frames: list[Frame] | None = None  # those that wait for the request to come back, the innermost last
    crossing: BaseException | None = None  # what one of them raised, on its way to the one around it
    endpoint_failure: Exception | None = None  # of a socket inside of them
    # -- what it becomes
    websockets: WebSockets | None = None
    # -- for those who look
    trace_id: str | None = None
    error_id: str = ""  # under which client and log know the failure
    trace: Any = None
    disconnected: Disconnected | None = None
    # -- for the verifier
    verifier: Verifier | None = None
    thread: int = 0  # the thread that the request was handed to
    outstanding: list[Acting] | None = None

    def slim(self) -> None:
        """Let go of what a WebSocket has no use for (websockets PY-21)."""
        self.handler = self.remapped = None
        self.execute_remapped = None
        self.kept_headers = None
        self.scopes = None
        self.waiter = None
        self.redispatch = None
        self.redispatches = None
        self.on_deadline = None
        self.started = None
        self.trace = None
        self.verifier = None
        self.outstanding = None
