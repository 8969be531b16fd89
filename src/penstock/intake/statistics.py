"""The numbers a runtime keeps: a frozen snapshot for people and machines (pipeline E-12)."""

from __future__ import annotations

from typing import NamedTuple


class RuntimeStatistics(NamedTuple):
    """`total` counts every request that came in; it equals succeeded + failed + rejected + disconnected + executing + queued.

    `rejected` were never let inside: malformed, too many at once, or too late. `failed` were answered with a status of 400
    or above; `disconnected` left before they were answered. `background` counts applications still at work behind an answer.

    Of those that failed, `not_authorized` were answered with 401, `not_found` with 404 or 414, `timed_out` with 504.
    `sockets` are the WebSockets that are open.
    """

    total: int
    executing: int
    queued: int
    succeeded: int
    failed: int
    rejected: int
    disconnected: int
    background: int
    not_authorized: int = 0
    not_found: int = 0
    timed_out: int = 0
    sockets: int = 0
