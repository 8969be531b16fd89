"""Starting several sites: all of them, or none."""

import pytest

from penstock import StartupError
from penstock.intake.site import start_sites
from tests.intake.subject import FakeSite
from tests.pipeline.subject import run


def test_they_start_in_order() -> None:
    log: list[str] = []
    run(lambda: start_sites([FakeSite(("a",), log=log), FakeSite(("b",), log=log)]))
    assert log == ["start a", "start b"]


def test_pipeline_a05_when_one_fails_those_that_had_started_stop_in_reverse() -> None:
    log: list[str] = []
    sites = [FakeSite((name,), log=log) for name in ("a", "b", "c", "d")]
    sites[2].failure = StartupError("no database")
    with pytest.raises(StartupError, match="no database"):
        run(lambda: start_sites(sites))
    assert log == ["start a", "start b", "start c", "stop b", "stop a"]
