"""A trace as it is read from its file: strictly, so that whoever shows it needs no further look."""

from datetime import datetime
from pathlib import Path

import msgspec

from penstock.pipeline.trace_record import VERSION


class UnreadableTrace(ValueError):
    """A file in the folder of traces that is none; the message says which, and why."""


class TracePlace(msgspec.Struct, kw_only=True, frozen=True):
    """A step by its stage, the half of it, its module ("" for the pipeline's own) and its hook."""

    stage: str
    is_post: bool = False
    module: str = ""
    hook: str = ""


class TraceStep(TracePlace, kw_only=True, frozen=True):
    """A step and what it did; `at` and `seconds` in seconds, `error` an index or -1, `status` 0 when it set none."""

    at: float
    seconds: float
    how: str = ""
    status: int = 0
    error: int = -1
    events: tuple[str, ...] = ()


class TraceError(msgspec.Struct, kw_only=True, frozen=True):
    """An error of the request; the traceback is "" when there was no room for it."""

    type: str
    message: str
    traceback: str = ""


class TraceRuleRecord(msgspec.Struct, kw_only=True, frozen=True):
    """The rule that asked for the trace."""

    at: str
    status: tuple[int | str, ...] = ()
    slower_than: float = 0.0


class TraceRecord(msgspec.Struct, kw_only=True, frozen=True):
    """One request: times are in seconds, `time` is when it came, in UTC."""

    version: int
    trace_id: str
    error_id: str
    time: datetime
    outcome: str
    outcomes: tuple[str, ...]
    rule: TraceRuleRecord
    method: str
    host: str
    path: str
    led_to: str
    redispatches: tuple[str, ...]
    query: tuple[str, ...]
    http: str
    client: str
    headers: tuple[tuple[str, str], ...]
    target: str
    status: int
    status_set_by: TracePlace | None
    failed_at: TracePlace | None
    is_cut: bool
    bytes_sent: int
    response_headers: tuple[tuple[str, str], ...]
    seconds: float
    waited: float
    steps: tuple[TraceStep, ...]
    steps_left_out: int
    seconds_left_out: float
    errors: tuple[TraceError, ...]
    errors_left_out: int


def read_trace(path: Path) -> TraceRecord:
    """The record in a file. Raises UnreadableTrace for what is no trace."""
    try:
        content = path.read_bytes()
        version = msgspec.json.decode(content, type=dict[str, object]).get("version")
        if version != VERSION:
            raise UnreadableTrace(f"{path.name} is a trace of another version of Penstock: {version!r}, not {VERSION}")
        return msgspec.json.decode(content, type=TraceRecord)
    except OSError as error:
        raise UnreadableTrace(f"{path.name} cannot be read: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise UnreadableTrace(f"{path.name} is no trace: {error}") from error
