"""The requests that wait inside: what the runtime keeps of each, and how it is shown to people (pipeline D-05).

A request that passes its stages without waiting is never seen here, and costs nothing. Whoever makes one wait for the first
time puts it into `runtime.inside`; `runtime.leave` takes it out again.
"""

from __future__ import annotations

import asyncio
from enum import IntEnum
from typing import NamedTuple, Protocol

from penstock.intake.worker_request import WorkerRequest, client_name


class Waiting(Protocol):
    """What is kept of a request that waits: its `Context` (the pipeline's) is one, as it stands."""

    worker_request: WorkerRequest
    task: asyncio.Task[None] | None

    @property
    def stage(self) -> IntEnum:
        """The stage it is in."""

    @property
    def module(self) -> str:
        """The module whose step it is in, "" for none."""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""

    def cut_off(self) -> None:
        """Called at a hard stop when it has no task that could be cancelled: let it leave at once."""


class RequestInside(NamedTuple):
    """One line of the list: the path has no query, for it may hold secrets; `age` is in seconds since it came."""

    method: str
    path: str
    client: str
    stage: str
    module: str
    age: float
    trace_id: str


def describe_waiting(waiting: Waiting, now: float) -> RequestInside:
    """The line for one request; `now` is in seconds of the loop's clock."""
    worker_request = waiting.worker_request
    head = worker_request.head
    return RequestInside(
        head.method,
        head.path,
        client_name(worker_request.client),
        waiting.stage.name,
        waiting.module,
        now - worker_request.started if worker_request.started else 0.0,
        waiting.trace_id,
    )
