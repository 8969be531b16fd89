"""Traces as text for people: a list, and one request stage by stage with what took long and what failed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Final

from penstock.http.redaction import printable
from penstock.server.trace_model import TracePlace, TraceRecord, TraceStep
from penstock.tools.columns import columns
from penstock.tools.plan_text import rule_text

# The last frame of a traceback: where it was raised.
_FRAME: Final = re.compile(r'^  File "(.+)", line (\d+), in (.+)$', re.MULTILINE)
_TITLES: Final = ("time (UTC)", "id", "outcome", "status", "duration", "method", "path", "where")
_ID_SHOWN: Final = 12
_OURS: Final = "penstock"
# Steps of the pipeline's own are shown when they take more of the time than this.
_SHARE_SHOWN: Final = 0.05


def list_lines(records: Sequence[TraceRecord]) -> Iterator[str]:
    """A line for each, with a title."""
    yield from columns([_TITLES, *(_row(record) for record in records)])


def trace_lines(record: TraceRecord) -> Iterator[str]:
    """One request: what is known of it, its steps, and its errors with their tracebacks."""
    yield printable(f"{record.method} {record.path} -> {_status_of(record)} in {duration(record.seconds)}")
    facts = list(_facts(record))
    width = max(len(name) for name, _ in facts)
    for name, text in facts:
        yield f"  {name:{width}}  {printable(text)}"
    yield ""
    yield from _tree(record)
    for error in record.errors:
        yield ""
        yield from (printable(line) for line in (error.traceback or f"{error.type}: {error.message}").splitlines())


def duration(seconds: float) -> str:
    """A duration in the unit that suits it."""
    if seconds >= 1:
        return f"{seconds:.3f} s"
    return f"{seconds * 1000:.3f} ms"


def _row(record: TraceRecord) -> tuple[str, ...]:
    place = record.failed_at or (record.status_set_by if record.status >= 400 else None)
    where = "" if place is None else f"{place.stage} {place.module or _OURS}"
    return (
        f"{_moment(record):%Y-%m-%d %H:%M:%S}",
        record.trace_id[:_ID_SHOWN],
        record.outcome,
        str(record.status),
        duration(record.seconds),
        printable(record.method),
        printable(record.path),
        printable(where),
    )


def _facts(record: TraceRecord) -> Iterator[tuple[str, str]]:
    yield "outcome", ", ".join(record.outcomes)
    yield "came", f"{_moment(record):%Y-%m-%d %H:%M:%S.%f} UTC, from {record.client}"
    yield "trace id", record.trace_id
    if record.error_id:
        yield "error id", f"{record.error_id}, as the client was shown it"
    yield "host", record.host
    if record.query:
        yield "query", f"{', '.join(record.query)} (values are not kept)"
    if record.redispatches:
        yield "way", " -> ".join((*record.redispatches, record.led_to or record.path))
    elif record.led_to:
        yield "way", f"{record.path} -> {record.led_to}"
    yield "answers", record.target
    yield "rule", f"{rule_text(record.rule.status, record.rule.slower_than)} ({record.rule.at})"
    if record.status_set_by is not None:
        yield "status", f"{record.status}, set by {_name_of(record.status_set_by)} at {_stage_of(record.status_set_by)}"
    if record.errors:
        error = record.errors[0]
        yield "error", f"{error.type}: {error.message}"
    if record.failed_at is not None:
        yield "failed at", f"{_stage_of(record.failed_at)} in {_name_of(record.failed_at)}{_raised_at(record)}"
    if record.waited:
        yield "waited", f"{duration(record.waited)} to get inside"
    for name, value in record.headers:
        yield "request", f"{name}: {value}"
    for name, value in record.response_headers:
        yield "response", f"{name}: {value}"


def _raised_at(record: TraceRecord) -> str:
    frames = _FRAME.findall(record.errors[0].traceback) if record.errors else []
    if not frames:
        return ""
    file, line, function = frames[-1]
    return f", raised in {function}, {file}:{line}"


def _tree(record: TraceRecord) -> Iterator[str]:
    slowest = max(record.steps, key=lambda step: step.seconds, default=None)
    shown = [step for step in record.steps if _is_shown(step, record, slowest)]
    names = [f"    {_name_of(step)}" for step in shown]
    width = max([len(name) for name in names] + [len("  RELEASE_STATE, after")])
    for place, group in groupby(record.steps, key=_stage_of):
        steps = list(group)
        yield f"  {place:{width - 2}}  {duration(sum(step.seconds for step in steps)):>12}"
        for step in steps:
            if any(step is each for each in shown):
                line = f"    {printable(_name_of(step)):{width - 4}}  {duration(step.seconds):>12}"
                yield "  ".join((line, *_marks(step, record, is_slowest=step is slowest)))
    yield f"  {'in all':{width - 2}}  {duration(sum(step.seconds for step in record.steps)):>12}"
    if record.steps_left_out:
        yield f"  {record.steps_left_out} steps in the middle are left out ({duration(record.seconds_left_out)})"


def _is_shown(step: TraceStep, record: TraceRecord, slowest: TraceStep | None) -> bool:
    if step.module or step is slowest or step.status or step.error >= 0 or step.events:
        return True
    return step.seconds > _SHARE_SHOWN * record.seconds


def _marks(step: TraceStep, record: TraceRecord, *, is_slowest: bool) -> Iterator[str]:
    if step.how:
        yield step.how
    if is_slowest:
        yield "<- slowest"
    if step.error >= 0:
        kind = record.errors[step.error].type if step.error < len(record.errors) else "an error"
        yield printable(f"<- failed: {kind}")
    if step.status:
        yield f"<- status {step.status}"
    for event in step.events:
        yield printable(f"<- {event}")


def _name_of(place: TracePlace) -> str:
    module = place.module or _OURS
    return f"{module}.{place.hook}" if place.hook else module


def _stage_of(place: TracePlace) -> str:
    return f"{place.stage}, after" if place.is_post else place.stage


def _status_of(record: TraceRecord) -> str:
    return f"{record.status}, cut off" if record.is_cut else str(record.status)


def _moment(record: TraceRecord) -> datetime:
    return record.time.astimezone(UTC)
