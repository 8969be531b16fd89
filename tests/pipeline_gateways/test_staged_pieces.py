"""From a middleware to the piece of the pipeline that it becomes."""

from typing import Any

import pytest

from penstock import Hooks, Stage
from penstock.pipeline_gateways.middleware_errors import NoConversion
from penstock.pipeline_gateways.middleware_shapes import detect_middleware
from penstock.pipeline_gateways.staged_middleware import StagedMiddleware
from penstock.pipeline_gateways.staged_native import NativeMiddleware
from penstock.pipeline_gateways.staged_pieces import PRIORITY, hook_middleware, make_piece
from tests.pipeline_gateways.chain_subject import Marking, WsgiMarking
from tests.pipeline_gateways.test_middleware_shapes import Native, Old, around, generator


def made_by(kind: Any) -> Any:
    """A factory: what it makes shows when it is called."""

    def make(app: Any) -> Any:
        return kind(app)

    return make


@pytest.mark.parametrize(
    ("candidate", "kind"),
    [
        (Marking, StagedMiddleware),
        (Old, StagedMiddleware),
        (made_by(Marking), StagedMiddleware),
        (Native, NativeMiddleware),
        (made_by(Native), NativeMiddleware),
        (around, NativeMiddleware),
        (generator, NativeMiddleware),
    ],
)
def test_middleware_py_t01_each_form_becomes_a_piece(candidate: Any, kind: type) -> None:
    assert isinstance(make_piece(detect_middleware(candidate), name="it"), kind)


@pytest.mark.parametrize("candidate", [WsgiMarking, made_by(WsgiMarking)])
def test_middleware_15_7_wsgi_is_refused(candidate: Any) -> None:
    with pytest.raises(NoConversion, match="it is middleware for WSGI, which would hold a thread in its stage"):
        make_piece(detect_middleware(candidate), name="it")


def test_a_signature_of_ones_own_is_refused() -> None:
    with pytest.raises(NoConversion, match="it is middleware for own: what waits in a stage is for ASGI 3"):
        make_piece(detect_middleware(Marking, consumes="own"), name="it")


def test_it_is_hooked_behind_the_modules_and_lives_with_the_site() -> None:
    hooks = Hooks("it")
    hook_middleware(hooks, Stage.AUTHORIZE, detect_middleware(Marking), relays_errors=True)
    subscription, judging = hooks.subscriptions
    assert (judging.stage, judging.priority) == (subscription.stage, subscription.priority)
    assert (subscription.stage, subscription.priority, hooks.has_frame) == (Stage.AUTHORIZE, PRIORITY, True)
    assert len(hooks.start_actions) == len(hooks.stop_actions) == 1
