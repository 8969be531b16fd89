"""This file is the test of `penstock reload`."""

import json

from penstock.errors import ConfigurationError, Problem
from penstock.supervisor.control_model import ControlRefused
from tests.supervisor.control_subject import Subject
from tests.tools.controlled import printed, refused


def test_what_has_changed_and_who_was_replaced() -> None:
    subject = Subject()
    assert printed("reload", subject=subject).splitlines() == [
        "server.limits.body: 30000000 -> 1000",
        "new workers: default",
        "only with a new start: server.listen: from :80 to :81",
        "default  replaced  workers 1, 2",
    ]
    assert subject.calls == [("reload", True)]


def test_without_waiting() -> None:
    subject = Subject()
    assert printed("reload", "--no-wait", subject=subject).splitlines()[-1] == "default  under way  workers 1, 2"
    assert subject.calls == [("reload", False)]


def test_for_programs() -> None:
    assert json.loads(printed("reload", "--json"))["generation"] == 2


def test_mistakes_are_printed_as_by_check() -> None:
    subject = Subject()
    problems = [Problem("there is no such key", "penstock.toml:3"), Problem("there is no [[site]]")]
    subject.failure = ConfigurationError(problems)
    told = refused("reload", subject=subject)
    assert told == "".join(f"{problem}\n" for problem in problems)


def test_new_workers_that_do_not_start() -> None:
    subject = Subject()
    subject.outcome = "failed"
    assert refused("reload", subject=subject).splitlines() == [
        "Traceback: boom",
        "new workers of default have failed to start; the old ones go on serving",
    ]


def test_one_that_is_under_way_already() -> None:
    subject = Subject()
    subject.failure = ControlRefused("a reload is under way")
    assert refused("reload", subject=subject) == "a reload is under way\n"
