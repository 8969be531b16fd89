"""This file is the test of the nearest right names."""

import pytest

from penstock.settings.names import find_nearest, join_choices, suggest


class TestFindNearest:
    @pytest.mark.parametrize(
        ("wrong", "right"),
        [
            ("request_lien", "request_line"),
            ("requestline", "request_line"),
            ("Request-Line", "request_line"),
            ("bodi", "body"),
            ("bind", "listen"),
            ("req", "request_line"),
            ("client_max_body_size", "body"),
        ],
    )
    def test_finds_what_was_meant(self, wrong: str, right: str) -> None:
        assert right == find_nearest(wrong, ["request_line", "body", "listen"])

    @pytest.mark.parametrize("wrong", ["", "zzz", "äöü", "path"])
    def test_finds_nothing_where_nothing_is_near(self, wrong: str) -> None:
        assert find_nearest(wrong, ["request_line", "body"]) is None


class TestSentences:
    def test_suggestion_ends_a_sentence(self) -> None:
        assert suggest("bodi", ["body"]) == '; did you mean "body"?'
        assert suggest("zzz", ["body"]) == ""

    @pytest.mark.parametrize(
        ("choices", "text"), [(["a"], '"a"'), (["a", "b"], '"a" or "b"'), (["a", "b", "c"], '"a", "b" or "c"')]
    )
    def test_choices_are_joined(self, choices: list[str], text: str) -> None:
        assert text == join_choices(choices)
