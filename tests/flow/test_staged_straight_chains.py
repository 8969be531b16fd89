"""Two ASGI middlewares in stages in front of an ASGI application: the straight way through both answers as the framed one does."""

from typing import Any

import pytest

from penstock.settings import AppSettings, MiddlewareSettings, ModuleSettings, SiteSettings
from tests.pipeline_gateways.test_staged_straight import (
    SEEN,
    Apart,
    Idle,
    Receive,
    Refusing,
    Renaming,
    Scope,
    Send,
    Silent,
    Swallowing,
    Twice,
    Watching,
    asked_at,
    echoes,
    fails,
    is_silent,
    nameless,
    streams,
    whole,
)


class Raising(Watching):
    """Fails by itself."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            raise ValueError("its own")
        await super().__call__(scope, receive, send)


class Rescuing(Watching):
    """Answers what fails inside."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        except Exception:
            await whole(scope, receive, send)


def told_by_two(outer: type, inner: type, application: Any, *, is_framed: bool, relays: bool = False) -> list[object]:
    SEEN.clear()
    site = SiteSettings(
        middleware=(
            MiddlewareSettings(use="the:Outer", stage="authenticate", relay_errors=relays),
            MiddlewareSettings(use="the:Inner", stage="map_handler", relay_errors=relays),
        ),
        modules=(ModuleSettings(use="the:Idle"),) if is_framed else (),
        apps=(AppSettings(at="/", asgi="the:application"),),
    )
    objects = {"the:Outer": outer, "the:Inner": inner, "the:Idle": Idle, "the:application": application}
    status, text, fields = asked_at(site, objects, "/here")
    fields.pop("content-length", None)
    # In which order both see the messages of an answer depends on whether it is held back between them.
    return [status, nameless(text), fields, *sorted(map(str, SEEN))]


@pytest.mark.parametrize("relays", [False, True])
@pytest.mark.parametrize("inner", [Watching, Renaming, Apart, Refusing, Silent, Swallowing, Raising, Rescuing])
@pytest.mark.parametrize("outer", [Watching, Rescuing, Apart])
@pytest.mark.parametrize("application", [whole, streams, echoes, fails, is_silent])
def test_both_ways_lead_through_two_alike(application: Any, outer: type, inner: type, relays: bool) -> None:
    straight = told_by_two(outer, inner, application, is_framed=False, relays=relays)
    assert straight == told_by_two(outer, inner, application, is_framed=True, relays=relays)


def test_middleware_r_sg_28_each_of_two_calls_its_application_once(caplog: pytest.LogCaptureFixture) -> None:
    for outer, inner in ((Twice, Watching), (Watching, Twice)):
        caplog.clear()
        told_by_two(outer, inner, whole, is_framed=False)
        assert "called its application twice" in caplog.text


def test_two_of_them_go_straight() -> None:
    kinds: list[str] = []

    class Looking(Watching):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            kinds.append(type(scope.get("penstock.frame")).__name__)
            await super().__call__(scope, receive, send)

    told_by_two(Looking, Looking, whole, is_framed=False)
    assert [each for each in kinds if each != "NoneType"] == ["StraightExchange", "StraightLink"]
