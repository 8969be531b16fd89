"""This file is the test of `penstock resume`."""

import json

from tests.supervisor.control_subject import Subject
from tests.tools.controlled import printed, refused


def test_a_pool_is_put_into_service_again() -> None:
    subject = Subject()
    assert printed("resume", "reports", subject=subject) == "reports is off, 0 of 1 workers serve: 5 crashes\n"
    assert subject.calls == [("resume", "reports")]


def test_for_programs() -> None:
    assert json.loads(printed("resume", "default", "--json"))["name"] == "default"


def test_an_unknown_pool() -> None:
    assert refused("resume", "x") == 'there is no pool "x"; there are: default, reports\n'
