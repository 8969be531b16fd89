"""This file is the test of `penstock stacks`; what it shows is tested with `supervisor/stacks.py`."""

import json

import pytest

from tests.supervisor.control_subject import Subject
from tests.tools.controlled import printed, refused


def test_those_of_one_worker() -> None:
    subject = Subject()
    assert printed("stacks", "2", subject=subject) == "thread of worker 2\n  in sleep \\ud800\n"
    assert subject.calls == [("stacks", 2)]


def test_for_programs() -> None:
    told = json.loads(printed("stacks", "2", "--json"))
    assert told["worker"] == "2"
    assert told["stacks"].startswith("thread of worker 2")


@pytest.mark.parametrize(
    ("worker", "told"),
    [
        ("9", 'there is no worker "9"; there are: 1, 2, 3\n'),
        ("4702", 'there is no worker "4702"; did you mean 2, whose process id is 4702?\n'),
        ("../1", 'Error: no worker is called "../1"\n'),
    ],
)
def test_an_unknown_worker(worker: str, told: str) -> None:
    assert refused("stacks", worker) == told
