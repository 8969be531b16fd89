"""This file is the test of `penstock requests`."""

import json

from tests.supervisor.control_subject import Subject
from tests.tools.controlled import printed, refused


def test_pipeline_d05_what_is_inside_in_which_stage() -> None:
    title, line = printed("requests").splitlines()
    assert title.split()[:4] == ["age", "worker", "pool", "stage"]
    assert line.split() == [
        "2.500", "s", "1", "default", "EXECUTE", "GET", r"/slow\x1b[2J", "192.0.2.7", "4bf92f3577b34da6a3ce929d0e0e4736",
    ]  # fmt: skip


def test_of_one_pool() -> None:
    subject = Subject()
    assert printed("requests", "--pool", "reports", subject=subject) == "no request waits inside\n"
    assert subject.calls == [("requests", "reports")]


def test_for_programs() -> None:
    assert json.loads(printed("requests", "--json"))["requests"][0]["stage"] == "EXECUTE"


def test_an_unknown_pool() -> None:
    assert refused("requests", "--pool", "report") == 'there is no pool "report"; did you mean "reports"?\n'
    assert refused("requests", "--pool", "a&b=/%") == 'there is no pool "a&b=/%"; there are: default, reports\n'
