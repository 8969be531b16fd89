"""Into a middleware, on and back: what of a changed head is judged (middleware R-SG-22); the rest is in tests/flow."""

from typing import Any

import pytest

from penstock import Context, Stage
from tests.flow.test_staged_traces import Staged
from tests.pipeline.subject import ask, open_site


def changing(**changes: Any) -> Staged:
    def wrap(app: Any) -> Any:
        async def middleware(scope: Any, receive: Any, send: Any) -> None:
            await app({**scope, **changes}, receive, send)

        return middleware

    return Staged(Stage.AUTHENTICATE, wrap)


def shown(context: Context) -> str:
    request = context.request
    return f"{request.method} {request.path} {request.headers.get('x-new', '')}"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "GET / "),
        ({"path": "/café", "raw_path": b"/caf%C3%A9"}, "GET /café "),
        ({"method": "POST"}, "POST / "),
        ({"headers": [(b"Host", b"testserver"), (b"X-New", b"1")]}, "GET / 1"),
    ],
)
def test_what_it_changes_is_what_is_asked(changes: dict[str, Any], text: str) -> None:
    assert ask(open_site(changing(**changes), function=shown)).text == text


@pytest.mark.parametrize(
    "changes", [{"headers": [(b"host", b"a b")]}, {"method": "G T"}, {"headers": [(b"x", b"a\r\nb")]}]
)
def test_what_http_does_not_allow_is_refused(changes: dict[str, Any]) -> None:
    assert ask(open_site(changing(**changes), function=shown)).status == 400


@pytest.mark.parametrize(
    ("user", "name"), [("alice", "alice"), (None, ""), (type("U", (), {"is_authenticated": False})(), "")]
)
def test_middleware_15_10_the_user_is_the_principal(user: object, name: str) -> None:
    assert ask(open_site(changing(user=user), function=lambda context: context.principal.name)).text == name
