"""How a request comes back out of a middleware in a stage: by its end, or by an error that crosses to the one around it."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from penstock.http.websocket_handshake import asks_for_websocket
from penstock.intake.worker_request import Capability
from penstock.pipeline.context import Context
from penstock.pipeline.principal import ANONYMOUS, Principal


def come_back(context: Context) -> None:
    """The middleware has ended behind what it wraps: what failed there has become what it made of it (middleware G9)."""
    rest = context.rest
    rest.error = None
    rest.is_answered = False


def cross(context: Context, error: Exception, *, has_led_on: bool) -> None:
    """What a middleware raised is for the one around it, or becomes the failure of the request (middleware G8).

    Raises `error` where there is none around it.
    """
    rest = context.rest
    if rest.frames:
        rest.crossing = error
        if not has_led_on:
            context.complete()
        return
    if has_led_on:
        come_back(context)
        context.position = context.plan.unwind_at + 1
    raise error


def adopt_user(context: Context, scope: MutableMapping[str, Any]) -> None:
    """By convention a middleware says in `scope["user"]` who asks (middleware 15.10)."""
    user = scope.get("user")
    if user is None or context.principal is not ANONYMOUS:
        return
    if isinstance(user, str):
        context.principal = Principal(user)
    elif getattr(user, "is_authenticated", False):
        name = getattr(user, "username", "") or getattr(user, "display_name", "") or getattr(user, "identity", "")
        context.principal = Principal(str(name) or "user")


def is_handshake(context: Context) -> bool:
    """Whether the request wants to become a WebSocket, on a host that carries them; elsewhere it is an ordinary request."""
    worker_request = context.worker_request
    if Capability.UPGRADE not in worker_request.capabilities:
        return False  # what would accept it answers with 501 (websockets section 7.3)
    head = worker_request.head
    return head.framing.is_upgrade and head.line.method == "GET" and asks_for_websocket(head)
