"""From settings to what is put around steps: only where a rule asks for traces."""

from pathlib import Path

import pytest

from penstock import ConfigurationError, Stage
from penstock.pipeline.step import Step
from penstock.pipeline.trace import Tracing
from penstock.server.tracing import Traces
from penstock.settings import LogSettings, SiteSettings, TraceSettings


def rules(*ats: str) -> SiteSettings:
    return SiteSettings(traces=tuple(TraceSettings(at=at) for at in ats))


def test_pipeline_d04_without_a_rule_nothing_is_made(tmp_path: Path) -> None:
    traces = Traces(LogSettings(traces=str(tmp_path / "traces")))
    assert traces.wraps_at(rules("/api"), "/apix") == ()
    traces.open()
    traces.close()
    assert (traces.are_wanted, (tmp_path / "traces").exists()) == (False, False)


def test_pipeline_d04_a_rule_is_put_around_every_step_below_it(tmp_path: Path) -> None:
    traces = Traces(LogSettings(traces=str(tmp_path / "traces")))
    (wrap,) = traces.wraps_at(rules("/", "/api"), "/api/x")
    call = print
    assert wrap(Step(Stage.BEGIN, "Gate", call), call) is not call
    assert isinstance(wrap, Tracing)
    assert wrap.rule.at == "/api"
    assert traces.are_wanted
    assert not (tmp_path / "traces").exists()
    traces.open()
    assert (tmp_path / "traces").is_dir()
    traces.close()


def test_pipeline_d04_a_folder_that_cannot_be_made_is_found_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "traces").write_text("a file")
    traces = Traces(LogSettings(traces=str(tmp_path / "traces")))
    traces.wraps_at(rules("/"), "/")
    with pytest.raises(ConfigurationError, match=r"traces: .* cannot be made a folder"):
        traces.open()
    traces.close()


def test_a_status_that_is_none_is_a_mistake_of_the_rule() -> None:
    site = SiteSettings(traces=(TraceSettings(at="/api", status=("bugs",)),))
    with pytest.raises(ConfigurationError, match=r'\[\[site.trace\]\] /api: "bugs" is not a status'):
        Traces(LogSettings()).wraps_at(site, "/api")
