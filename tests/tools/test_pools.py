"""This file is the test of `penstock pools`."""

import json

from tests.tools.controlled import printed


def test_a_row_for_each_and_why_one_is_off() -> None:
    lines = printed("pools").splitlines()
    assert [line.split()[:2] for line in lines] == [["pool", "state"], ["default", "running"], ["reports", "off"]]
    assert lines[2].endswith("5 crashes; tried again in 4.5 s")


def test_for_programs() -> None:
    assert [each["name"] for each in json.loads(printed("pools", "--json"))["pools"]] == ["default", "reports"]
