"""This file is the test of users and groups that pools run as."""

import os
from pathlib import Path

import pytest

from penstock.settings import PoolSettings, Settings
from penstock.settings.accounts import judge_group, judge_user, missing_rights


def test_those_of_this_machine_are_right_by_name_and_number() -> None:
    assert judge_user("root") == judge_user("0") == ""
    assert judge_group(str(Path("/").stat().st_gid)) == ""


@pytest.mark.parametrize("text", ["rooot", "4294967000", "99999999999999999999"])
def test_others_are_not(text: str) -> None:
    assert judge_user(text).startswith(f'"{text}" is no user of this machine')
    assert judge_group(text).startswith(f'"{text}" is no group of this machine')


def test_the_nearest_is_told() -> None:
    assert judge_user("rooot").endswith('did you mean "root"?')


class TestRights:
    def asking(self, **keys: object) -> Settings:
        return Settings(pools=(PoolSettings(name="a", **keys),))  # type: ignore[arg-type]

    def test_root_may_do_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        assert missing_rights(self.asking(user="1", group="1", nice=-5)) == []

    def test_nobody_else_may(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 12345)
        monkeypatch.setattr(os, "getegid", lambda: 12345)
        problems = missing_rights(self.asking(user="root", group="0", nice=-5))
        assert [problem.where for problem in problems] == ['[[pool]] "a"'] * 3
        assert problems[0].message.startswith("user: only root can start workers of another user: start the server as")
        assert problems[1].message.startswith("group: only root can")
        assert problems[2].message == "nice: only root can go below 0, and this is -5"

    def test_everybody_may_stay_what_they_are(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1)
        monkeypatch.setattr(os, "getegid", lambda: 1)
        assert missing_rights(self.asking(user="1", group="1", nice=5)) == []
