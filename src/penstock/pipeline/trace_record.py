"""The record of a trace: plain values that can be written as JSON, without secrets (pipeline D-04)."""

from __future__ import annotations

import time
import traceback
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from penstock.http.redaction import query_names, redact_fields, shorten
from penstock.intake.worker_request import client_name

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.pipeline.trace import TraceRule
    from penstock.pipeline.trace_spans import Span, Trace

# The form of the record; a reader that knows another says so.
VERSION: Final = 1

MOST_ERRORS: Final = 10
_LONGEST_MESSAGE: Final = 2000
_LONGEST_TRACEBACK: Final = 30_000
_LONGEST_PATH: Final = 2000
_MOST_FIELDS: Final = 200


def record_of(context: Context, trace: Trace, rule: TraceRule, *, outcomes: list[str]) -> dict[str, Any]:
    """What is written of a request that has ended. `outcomes` are why; times are in seconds.

    Of fields that hold secrets the names are kept, and of the query the names of its parameters. Errors are kept with their
    message and traceback, as in the log: no local variables.
    """
    worker_request = context.worker_request
    head = worker_request.head
    seconds = trace.waited + trace.seconds
    return {
        "version": VERSION,
        "trace_id": context.trace_id,
        # What the client was shown of a failure, if it was shown anything.
        "error_id": context.rest.error_id,
        "time": datetime.fromtimestamp(time.time() - seconds, UTC).isoformat(timespec="microseconds"),
        "outcome": outcomes[0],
        "outcomes": outcomes,
        "rule": {"at": rule.at, "status": list(rule.specs), "slower_than": rule.slower_than},
        "method": shorten(head.method, _LONGEST_PATH),
        "host": head.host,
        "path": shorten(context.original_path, _LONGEST_PATH),
        "led_to": "" if head.path == context.original_path else shorten(head.path, _LONGEST_PATH),
        "redispatches": [shorten(path, _LONGEST_PATH) for path in context.rest.redispatches or ()],
        "query": query_names(head.query),
        "http": head.version,
        "client": client_name(worker_request.client),
        "headers": redact_fields(head.headers),
        "target": context.plan.target.name,
        "status": trace.status,
        "status_set_by": None if trace.status_by is None else _place_of(trace.status_by),
        "failed_at": None if trace.failing is None else _place_of(trace.failing),
        "is_cut": trace.is_cut,
        "bytes_sent": worker_request.bytes_sent,
        "response_headers": redact_fields(context.response.raw_headers[:_MOST_FIELDS]),
        "seconds": seconds,
        "waited": trace.waited,
        "steps": [_step_of(span) for span in trace.spans],
        "steps_left_out": trace.spans_left_out,
        "seconds_left_out": trace.seconds_left_out,
        "errors": [_error_of(error) for error in context.errors[:MOST_ERRORS]],
        "errors_left_out": max(0, len(context.errors) - MOST_ERRORS),
    }


def _place_of(span: Span) -> dict[str, Any]:
    step = span.step
    return {"stage": step.stage.name, "is_post": step.is_post, "module": step.module, "hook": step.hook}


def _step_of(span: Span) -> dict[str, Any]:
    """What there is nothing to say about is left out: most steps have no status, no error and no events."""
    entry = _place_of(span)
    entry["at"] = round(span.started, 7)
    entry["seconds"] = round(span.seconds, 7)
    if span.how:
        entry["how"] = span.how
    if span.status:
        entry["status"] = span.status
    if span.error >= 0:
        entry["error"] = span.error
    if span.events:
        entry["events"] = [shorten(event, _LONGEST_PATH) for event in span.events]
    return entry


def _error_of(error: Exception) -> dict[str, str]:
    kind = type(error)
    return {
        "type": kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}",
        "message": shorten(_message_of(error), _LONGEST_MESSAGE),
        "traceback": _traceback_of(error),
    }


def _message_of(error: Exception) -> str:
    try:
        return _representable(str(error))
    except Exception:
        return "its message cannot be had"


def _traceback_of(error: Exception) -> str:
    text = _representable("".join(traceback.format_exception(error)))
    if len(text) <= _LONGEST_TRACEBACK:
        return text
    # What called stands at the beginning, what failed at the end.
    half = _LONGEST_TRACEBACK // 2
    return f"{text[:half]}\n  ...\n{text[-half:]}"


def _representable(text: str) -> str:
    # What UTF-8 cannot hold, such as a name of a file that is none, is told all the same.
    return text.encode("utf-8", "backslashreplace").decode()
