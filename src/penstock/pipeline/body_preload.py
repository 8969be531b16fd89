"""The step in front of a handler that wants its body whole: whoever runs in a thread cannot wait for it (pipeline H-12)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.pipeline.context import Context


def preload_body(context: Context) -> Awaitable[object] | None:
    """Read the whole body, so that `request.read()` and `request.read_form()` have it at once.

    Returns None when there is no body, when it has come already, and when somebody has begun to read it. Raises what
    `Request.body` raises.
    """
    if context.worker_request.head.framing.content_length == 0:
        return None
    return context.request.preload()
