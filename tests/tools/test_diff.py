"""This file is the test of `penstock diff`."""

import json

from penstock.errors import ConfigurationError, Problem
from tests.supervisor.control_subject import Subject
from tests.tools.controlled import printed, refused


def test_what_a_reload_would_change() -> None:
    assert printed("diff").splitlines() == [
        "server.limits.body: 30000000 -> 1000",
        "new workers: default",
        "only with a new start: server.listen: from :80 to :81",
    ]


def test_for_programs() -> None:
    assert json.loads(printed("diff", "--json"))["pools"] == ["default"]


def test_a_file_with_mistakes() -> None:
    subject = Subject()
    subject.failure = ConfigurationError([Problem("there is no such key", "penstock.toml:3")])
    assert refused("diff", subject=subject) == "penstock.toml:3: there is no such key\n"
