"""Upgrade: one valid handshake, from its accept to the end of its socket (websockets section 1.1, section 7)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import Context as Variables
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

from penstock.errors import AcceptLost, HTTPError
from penstock.http.deflate_offers import negotiate
from penstock.http.websocket_handshake import Handshake, is_allowed_origin, is_same_origin
from penstock.intake.frame_transport import UpgradeTerms

if TYPE_CHECKING:
    import asyncio

    from penstock.request_sockets.options import AcceptOptions, SocketRules
    from penstock.request_sockets.websocket import WebSocket

# A coroutine function that is given the socket.
Endpoint = Callable[["WebSocket"], Awaitable[object]]


class Phase(IntEnum):
    """How far a handshake has come; it moves by one, never back (websockets SW-1)."""

    INACTIVE = 0
    ACCEPT_CALLED = 1
    TRANSITION_STARTED = 2
    TRANSITION_COMPLETED = 3


class Outcome(Enum):
    """What became of an accept. LOST: it did not happen, for the request was answered otherwise."""

    PENDING = "pending"
    RUNNING = "running"
    LOST = "lost"
    DONE = "done"
    FAILED = "failed"


class Upgrade:
    """What was accepted, and with which options. `endpoint` is None for an inline accept, whose caller goes on itself.

    `release_place` gives the place in the registry back. `flush_failure` is why the 101 could not be sent: it is told when
    the endpoint has ended (websockets SW-41). `variables` are the context variables of whoever accepted (PY-5).
    """

    __slots__ = (
        "answers_close",
        "endpoint",
        "endpoint_task",
        "flush_failure",
        "handshake",
        "lost",
        "on_lost",
        "options",
        "outcome",
        "phase",
        "release_place",
        "rules",
        "socket",
        "variables",
    )

    def __init__(self, handshake: Handshake, rules: SocketRules) -> None:
        self.handshake = handshake
        self.rules = rules
        self.phase = Phase.INACTIVE
        self.outcome = Outcome.PENDING
        self.options: AcceptOptions | None = None
        self.endpoint: Endpoint | None = None
        self.endpoint_task: asyncio.Task[None] | None = None
        self.variables: Variables | None = None
        self.answers_close = False
        self.socket: WebSocket | None = None
        self.lost: AcceptLost | None = None
        self.on_lost: Callable[[AcceptLost], object] | None = None
        self.flush_failure: Exception | None = None
        self.release_place: Callable[[], None] | None = None

    @property
    def negotiated_protocol(self) -> str | None:
        """The sub-protocol that was chosen, or None (websockets SW-22)."""
        return None if self.options is None else self.options.subprotocol

    def move_to(self, phase: Phase) -> None:
        """Enter the next phase."""
        assert phase == self.phase + 1, f"from {self.phase.name} to {phase.name}"  # websockets SW-1
        self.phase = phase

    def check_origin(self, options: AcceptOptions | None, scheme: str, host: str) -> None:
        """Raise HTTPError (403) for an origin that may not open a socket here (websockets DV-4, section 1.5)."""
        rules = self.rules
        same, allowed = rules.require_same_origin, rules.allowed_origins
        if options is not None:
            same = same if options.require_same_origin is None else options.require_same_origin
            allowed = allowed if options.allowed_origins is None else options.allowed_origins
        origin = self.handshake.origin
        if same and not is_same_origin(scheme, host, origin):
            raise HTTPError(403, "a WebSocket is opened from pages of this site only")
        if allowed is not None and not is_allowed_origin(origin, allowed):
            raise HTTPError(403, "this origin may not open a WebSocket here")

    def check_subprotocol(self, options: AcceptOptions | None) -> None:
        """Raise ValueError for a sub-protocol that the client has not offered (websockets DV-3)."""
        chosen = None if options is None else options.subprotocol
        if chosen is not None and chosen not in self.handshake.protocols:
            offered = ", ".join(self.handshake.protocols) or "none"
            raise ValueError(f"the sub-protocol {chosen!r} was not offered by the client; offered: {offered}")

    def terms(self) -> UpgradeTerms:
        """What the host is to agree with the client."""
        rules, options = self.rules, self.options
        compresses = rules.compression
        size, interval, timeout = rules.max_message_size, rules.keepalive_interval, rules.keepalive_timeout
        if options is not None:
            compresses = compresses if options.compression is None else options.compression
            size = size if options.max_message_size is None else options.max_message_size
            interval = interval if options.keepalive_interval is None else options.keepalive_interval
            timeout = timeout if options.keepalive_timeout is None else options.keepalive_timeout
        return UpgradeTerms(
            self.handshake.key,
            subprotocol=self.negotiated_protocol,
            deflate=negotiate(self.handshake.extensions) if compresses else None,
            max_message_size=size,
            max_ratio=rules.max_ratio,
            keepalive_interval=interval,
            keepalive_timeout=timeout,
        )

    def lose(self, reason: str) -> None:
        """The accept that was recorded will not happen: whoever waits for the socket is told (websockets PY-9, DV-17)."""
        if self.lost is not None or self.phase is Phase.TRANSITION_COMPLETED:
            return
        self.outcome = Outcome.LOST
        self.lost = AcceptLost(reason)
        self.endpoint = None
        self.free_place()
        on_lost, self.on_lost = self.on_lost, None
        if on_lost is not None:
            on_lost(self.lost)

    def free_place(self) -> None:
        """Give the place in the registry back, once."""
        release, self.release_place = self.release_place, None
        if release is not None:
            release()
