"""HealthPaths: the probes of whoever watches the server, answered before the queue, on every host name (pipeline E-08)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from penstock.intake.refusals import answer_plainly, send_plainly
from penstock.intake.worker_request import WorkerRequest

if TYPE_CHECKING:
    from penstock.intake.runtime import Runtime

_FRESH: Final = (b"cache-control", b"no-store")
_ALLOWED: Final = (b"allow", b"GET, HEAD")


class HealthPaths:
    """`live` and `ready` are paths, "" for none."""

    __slots__ = ("live", "ready")

    def __init__(self, *, live: str = "", ready: str = "") -> None:
        self.live = live
        self.ready = ready

    def answer(self, worker_request: WorkerRequest, runtime: Runtime) -> bool:
        """Answer, when it is a probe; it is neither counted nor written down, and no quota knows of it. Whether it was one."""
        line = worker_request.head.line
        path = line.path
        if path != self.live and path != self.ready:
            return False
        if line.method not in ("GET", "HEAD"):
            answer_plainly(worker_request, 405, "", _ALLOWED)
            return True
        reason = "" if path == self.live else runtime.find_obstacle()
        if reason:
            answer_plainly(worker_request, 503, f": {reason}", runtime.retry_field(), _FRESH)
        else:
            send_plainly(worker_request, 200, "ok\n", _FRESH)
        return True
