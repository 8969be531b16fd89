"""How a module subscribes: pipeline P-03 to P-07."""

from typing import Any

import pytest

from penstock import Context, Hooks, RegistrationClosed, Stage
from penstock.pipeline.stages import RULES


def hook(context: Context) -> None:
    pass


@pytest.fixture
def hooks() -> Hooks:
    return Hooks("Sessions")


class TestSubscribing:
    def test_what_is_subscribed_is_kept_in_order(self, hooks: Hooks) -> None:
        tokens = [hooks.on(Stage.BEGIN, hook), hooks.after(Stage.AUTHORIZE, hook), hooks.on(Stage.BEGIN, hook)]
        assert hooks.subscriptions == tokens
        assert [(each.stage, each.is_post, each.module) for each in tokens] == [
            (Stage.BEGIN, False, "Sessions"),
            (Stage.AUTHORIZE, True, "Sessions"),
            (Stage.BEGIN, False, "Sessions"),
        ]

    @pytest.mark.parametrize("stage", [stage for stage in Stage if not RULES[stage].has_post])
    def test_pipeline_p03_there_is_no_half_behind_some_stages(self, hooks: Hooks, stage: Stage) -> None:
        with pytest.raises(ValueError) as caught:
            hooks.after(stage, hook)
        assert stage.name in str(caught.value)
        assert "AUTHENTICATE, AUTHORIZE" in str(caught.value)

    def test_pipeline_a09_what_is_no_stage_or_cannot_be_called_is_refused_at_once(self, hooks: Hooks) -> None:
        wrong: Any = "begin_requset"
        with pytest.raises((ValueError, TypeError)):
            hooks.on(wrong, hook)
        with pytest.raises(TypeError) as caught:
            hooks.on(Stage.BEGIN, wrong)
        assert "Sessions" in str(caught.value)
        assert hooks.subscriptions == []

    def test_a_range_that_runs_backwards_is_refused(self, hooks: Hooks) -> None:
        scope: Any = hook
        with pytest.raises(ValueError) as caught:
            hooks.around(Stage.END, Stage.BEGIN, scope)
        assert "around(END, BEGIN)" in str(caught.value)

    def test_a_range_may_be_one_stage(self, hooks: Hooks) -> None:
        scope: Any = hook
        token = hooks.around(Stage.EXECUTE, Stage.EXECUTE, scope)
        assert (token.stage, token.last) == (Stage.EXECUTE, Stage.EXECUTE)


class TestFreezing:
    def test_pipeline_p06_nothing_can_be_subscribed_once_frozen(self, hooks: Hooks) -> None:
        scope: Any = hook
        hooks.freeze()
        for attempt in (
            lambda: hooks.on(Stage.BEGIN, hook),
            lambda: hooks.after(Stage.AUTHORIZE, hook),
            lambda: hooks.around(Stage.BEGIN, Stage.END, scope),
            lambda: hooks.on_error(lambda context: None),
            lambda: hooks.on_start(lambda: None),
            lambda: hooks.on_stop(lambda: None),
        ):
            with pytest.raises(RegistrationClosed) as caught:
                attempt()
            assert "Sessions" in str(caught.value)
        assert (hooks.subscriptions, hooks.error_hooks, hooks.start_actions, hooks.stop_actions) == ([], [], [], [])

    def test_pipeline_p07_a_token_cancels_until_then(self, hooks: Hooks) -> None:
        first, second = hooks.on(Stage.BEGIN, hook), hooks.on(Stage.BEGIN, hook)
        first.cancel()
        first.cancel()
        hooks.freeze()
        assert (first.is_cancelled, second.is_cancelled) == (True, False)
        with pytest.raises(RegistrationClosed):
            second.cancel()
        assert not second.is_cancelled
