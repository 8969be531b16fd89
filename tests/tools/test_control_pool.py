"""This file is the test of what `penstock drain`, `resume` and `scale` have in common."""

import pytest

from penstock.tools.control_client import Refused
from penstock.tools.control_pool import change_pool
from tests.supervisor.control_subject import Subject
from tests.tools.controlled import controlled


def test_the_pool_as_it_is_then_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    subject = Subject()
    with controlled(subject) as path:
        change_pool("penstock.toml", path, "default", "scale", {"workers": 5}, as_json=False)
    assert capsys.readouterr().out == "default is running, 2 of 5 workers serve\n"
    assert subject.calls == [("scale", "default", 5)]


def test_a_name_that_would_lead_elsewhere_is_refused() -> None:
    subject = Subject()
    with controlled(subject) as path, pytest.raises(Refused, match="no pool is called"):
        change_pool("penstock.toml", path, "../reports", "drain", as_json=False)
    assert subject.calls == []
