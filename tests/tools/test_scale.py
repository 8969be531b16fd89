"""This file is the test of `penstock scale`."""

import pytest

from tests.supervisor.control_subject import Subject
from tests.tools.controlled import command, printed, refused


def test_a_pool_gets_more_workers() -> None:
    subject = Subject()
    assert printed("scale", "default", "3", subject=subject) == "default is running, 2 of 3 workers serve\n"
    assert subject.calls == [("scale", "default", 3)]


@pytest.mark.parametrize("number", ["0", "1025", "99999999999999999999", "two", "1.5"])
def test_a_number_that_cannot_be(number: str) -> None:
    subject = Subject()
    result = command("scale", "default", number, subject=subject)
    assert (result.exit_code, subject.calls) == (2, [])
    assert number in result.stderr
    assert "whole number" in result.stderr or "1<=x<=1024" in result.stderr


def test_a_negative_number_is_no_option() -> None:
    assert command("scale", "default", "-1").exit_code == 2


def test_an_unknown_pool() -> None:
    assert refused("scale", "defalt", "2") == 'there is no pool "defalt"; did you mean "default"?\n'
