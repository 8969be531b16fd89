"""How many requests may be inside, who waits in front, and who is turned away (pipeline E-08, E-09)."""

from __future__ import annotations

from collections import deque

from penstock.intake.worker_request import WorkerRequest


class Admission:
    """Counts requests in and out. `inside` never exceeds `limit`; up to `queue_limit` more wait, in order of arrival."""

    __slots__ = ("inside", "limit", "queue", "queue_limit")

    def __init__(self, limit: int, queue_limit: int) -> None:
        self.limit = limit
        self.queue_limit = queue_limit
        self.inside = 0
        self.queue: deque[WorkerRequest] = deque()

    def enqueue(self, worker_request: WorkerRequest) -> bool:
        """Let a request wait; False when the queue is full."""
        if len(self.queue) >= self.queue_limit:
            return False
        self.queue.append(worker_request)
        return True

    def take_disconnected(self) -> list[WorkerRequest]:
        """Take those out of the queue whose clients have left."""
        gone = [waiting for waiting in self.queue if waiting.is_disconnected]
        if gone:
            self.queue = deque(waiting for waiting in self.queue if not waiting.is_disconnected)
        return gone

    def find_next(self) -> WorkerRequest | None:
        """The request that has waited longest, if there is one and room for it."""
        if self.inside < self.limit and self.queue:
            return self.queue.popleft()
        return None
