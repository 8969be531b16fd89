"""This file is the test of `penstock workers`."""

import json

from msgspec.structs import replace

from tests.supervisor.control_subject import Subject
from tests.tools.controlled import printed


def test_a_row_for_each() -> None:
    lines = printed("workers").splitlines()
    assert lines[0].split()[:5] == ["id", "pool", "slot", "pid", "state"]
    assert [line.split()[0] for line in lines[1:]] == ["1", "2", "3"]


def test_why_one_is_replaced() -> None:
    subject = Subject()
    subject.workers[1] = replace(subject.workers[1], state="draining", reason="RequestLimit: 1000 requests\x1b[2J")
    line = printed("workers", subject=subject).splitlines()[2]
    assert "draining" in line
    assert line.endswith(r"RequestLimit: 1000 requests\x1b[2J")


def test_none_at_all() -> None:
    subject = Subject()
    subject.workers.clear()
    assert printed("workers", subject=subject) == "there is no worker now\n"


def test_for_programs() -> None:
    assert [each["id"] for each in json.loads(printed("workers", "--json"))["workers"]] == [1, 2, 3]
