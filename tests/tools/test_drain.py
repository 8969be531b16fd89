"""This file is the test of `penstock drain`."""

from penstock.supervisor.control_model import ControlRefused
from tests.supervisor.control_subject import Subject
from tests.tools.controlled import printed, refused


def test_a_pool_is_taken_out_of_service() -> None:
    subject = Subject()
    assert printed("drain", "default", subject=subject) == "default is drained, 0 of 2 workers serve\n"
    assert subject.calls == [("drain", "default")]


def test_an_unknown_pool() -> None:
    assert refused("drain", "report") == 'there is no pool "report"; did you mean "reports"?\n'


def test_one_that_cannot_be_drained_now() -> None:
    subject = Subject()
    subject.failure = ControlRefused("reports is drained already")
    assert refused("drain", "reports", subject=subject) == "reports is drained already\n"
