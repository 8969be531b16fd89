"""The calls of the control socket: one table, of which the routes, the OpenAPI document and the page about it are made."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, Literal, NamedTuple

from msgspec import Meta, Struct

from penstock.supervisor.control_model import (
    Changes,
    Controlled,
    PoolOutcome,
    PoolStatus,
    ReloadOutcome,
    RequestStatus,
    ServerStatus,
    Unknown,
    WorkerStatus,
)
from penstock.supervisor.control_settings import without_secrets

# As [[pool]] workers has it.
MOST_WORKERS: Final = 1024


# Seconds without a beat, of which there is one a second, after which the event loop of a worker does not turn.
SILENT: Final = 3.0


class NoOrder(Struct, frozen=True, forbid_unknown_fields=True):
    """The body of a call that needs none: nothing, or an empty object."""


class ReloadOrder(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How to reload."""

    wait: Annotated[bool, Meta(description="Answer when all workers are replaced, and not when that has begun.")] = True


class RecycleOrder(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How to recycle."""

    wait: Annotated[bool, Meta(description="Answer when all workers are replaced, and not when that has begun.")] = True
    reason: Annotated[str, Meta(max_length=200, description="Why, for the log.")] = ""


class ScaleOrder(Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """How many workers to have."""

    workers: Annotated[int, Meta(ge=1, le=MOST_WORKERS, description="How many workers the pool is to have.")]


class Workers(Struct, kw_only=True, frozen=True):
    """All workers of all pools."""

    workers: tuple[WorkerStatus, ...]


class Pools(Struct, kw_only=True, frozen=True):
    """All pools."""

    pools: tuple[PoolStatus, ...]


class PoolDetails(Struct, kw_only=True, frozen=True):
    """One pool and its workers."""

    pool: PoolStatus
    workers: tuple[WorkerStatus, ...]


class Requests(Struct, kw_only=True, frozen=True):
    """What waits inside the workers."""

    requests: tuple[RequestStatus, ...]
    silent: Annotated[
        tuple[int, ...],
        Meta(
            description="Ids of workers whose requests are not known, because their event loops do not turn: see their stacks."
        ),
    ] = ()


class RecycleOutcome(Struct, kw_only=True, frozen=True):
    """What came of recycling."""

    pools: tuple[PoolOutcome, ...]


class Accepted(Struct, kw_only=True, frozen=True):
    """It is going to happen."""

    message: str


# What stands in the path and the query of a call, by name.
Values = Mapping[str, str]
Kind = Literal["json", "text", "openapi"]


class Call(NamedTuple):
    """One call: `function(controlled, values, order)` answers with an `answer`, whose status is `status`.

    `refusals` are the statuses of its errors beyond those of every call.
    """

    name: str
    method: Literal["GET", "POST"]
    path: str
    summary: str
    answer: type[Any]
    function: Callable[[Controlled, Values, Any], Awaitable[object] | object]
    order: type[Struct] = NoOrder
    status: int = 200
    query: tuple[tuple[str, str], ...] = ()
    refusals: tuple[int, ...] = ()


def find_worker(controlled: Controlled, text: str) -> WorkerStatus:
    """The worker whose id is `text`. Raises Unknown."""
    workers = controlled.status().workers
    for each in workers:
        if str(each.id) == text:
            return each
    # A process id is what most people have at hand, and in a container it may be as small as the id of another worker.
    meant = [each for each in workers if str(each.pid) == text]
    advice = f"; did you mean {meant[0].id}, whose process id is {text}?" if meant else ""
    raise Unknown("worker", text, tuple([str(each.id) for each in workers]), advice=advice)


def find_pool(controlled: Controlled, name: str) -> PoolStatus:
    """The pool of this name. Raises Unknown."""
    pools = controlled.status().pools
    for each in pools:
        if each.name == name:
            return each
    raise Unknown("pool", name, tuple([each.name for each in pools]))


# -- what is -----------------------------------------------------------------------------------------------------------


def _status(controlled: Controlled, values: Values, order: NoOrder) -> ServerStatus:
    return controlled.status()


def _workers(controlled: Controlled, values: Values, order: NoOrder) -> Workers:
    return Workers(workers=controlled.status().workers)


def _pools(controlled: Controlled, values: Values, order: NoOrder) -> Pools:
    return Pools(pools=controlled.status().pools)


def _pool(controlled: Controlled, values: Values, order: NoOrder) -> PoolDetails:
    pool = find_pool(controlled, values["pool"])
    workers = [each for each in controlled.status().workers if each.pool == pool.name]
    return PoolDetails(pool=pool, workers=tuple(workers))


async def _requests(controlled: Controlled, values: Values, order: NoOrder) -> Requests:
    name = values.get("pool")
    pool = None if name is None else find_pool(controlled, name).name
    requests = await controlled.requests(pool)
    workers = [each for each in controlled.status().workers if pool is None or each.pool == pool]
    return Requests(requests=requests, silent=tuple([each.id for each in workers if (each.last_beat or 0) > SILENT]))


async def _stacks(controlled: Controlled, values: Values, order: NoOrder) -> str:
    return await controlled.stacks(find_worker(controlled, values["worker"]).id)


def _settings(controlled: Controlled, values: Values, order: NoOrder) -> dict[str, Any]:
    return without_secrets(controlled.settings)


async def _diff(controlled: Controlled, values: Values, order: NoOrder) -> Changes:
    return await controlled.diff()


# -- what is to be done --------------------------------------------------------------------------------------------------


async def _reload(controlled: Controlled, values: Values, order: ReloadOrder) -> ReloadOutcome:
    return await controlled.reload(wait=order.wait)


async def _recycle(controlled: Controlled, values: Values, order: RecycleOrder) -> RecycleOutcome:
    """All workers, or those of the pool or the one worker that the path names."""
    pool = find_pool(controlled, values["pool"]).name if "pool" in values else None
    worker = find_worker(controlled, values["worker"]).id if "worker" in values else None
    return RecycleOutcome(
        pools=await controlled.recycle(pool=pool, worker=worker, reason=order.reason, wait=order.wait)
    )


async def _scale(controlled: Controlled, values: Values, order: ScaleOrder) -> PoolStatus:
    return await controlled.scale(find_pool(controlled, values["pool"]).name, order.workers)


async def _drain(controlled: Controlled, values: Values, order: NoOrder) -> PoolStatus:
    return await controlled.drain(find_pool(controlled, values["pool"]).name)


async def _resume(controlled: Controlled, values: Values, order: NoOrder) -> PoolStatus:
    return await controlled.resume(find_pool(controlled, values["pool"]).name)


async def _upgrade(controlled: Controlled, values: Values, order: NoOrder) -> Accepted:
    await controlled.upgrade()
    return Accepted(message="the new code has passed its check and takes over")


def _stop(controlled: Controlled, values: Values, order: NoOrder) -> Accepted:
    controlled.stop()
    return Accepted(message="the server stops when its requests have ended")


def _reopen_logs(controlled: Controlled, values: Values, order: NoOrder) -> Accepted:
    controlled.reopen_logs()
    return Accepted(message="the files of logs are opened anew")


CALLS: Final = (
    Call("get_status", "GET", "/v1/status", "How the server, its pools and its workers are.", ServerStatus, _status),
    Call("list_workers", "GET", "/v1/workers", "All workers.", Workers, _workers),
    Call("list_pools", "GET", "/v1/pools", "All pools.", Pools, _pools),
    Call("get_pool", "GET", "/v1/pools/{pool}", "One pool and its workers.", PoolDetails, _pool, refusals=(404,)),
    Call(
        "list_requests",
        "GET",
        "/v1/requests",
        "The requests that wait inside the workers now, with the stage each of them is in.",
        Requests,
        _requests,
        query=(("pool", "Only those in this pool."),),
        refusals=(404,),
    ),
    Call(
        "get_stacks",
        "GET",
        "/v1/stacks/{worker}",
        "What runs where in a worker: its requests, tasks and threads with their stacks; also in one that is stuck.",
        str,
        _stacks,
        refusals=(404, 409),
    ),
    Call("get_settings", "GET", "/v1/settings", "The settings that run; secrets are hidden.", dict, _settings),
    Call("get_diff", "GET", "/v1/diff", "What a reload would change.", Changes, _diff, refusals=(409, 422)),
    Call(
        "reload",
        "POST",
        "/v1/reload",
        "Check the site file; if it has no mistakes, replace the workers of the pools that it changes.",
        ReloadOutcome,
        _reload,
        ReloadOrder,
        refusals=(409, 422, 424),
    ),
    Call(
        "recycle",
        "POST",
        "/v1/recycle",
        "Replace all workers, one after the other, without losing a request.",
        RecycleOutcome,
        _recycle,
        RecycleOrder,
        refusals=(409, 424),
    ),
    Call(
        "recycle_pool",
        "POST",
        "/v1/pools/{pool}/recycle",
        "Replace the workers of one pool.",
        RecycleOutcome,
        _recycle,
        RecycleOrder,
        refusals=(404, 409, 424),
    ),
    Call(
        "recycle_worker",
        "POST",
        "/v1/workers/{worker}/recycle",
        "Replace one worker.",
        RecycleOutcome,
        _recycle,
        RecycleOrder,
        refusals=(404, 409, 424),
    ),
    Call(
        "scale_pool",
        "POST",
        "/v1/pools/{pool}/scale",
        "Have more or fewer workers, until the next reload that changes the pool.",
        PoolStatus,
        _scale,
        ScaleOrder,
        refusals=(404, 409),
    ),
    Call(
        "drain_pool",
        "POST",
        "/v1/pools/{pool}/drain",
        "Answer everything for a pool with 503, let its requests end, and stop its workers.",
        PoolStatus,
        _drain,
        refusals=(404, 409),
    ),
    Call(
        "resume_pool",
        "POST",
        "/v1/pools/{pool}/resume",
        "End a drain; a pool that is off after failures is tried at once.",
        PoolStatus,
        _resume,
        refusals=(404, 409),
    ),
    Call("stop", "POST", "/v1/stop", "Let all requests end, and stop.", Accepted, _stop, status=202),
    Call(
        "upgrade",
        "POST",
        "/v1/upgrade",
        "Check the code that is installed now, and become it: the process id, the sockets and the workers stay.",
        Accepted,
        _upgrade,
        status=202,
        refusals=(409, 422),
    ),
    Call("reopen_logs", "POST", "/v1/logs/reopen", "Open the files of logs anew.", Accepted, _reopen_logs),
)
