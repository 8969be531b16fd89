"""What the control socket tells and asks: frozen structs, and the contract of the supervisor behind it.

The structs are the JSON of the API, field by field, and the schemas of its OpenAPI document are made from them. Times are UTC,
durations in seconds, sizes in bytes.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from msgspec import Meta, Struct

from penstock.errors import PenstockError

if TYPE_CHECKING:
    from penstock.settings import Settings  # commands read answers without it

WorkerState = Literal["starting", "ready", "serving", "draining", "stopping", "stuck"]
PoolState = Literal["starting", "running", "idle", "drained", "off", "stopping"]
ServerState = Literal["starting", "running", "reloading", "upgrading", "stopping"]


class WorkerStatus(Struct, kw_only=True, frozen=True):
    """One worker process."""

    id: Annotated[
        int, Meta(description="Counts up from 1 while the server runs, through upgrades too; never used again.")
    ]
    slot: Annotated[int, Meta(description="Its place in the pool, from 0; its successor has the same.")]
    pool: str
    generation: Annotated[int, Meta(description="The generation of settings that it serves.")]
    pid: Annotated[int, Meta(description="Its process id, 0 before the process is there.")]
    state: WorkerState
    since: Annotated[datetime, Meta(description="When it got into this state.")]
    uptime: Annotated[float, Meta(description="Seconds since its process was started.")]
    requests: Annotated[int, Meta(description="Requests that came in.")] = 0
    failed: Annotated[int, Meta(description="Those that were answered with a status of 400 or above.")] = 0
    inside: Annotated[int, Meta(description="Requests inside now.")] = 0
    queued: Annotated[int, Meta(description="Requests that wait in front.")] = 0
    background: Annotated[int, Meta(description="Applications at work behind an answer.")] = 0
    sockets: Annotated[int, Meta(description="Open WebSockets.")] = 0
    connections: Annotated[int, Meta(description="Open connections of clients.")] = 0
    rss: Annotated[int, Meta(description="Resident memory in bytes.")] = 0
    lag: Annotated[float, Meta(description="How late its event loop was at its last beat, in seconds.")] = 0.0
    last_beat: Annotated[
        float | None, Meta(description="Seconds since it was heard of; null before the first time.")
    ] = None
    reason: Annotated[
        str, Meta(description="Why it is being replaced or stopped, or that it answers 503 for its pool; else empty.")
    ] = ""
    last_reasons: Annotated[
        tuple[str, ...], Meta(description="Why the workers of its slot before it went, the latest first.")
    ] = ()


class PoolStatus(Struct, kw_only=True, frozen=True):
    """One pool of workers. `default` serves what names no pool."""

    name: str
    state: PoolState
    reason: Annotated[str, Meta(description="Why it is off or drained, empty when it is not.")] = ""
    retry_after: Annotated[float, Meta(description="Seconds until a pool that is off is tried again, else 0.")] = 0.0
    start: Literal["always", "on_demand"] = "always"
    generation: int
    workers: Annotated[int, Meta(description="How many workers it is to have.")]
    serving: Annotated[int, Meta(description="How many of them take requests now.")]
    python: Annotated[str, Meta(description="Its Python, empty for the server's own.")] = ""
    user: Annotated[str, Meta(description="The user it runs as, empty for the server's own.")] = ""
    socket: Annotated[str, Meta(description="Where it listens, empty for the public addresses.")] = ""
    failures: Annotated[int, Meta(description="Crashes and failed starts that count at this moment.")] = 0
    recycles: Annotated[dict[str, int], Meta(description="How many workers were replaced, by reason.")] = {}


class ServerStatus(Struct, kw_only=True, frozen=True):
    """The whole server."""

    version: Annotated[str, Meta(description="Of Penstock.")]
    pid: Annotated[int, Meta(description="The supervisor's process id.")]
    started: datetime
    uptime: float
    state: ServerState
    site_file: Annotated[str, Meta(description="Absolute path, empty when it was started without one.")] = ""
    generation: Annotated[int, Meta(description="Counts the settings: 1 at the start, one more with each reload.")]
    addresses: Annotated[tuple[str, ...], Meta(description="Where it listens.")] = ()
    rss: Annotated[int, Meta(description="Resident memory of the supervisor alone, in bytes.")] = 0
    pools: tuple[PoolStatus, ...]
    workers: tuple[WorkerStatus, ...]
    recycles: Annotated[dict[str, int], Meta(description="How many workers were replaced in all, by reason.")] = {}
    last_reload: Annotated[str, Meta(description="What came of the last reload, in words; empty before the first.")] = (
        ""
    )
    needs_restart: Annotated[
        tuple[str, ...], Meta(description="Settings that were changed by a reload and hold from the next start on.")
    ] = ()


class RequestStatus(Struct, kw_only=True, frozen=True):
    """A request that waits inside a worker. The path has no query, for it may hold secrets (pipeline D-05)."""

    worker: int
    pid: int
    pool: str
    method: str
    path: str
    client: str
    stage: str
    module: Annotated[str, Meta(description="The module whose step it is in, empty for none.")] = ""
    age: Annotated[float, Meta(description="Seconds since it came.")]
    trace_id: str = ""


class Change(Struct, kw_only=True, frozen=True):
    """One setting that is not what it was; secrets are never in it."""

    where: Annotated[str, Meta(description="Its place, such as server.limits.body.")]
    before: Annotated[str, Meta(description="What runs, as in the site file; empty when there was nothing.")] = ""
    after: Annotated[str, Meta(description="What the site file says; empty when it is gone.")] = ""


class Changes(Struct, kw_only=True, frozen=True):
    """What a reload changes, or would change."""

    changes: tuple[Change, ...] = ()
    pools: Annotated[tuple[str, ...], Meta(description="The pools that get new workers, are new, or go.")] = ()
    needs_restart: Annotated[
        tuple[str, ...],
        Meta(description="Settings that a reload cannot change, in words: a new start is due for them."),
    ] = ()


class PoolOutcome(Struct, kw_only=True, frozen=True):
    """What came of replacing the workers of a pool. `failed`: the old ones go on serving."""

    pool: str
    outcome: Literal["replaced", "started", "stopped", "failed", "under_way"]
    workers: Annotated[
        tuple[int, ...], Meta(description="The ids of its workers now: the new ones, and old ones that still drain.")
    ] = ()
    error: Annotated[str, Meta(description="Why it failed: the traceback of what did not start.")] = ""


class ReloadOutcome(Struct, kw_only=True, frozen=True):
    """What came of a reload whose site file had no mistakes."""

    generation: Annotated[int, Meta(description="The one that runs now.")]
    changed: Changes = Changes()
    pools: tuple[PoolOutcome, ...] = ()


class Mistake(Struct, kw_only=True, frozen=True):
    """One mistake in the site file."""

    where: Annotated[str, Meta(description="File and line, an option or a variable; empty for none.")] = ""
    text: Annotated[str, Meta(description="What is wrong, and what would be right.")]


class ControlRefused(PenstockError):
    """It cannot be done in the state the server is in; answered with 409. The message says why, and what would be right."""


class Unknown(PenstockError):
    """There is no such pool or worker; answered with 404.

    `known` are the names there are; `advice`, when given, is the end of the sentence, such as "; did you mean 3?".
    """

    def __init__(self, kind: Literal["pool", "worker"], name: str, known: tuple[str, ...], *, advice: str = "") -> None:
        super().__init__(f"there is no {kind} {name}")
        self.advice = advice
        self.kind = kind
        self.name = name
        self.known = known


class Controlled(Protocol):
    """The supervisor, as the control socket sees it: everything is called on its loop, and nothing blocks it.

    Whatever names a pool or a worker raises Unknown when there is none. What cannot be done now raises ControlRefused.
    """

    @property
    def settings(self) -> Settings:
        """Those that run."""

    def status(self) -> ServerStatus:
        """How everything is at this moment."""

    async def reload(self, *, wait: bool) -> ReloadOutcome:
        """Read and check the site file, and start a new generation of the pools that it changes.

        `wait` until their workers are replaced, or have failed; else it returns when that has begun. Raises ConfigurationError
        with all mistakes of the file; then nothing has changed.
        """

    async def diff(self) -> Changes:
        """What `reload` would change. Raises ConfigurationError with all mistakes of the file."""

    async def recycle(
        self, *, pool: str | None, worker: int | None, reason: str, wait: bool
    ) -> tuple[PoolOutcome, ...]:
        """Replace a worker, or those of a pool one by one, or with neither all of them; `reason` is for log and counts."""

    async def scale(self, pool: str, workers: int) -> PoolStatus:
        """Have so many workers (1 or more). Returns when those that are missing have been started or have failed."""

    async def drain(self, pool: str) -> PoolStatus:
        """Answer everything for the pool with 503 from now on, let its requests end, and stop its workers."""

    async def resume(self, pool: str) -> PoolStatus:
        """End `drain`, or try a pool that is off at once."""

    async def requests(self, pool: str | None) -> tuple[RequestStatus, ...]:
        """What waits inside; a worker that does not answer within two seconds is left out."""

    async def stacks(self, worker: int) -> str:
        """What runs where in a worker, also in one whose loop does not turn (see `stacks.take_stacks`)."""

    async def upgrade(self) -> None:
        """Check the new code, and become it soon, when the answer has been sent. Raises ControlRefused with what is wrong."""

    def stop(self) -> None:
        """Drain everything and stop."""

    def reopen_logs(self) -> None:
        """Open the files of logs anew, here and in the workers: they were moved."""
