"""WebSockets: what a request can ask and do about becoming a socket, `context.websockets`."""

from __future__ import annotations

from asyncio import Task, current_task
from contextvars import copy_context
from typing import TYPE_CHECKING

from penstock.errors import AcceptLost, ContractError, RequestRejected
from penstock.http.websocket_handshake import Handshake, asks_for_websocket, read_handshake
from penstock.intake.worker_request import Capability
from penstock.pipeline.signatures import check_callable
from penstock.pipeline.stages import Stage
from penstock.pipeline.task import go_on
from penstock.request_sockets.upgrade import Endpoint, Outcome, Phase, Upgrade

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.intake.worker_request import WorkerRequest
    from penstock.pipeline.context import Context
    from penstock.request_sockets.options import AcceptOptions
    from penstock.request_sockets.websocket import WebSocket


class WebSockets:
    """The handshake of a request, if it is one. A failed accept changes nothing, so that another may follow (SW-19)."""

    __slots__ = ("_context", "_handshake", "_refusal", "upgrade")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._handshake: Handshake | None = None
        self._refusal: RequestRejected | None = None
        self.upgrade: Upgrade | None = None  # what was accepted

    # -- what was asked ------------------------------------------------------------------------------------------------------

    @property
    def is_websocket_request(self) -> bool:
        """Whether this is a handshake that can be accepted; stays True when it was (websockets SW-5, SW-8)."""
        return self.upgrade is not None or self._find_handshake() is not None

    @property
    def is_upgrading(self) -> bool:
        """Whether it was accepted; stays True, even if something behind it answers otherwise (websockets SW-2)."""
        return self.upgrade is not None

    @property
    def requested_protocols(self) -> tuple[str, ...] | None:
        """The sub-protocols offered; () for none or a malformed list, None when this is no handshake (websockets SW-10)."""
        handshake = self._find_handshake()
        return None if handshake is None else handshake.protocols

    @property
    def negotiated_protocol(self) -> str | None:
        """The sub-protocol that was accepted, or None (websockets SW-22)."""
        return None if self.upgrade is None else self.upgrade.negotiated_protocol

    def judge(self) -> None:
        """Refuse a handshake that could not be accepted here.

        Raises RequestRejected: 400 when it is none or broken, 426 for another version. HTTPError: 403 for its origin.
        """
        self._judge_handshake()
        self._new_upgrade().check_origin(None, *self._place_of_request())

    # -- accepting -----------------------------------------------------------------------------------------------------------

    def accept_later(self, endpoint: Endpoint, options: AcceptOptions | None = None) -> None:
        """See `Context.accept_websocket`."""
        if endpoint is None:
            raise TypeError("accept_websocket takes a coroutine function that gets the socket, not None")
        check_callable("accept_websocket", endpoint)
        upgrade = self._record(options)
        upgrade.endpoint = endpoint
        upgrade.variables = copy_context()

    async def accept(self, options: AcceptOptions | None = None, *, answers_close: bool = False) -> WebSocket:
        """Accept now: the rest of the plan runs, END included, 101 leaves, and the socket is here (websockets 7.4).

        Only in the handler, where the socket then lives as long as the handler's own task. `answers_close`: a Close of the
        client is answered the moment it comes. Raises AcceptLost when the pipeline answered otherwise after all, or the client
        left; before that, as `Context.accept_websocket`.
        """
        context = self._context
        self._check_first()
        if context.stage is not Stage.EXECUTE:
            raise ContractError(
                f"a WebSocket is accepted and awaited in the handler, not in {context.stage.name}: there, accept_websocket "
                "takes a coroutine function for later"
            )
        upgrade = self._record(options)
        upgrade.answers_close = answers_close
        # The one task of the request, or the one that a handler of its own has begun: the socket ends with the former.
        upgrade.endpoint_task = context.task or current_task()
        await go_on(context)
        if upgrade.socket is None:
            raise upgrade.lost or AcceptLost("the accept was not carried out")
        return upgrade.socket

    # -- used by the pipeline ------------------------------------------------------------------------------------------------

    def lose(self, reason: str) -> None:
        """The request has been answered otherwise: an accept that was recorded will not happen (websockets O-4)."""
        if self.upgrade is not None:
            self.upgrade.lose(reason)

    def is_endpoint(self, task: Task[None]) -> bool:
        """Whether the socket was accepted inline and lives in `task`."""
        upgrade = self.upgrade
        return upgrade is not None and upgrade.endpoint_task is task and upgrade.outcome is Outcome.RUNNING

    def _record(self, options: AcceptOptions | None) -> Upgrade:
        """Validate, in the order of websockets section 1.3, then mutate (O-8)."""
        context = self._context
        self._check_first()
        if context.stage is Stage.BEGIN:
            raise ContractError("a WebSocket is accepted behind BEGIN, where its location is known")
        self._judge_handshake()
        if Capability.UPGRADE not in context.worker_request.capabilities:
            raise RequestRejected(501, "this host carries no WebSockets", rule="RFC 9110 section 15.6.2")
        stage = context.stage
        is_too_late = (
            stage > Stage.EXECUTE or (stage is Stage.EXECUTE and context.is_post) or context.response.is_started
        )
        if is_too_late:
            raise ContractError(f"it is too late to accept a WebSocket: the request is in {stage.name}")
        if context.error is not None:
            raise ContractError("this request has failed, and cannot become a WebSocket any more")
        upgrade = self._new_upgrade()
        scheme, host = self._place_of_request()
        upgrade.check_origin(options, scheme, host)
        upgrade.check_subprotocol(options)
        if options is not None and Capability.BARE_UPGRADE in context.worker_request.capabilities:
            _check_bare(options)
        upgrade.release_place = take_place(context, context.worker_request)
        upgrade.options = options
        upgrade.move_to(Phase.ACCEPT_CALLED)
        self.upgrade = upgrade
        context.response.switch_protocols()
        return upgrade

    def _check_first(self) -> None:
        if self.upgrade is not None:
            raise ContractError("a WebSocket is accepted only once per request")  # websockets SW-12, SW-13

    def _judge_handshake(self) -> None:
        if self._find_handshake() is None:
            raise self._refusal or RequestRejected(
                400,
                "this is a WebSocket endpoint: open it with a WebSocket client, such as new WebSocket(url) in a page",
                rule="RFC 6455 section 4.2.1",
            )

    def _find_handshake(self) -> Handshake | None:
        if self._handshake is None and self._refusal is None:
            head = self._context.worker_request.head
            if head.framing.is_upgrade and asks_for_websocket(head):
                try:
                    self._handshake = read_handshake(head)
                except RequestRejected as error:
                    self._refusal = error
        return self._handshake

    def _new_upgrade(self) -> Upgrade:
        handshake = self._find_handshake()
        assert handshake is not None
        return Upgrade(handshake, self._context.plan.location.sockets)

    def _place_of_request(self) -> tuple[str, str]:
        worker_request = self._context.worker_request
        return worker_request.scheme, worker_request.head.authority.decode("latin-1")


def take_place(context: Context, worker_request: WorkerRequest) -> Callable[[], None]:
    """A place among the open sockets of the location; the result gives it back. Raises as `OpenSockets.take_place`."""
    location = context.plan.location
    client = worker_request.client
    holder = (context.plan.site, location.at, "" if client is None else client[0])
    return context.runtime.sockets.take_place(holder, location.sockets.per_client)


def _check_bare(options: AcceptOptions) -> None:
    """Refuse what a host that only says yes or no to a handshake cannot pass on (websockets section 7.3)."""
    for asked, what in ((options.subprotocol, "a sub-protocol"), (options.headers, "header fields of its own")):
        if asked:
            raise RequestRejected(501, f"this host accepts no WebSocket with {what}", rule="RFC 9110 section 15.6.2")
