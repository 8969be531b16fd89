"""This file is the test of `penstock recycle`."""

import json

from tests.supervisor.control_subject import Subject
from tests.tools.controlled import command, printed, refused


def test_all_those_of_a_pool_or_one() -> None:
    subject = Subject()
    assert printed("recycle", subject=subject) == "default  replaced  workers 1, 2\n"
    printed("recycle", "--pool", "reports", "--reason", "it leaks", subject=subject)
    printed("recycle", "--worker", "3", "--no-wait", subject=subject)
    assert subject.calls == [
        ("recycle", None, None, "", True),
        ("recycle", "reports", None, "it leaks", True),
        ("recycle", None, 3, "", False),
    ]


def test_for_programs() -> None:
    assert json.loads(printed("recycle", "--json"))["pools"][0]["workers"] == [1, 2]


def test_unknown_names() -> None:
    assert refused("recycle", "--pool", "defualt") == 'there is no pool "defualt"; did you mean "default"?\n'
    assert refused("recycle", "--worker", "7") == 'there is no worker "7"; there are: 1, 2, 3\n'


def test_a_reason_that_is_too_long() -> None:
    assert "length <= 200" in refused("recycle", "--reason", "x" * 201)


def test_a_pool_and_a_worker_at_once() -> None:
    result = command("recycle", "--pool", "default", "--worker", "1")
    assert result.exit_code == 2
    assert "Say --pool or --worker, not both" in result.stderr
