"""The table of the stages: pipeline section 1."""

import pytest

from penstock.pipeline.stages import RULES, Runs, Stage

TABLE = [
    ("BEGIN", Runs.USUALLY, False),
    ("AUTHENTICATE", Runs.USUALLY, True),
    ("AUTHORIZE", Runs.USUALLY, True),
    ("RESOLVE_CACHE", Runs.USUALLY, True),
    ("MAP_HANDLER", Runs.USUALLY, True),
    ("ACQUIRE_STATE", Runs.USUALLY, True),
    ("PRE_EXECUTE", Runs.USUALLY, False),
    ("EXECUTE", Runs.USUALLY, True),
    ("RELEASE_STATE", Runs.ONCE_ACQUIRED, True),
    ("UPDATE_CACHE", Runs.USUALLY, True),
    ("LOG", Runs.ALWAYS, True),
    ("END", Runs.ALWAYS, False),
]


class TestTable:
    def test_pipeline_p01_the_stages_are_the_twelve_in_their_order(self) -> None:
        assert [stage.name for stage in Stage] == [name for name, _, _ in TABLE]
        assert sorted(Stage) == list(Stage)

    @pytest.mark.parametrize(("name", "runs", "has_post"), TABLE)
    def test_pipeline_p03_which_have_a_half_behind_and_when_they_run(
        self, name: str, runs: Runs, has_post: bool
    ) -> None:
        rule = RULES[Stage[name]]
        assert (rule.runs, rule.has_post) == (runs, has_post)
        assert rule.purpose
