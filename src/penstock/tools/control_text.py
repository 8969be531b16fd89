"""What commands print of a running server: tables, durations and sizes for people."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from penstock.http.redaction import printable, shorten
from penstock.supervisor.control_calls import SILENT, Requests
from penstock.supervisor.control_model import (
    Changes,
    PoolOutcome,
    PoolStatus,
    RequestStatus,
    ServerStatus,
    WorkerStatus,
)
from penstock.tools.columns import columns

_WORKER_TITLES: Final = (
    "id", "pool", "slot", "pid", "state", "up", "requests", "inside", "queued", "sockets", "conns", "memory", "lag", "",
)  # fmt: skip
_POOL_TITLES: Final = ("pool", "state", "workers", "generation", "failures", "recycled", "")
_REQUEST_TITLES: Final = ("age", "worker", "pool", "stage", "module", "method", "path", "client", "trace id")
_LONGEST_CELL: Final = 200
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def status_lines(status: ServerStatus) -> Iterator[str]:
    """The whole server: what it is, its pools, its workers."""
    facts = [
        ("penstock", f"{status.version}, {status.state}, for {duration(status.uptime)}"),
        ("site file", status.site_file or "none"),
        ("listening", ", ".join(status.addresses) or "nowhere"),
        ("supervisor", f"pid {status.pid}, {size(status.rss)}"),
        ("generation", str(status.generation) + (f"; {status.last_reload}" if status.last_reload else "")),
        ("recycled", counts(status.recycles)),
    ]
    if status.needs_restart:
        facts.append(("restart due", ", ".join(status.needs_restart)))
    yield from columns(facts)
    yield ""
    yield from pool_lines(status.pools)
    yield ""
    yield from worker_lines(status.workers)


def worker_lines(workers: Sequence[WorkerStatus]) -> Iterator[str]:
    """A row for each worker."""
    if not workers:
        return iter(["there is no worker now"])
    return columns([_WORKER_TITLES, *(_worker(each) for each in workers)])


def pool_lines(pools: Sequence[PoolStatus]) -> Iterator[str]:
    """A row for each pool."""
    return columns([_POOL_TITLES, *(_pool(each) for each in pools)])


def request_lines(told: Requests) -> Iterator[str]:
    """A row for each request, the oldest first, and a line for each worker that has not told of its own."""
    if told.requests:
        oldest = sorted(told.requests, key=lambda each: each.age, reverse=True)
        yield from columns([_REQUEST_TITLES, *(_request(each) for each in oldest)])
    elif not told.silent:
        yield "no request waits inside"
    for number in told.silent:
        yield f"worker {number} does not answer, its event loop does not turn: see `penstock stacks {number}`"


def change_lines(changes: Changes) -> Iterator[str]:
    """What a reload changes, or would change."""
    if not changes.changes:
        yield "nothing differs"
    for each in changes.changes:
        yield f"{each.where}: {each.before or '(nothing)'} -> {each.after or '(nothing)'}"
    if changes.pools:
        yield f"new workers: {', '.join(changes.pools)}"
    for text in changes.needs_restart:
        yield f"only with a new start: {text}"


def outcome_lines(outcomes: Iterable[PoolOutcome]) -> Iterator[str]:
    """What came of replacing workers."""
    rows = [
        (
            each.pool,
            each.outcome.replace("_", " "),
            f"workers {', '.join(map(str, each.workers))}" if each.workers else "",
        )
        for each in outcomes
    ]
    return columns(rows) if rows else iter(["no worker is replaced"])


def pool_line(pool: PoolStatus) -> str:
    """One pool in a sentence."""
    told = f"{pool.name} is {pool.state}, {pool.serving} of {pool.workers} workers serve"
    return f"{told}: {_cell(pool.reason)}" if pool.reason else told


def duration(seconds: float) -> str:
    """Seconds as "0.4 s", "12 s", "3 min", "1 h 2 min" or "4 d 5 h"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def size(count: int) -> str:
    """Bytes as "52.4 MB", with the megabytes of the site file: a million bytes."""
    return f"{count / 1e6:.1f} MB"


def counts(recycles: Mapping[str, int]) -> str:
    """How many were replaced for which reason: "3 RequestLimit, 1 Memory", or "none"."""
    return ", ".join(f"{count} {reason}" for reason, count in recycles.items() if count) or "none"


def _worker(each: WorkerStatus) -> tuple[str, ...]:
    numbers = (each.requests, each.inside, each.queued, each.sockets, each.connections)
    return (
        str(each.id), each.pool, str(each.slot), str(each.pid), each.state, duration(each.uptime),
        *[str(number) for number in numbers], size(each.rss), _lag(each), _cell(each.reason),
    )  # fmt: skip


def _lag(each: WorkerStatus) -> str:
    if each.last_beat is None:
        return "-"
    return f"{each.lag * 1000:.0f} ms" if each.last_beat <= SILENT else f"silent for {duration(each.last_beat)}"


def _pool(each: PoolStatus) -> tuple[str, ...]:
    reason = _cell(each.reason)
    if each.retry_after:
        reason += f"; tried again in {duration(each.retry_after)}"
    workers = f"{each.serving} of {each.workers}"
    return each.name, each.state, workers, str(each.generation), str(each.failures), counts(each.recycles), reason


def _request(each: RequestStatus) -> tuple[str, ...]:
    path = _cell(each.path)
    age = f"{each.age:.3f} s"
    return age, str(each.worker), each.pool, each.stage, each.module, each.method, path, each.client, each.trace_id


def _cell(text: str) -> str:
    # It may come from anybody, and a terminal obeys it.
    return shorten(printable(text), _LONGEST_CELL)
