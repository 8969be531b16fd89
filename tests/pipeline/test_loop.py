"""The loop: how steps follow one another, with a task only when one waits."""

import logging

import pytest

from penstock import Stage
from tests.pipeline.subject import ask, on, open_site


class TestDevelopment:
    """In development a step that held the loop for more than 50 ms is named."""

    def hold(self, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
        now = [0.0]

        def clock() -> float:
            now[0] += seconds
            return now[0]

        monkeypatch.setattr("penstock.pipeline.steps.time.perf_counter", clock)

    def test_a_slow_step_is_named(self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
        client = open_site(on(Stage.AUTHORIZE, lambda context: None), mode="development")
        self.hold(monkeypatch, 0.08)
        assert ask(client).status == 200
        messages = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert any("80 ms at AUTHORIZE" in message for message in messages)

    def test_a_quick_step_is_not(self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
        client = open_site(on(Stage.AUTHORIZE, lambda context: None), mode="development")
        self.hold(monkeypatch, 0.04)
        assert ask(client).status == 200
        assert caplog.records == []

    def test_in_production_nobody_looks(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        client = open_site(on(Stage.AUTHORIZE, lambda context: None))
        self.hold(monkeypatch, 0.08)
        assert ask(client).status == 200
        assert caplog.records == []
