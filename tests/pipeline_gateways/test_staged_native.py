"""One middleware (context, next) as a step; its journeys are in tests/flow/test_staged_rules.py."""

from typing import Any

import pytest

from penstock import Context, Stage
from penstock.pipeline_gateways.middleware_shapes import detect_middleware
from penstock.pipeline_gateways.staged_native import NativeMiddleware
from penstock.pipeline_gateways.staged_pieces import hook_middleware, make_piece
from tests.pipeline.subject import Attached, ask, open_site


class Counting:
    """Made around its application, and called with the context."""

    def __init__(self, app: Any, twice: bool = False) -> None:
        self.app = app
        self.twice = twice

    async def __call__(self, context: Context) -> None:
        await self.app(context)
        if self.twice:
            await self.app(context)
        context.response.headers["x-counted"] = "1"


def site_with(candidate: Any, **settings: Any) -> Any:
    middleware = detect_middleware(candidate, (), settings)
    return open_site(Attached(lambda hooks: hook_middleware(hooks, Stage.AUTHORIZE, middleware)))


def test_one_that_is_made_around_its_application_calls_it_with_the_context() -> None:
    answer = ask(site_with(Counting))
    assert (answer.text, answer.headers["x-counted"]) == ("hello", "1")


def test_middleware_r_sg_28_once(caplog: pytest.LogCaptureFixture) -> None:
    assert ask(site_with(Counting, twice=True)).status == 500
    assert "called next twice" in caplog.text


def test_nothing_of_a_request_is_kept() -> None:
    async def around(context: Context, following: Any) -> None:
        await following()

    piece = make_piece(detect_middleware(around), name="it")
    assert isinstance(piece, NativeMiddleware)
    ask(open_site(Attached(lambda hooks: _hook(hooks, piece))))
    assert piece.inside == {}


def _hook(hooks: Any, piece: Any) -> None:
    hooks.has_frame = True
    hooks.on(Stage.AUTHORIZE, piece.step)
