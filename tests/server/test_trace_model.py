"""Traces read again: what is none is named."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from penstock.server.trace_model import TraceRecord, TraceStep, UnreadableTrace, read_trace

STEP = {"stage": "EXECUTE", "is_post": False, "module": "function shop:pay", "hook": "pay", "at": 0.1, "seconds": 1.2}
RECORD: dict[str, Any] = {
    "version": 1,
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "time": "2026-11-20T16:04:12.123456+00:00",
    "error_id": "0c88b3b1a2f0",
    "outcome": "failed",
    "outcomes": ["failed", "slow"],
    "rule": {"at": "/", "status": ["500-599", 404], "slower_than": 1.0},
    "method": "GET",
    "host": "example.org",
    "path": "/pay",
    "led_to": "",
    "redispatches": [],
    "query": ["page"],
    "http": "1.1",
    "client": "127.0.0.1",
    "headers": [["host", "example.org"]],
    "target": "function shop:pay",
    "status": 500,
    "status_set_by": {"stage": "EXECUTE", "is_post": False, "module": "function shop:pay", "hook": "pay"},
    "failed_at": None,
    "is_cut": False,
    "bytes_sent": 12,
    "response_headers": [],
    "seconds": 1.3,
    "waited": 0.0,
    "steps": [STEP],
    "steps_left_out": 0,
    "seconds_left_out": 0.0,
    "errors": [{"type": "ValueError", "message": "no", "traceback": ""}],
    "errors_left_out": 0,
}


def written(folder: Path, content: bytes) -> Path:
    path = folder / "one.json"
    path.write_bytes(content)
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    record = read_trace(written(tmp_path, msgspec.json.encode(RECORD)))
    assert isinstance(record, TraceRecord)
    assert record.steps == (
        TraceStep(stage="EXECUTE", module="function shop:pay", hook="pay", at=0.1, seconds=1.2, error=-1),
    )
    assert record.rule.status == ("500-599", 404)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"\xff\xfe",
        b"null",
        b'{"version": 1}',
        msgspec.json.encode({**RECORD, "steps": 7}),
        msgspec.json.encode({**RECORD, "steps": [{"stage": "BEGIN"}]}),
        msgspec.json.encode({**RECORD, "seconds": "long"}),
        msgspec.json.encode({**RECORD, "time": "yesterday"}),
    ],
)
def test_what_is_no_trace_is_named(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnreadableTrace, match=r"one\.json is no trace: "):
        read_trace(written(tmp_path, content))


@pytest.mark.parametrize("version", [2, "1", None])
def test_another_version_is_said(tmp_path: Path, version: object) -> None:
    with pytest.raises(UnreadableTrace, match=r"one\.json is a trace of another version of Penstock"):
        read_trace(written(tmp_path, msgspec.json.encode({**RECORD, "version": version})))


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(UnreadableTrace, match=r"one\.json cannot be read: No such file"):
        read_trace(tmp_path / "one.json")
