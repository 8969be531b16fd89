"""This file is the test of what commands print of a running server."""

import asyncio

import pytest
from msgspec.structs import replace

from penstock.supervisor.control_calls import Requests
from penstock.supervisor.control_model import Change, Changes, PoolOutcome
from penstock.tools.control_text import (
    change_lines,
    counts,
    duration,
    outcome_lines,
    pool_line,
    pool_lines,
    request_lines,
    size,
    status_lines,
    worker_lines,
)
from tests.supervisor.control_subject import Subject


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"), (9.94, "9.9 s"), (10, "10 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"),
        (3600, "1 h 0 min"), (86_399, "23 h 59 min"), (86_400, "1 d 0 h"), (1e7, "115 d 17 h"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sizes_and_counts() -> None:
    assert (size(0), size(52_428_800)) == ("0.0 MB", "52.4 MB")
    assert counts({"Memory": 2, "Age": 0}) == "2 Memory"
    assert counts({}) == "none"


def test_a_worker_that_was_never_heard_of_has_no_lag() -> None:
    line = list(worker_lines([replace(Subject().workers[0], last_beat=None)]))[1]
    assert line.split()[-1] == "-"


def test_a_worker_that_is_stuck_is_silent() -> None:
    line = list(worker_lines([replace(Subject().workers[0], last_beat=4.25)]))[1]
    assert line.endswith("silent for 4.2 s")


def test_a_server_without_a_site_file_and_after_a_reload() -> None:
    status = replace(Subject().status(), site_file="", addresses=(), last_reload="refused: 2 mistakes")
    lines = list(status_lines(status))
    assert lines[1:5:3] == ["site file   none", "generation  1; refused: 2 mistakes"]
    assert lines[2] == "listening   nowhere"


def test_what_waits_for_a_new_start_is_told() -> None:
    due = ("server.pid_file", "server.control.mode")
    assert "restart due  server.pid_file, server.control.mode" in status_lines(
        replace(Subject().status(), needs_restart=due)
    )


def test_pools_in_a_table_and_in_a_sentence() -> None:
    running, off = Subject().pools
    assert len(list(pool_lines([running, off]))) == 3
    assert pool_line(running) == "default is running, 2 of 2 workers serve"
    assert pool_line(off) == "reports is off, 0 of 1 workers serve: 5 crashes"


def test_changes() -> None:
    assert list(change_lines(Changes())) == ["nothing differs"]
    added = Change(where="pool.reports", after="{ workers = 2 }")
    gone = Change(where="server.limits.body", before="1")
    assert list(change_lines(Changes(changes=(added, gone)))) == [
        "pool.reports: (nothing) -> { workers = 2 }",
        "server.limits.body: 1 -> (nothing)",
    ]


def test_outcomes() -> None:
    assert list(outcome_lines(())) == ["no worker is replaced"]
    outcomes = (
        PoolOutcome(pool="default", outcome="under_way", workers=(1,)),
        PoolOutcome(pool="b", outcome="stopped"),
    )
    assert list(outcome_lines(outcomes)) == ["default  under way  workers 1", "b        stopped"]


def test_the_oldest_request_comes_first() -> None:
    (request,) = asyncio.run(Subject().requests(None))
    younger = replace(request, age=0.1, module="sessions")
    told = Requests(requests=(younger, request))
    assert [line.split()[0] for line in request_lines(told)] == ["age", "2.500", "0.100"]
    assert list(request_lines(Requests(requests=()))) == ["no request waits inside"]


def test_a_worker_that_cannot_tell_its_requests_is_named() -> None:
    assert list(request_lines(Requests(requests=(), silent=(7,)))) == [
        "worker 7 does not answer, its event loop does not turn: see `penstock stacks 7`"
    ]
