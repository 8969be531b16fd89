"""This file is the test of users and groups that pools run as."""

from pathlib import Path

import pytest

from penstock.settings.accounts import judge_group, judge_user


def test_those_of_this_machine_are_right_by_name_and_number() -> None:
    assert judge_user("root") == judge_user("0") == ""
    assert judge_group(str(Path("/").stat().st_gid)) == ""


@pytest.mark.parametrize("text", ["rooot", "4294967000", "99999999999999999999"])
def test_others_are_not(text: str) -> None:
    assert judge_user(text).startswith(f'"{text}" is no user of this machine')
    assert judge_group(text).startswith(f'"{text}" is no group of this machine')


def test_the_nearest_is_told() -> None:
    assert judge_user("rooot").endswith('did you mean "root"?')
