"""A builder's items as hooks; its journeys are in tests/flow/test_staged_builder.py."""

import pytest

from penstock import Builder, Stage
from penstock.pipeline_gateways.staged_builder import hook_builder
from tests.pipeline_gateways.chain_subject import Marking, answering


def test_names_that_are_taken_are_not_taken_again() -> None:
    hooks = hook_builder(Builder().use(Marking).use(Marking), ["marking"])
    assert [each.module for each in hooks] == ["Marking-2", "Marking-3"]


def test_behind_an_application_there_is_nothing() -> None:
    page = answering(b"")
    hooks = hook_builder(Builder().use(Marking).run(page).use(Marking))
    assert len(hooks) == 2


def test_middleware_r_sg_20_markers_without_effect_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    builder = Builder().use(Marking).use_stage_marker("authorize").use(Marking).use_stage_marker(Stage.AUTHENTICATE)
    stages = [each.subscriptions[0].stage for each in hook_builder(builder)]
    assert stages == [Stage.AUTHENTICATE, Stage.AUTHENTICATE]
    assert "the stage marker AUTHORIZE has no effect" in caplog.text
