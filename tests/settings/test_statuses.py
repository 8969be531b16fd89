"""This file is the test of how statuses are named in rules."""

import pytest

from penstock.settings.statuses import judge_statuses, statuses_of


class TestStatusesOf:
    def test_reads_every_form(self) -> None:
        assert statuses_of([404, "410"]) == {404, 410}
        assert statuses_of(["5xx"]) == statuses_of(["5XX"]) == statuses_of(["500-599"]) == set(range(500, 600))
        assert statuses_of([]) == frozenset()

    @pytest.mark.parametrize("text", ["", "5x", "6xx", "500-", "-599", "500-600", "5xx\n", "٥xx", "404.7"])
    def test_refuses_what_is_none(self, text: str) -> None:
        assert "is not a status" in judge_statuses(text)
        with pytest.raises(ValueError, match="is not a status"):
            statuses_of([text])

    def test_a_range_begins_before_it_ends(self) -> None:
        assert judge_statuses("500-500") == ""
        assert judge_statuses("599-500") == '"599-500" ends before it begins: write "500-599"'
