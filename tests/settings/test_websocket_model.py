"""This file is the test of what the site file can say of WebSockets, and of how it is told what it cannot say."""

from pathlib import Path

import msgspec
import pytest
from msgspec.structs import asdict

from penstock.errors import ConfigurationError
from penstock.request_sockets.options import SocketRules
from penstock.settings import LimitSettings, LocationSettings, Settings, WebSocketSettings
from penstock.settings.catalog import fields_of
from penstock.settings.loader import load

# What SocketRules calls the keys of the site file.
NAMES = {
    "origins": "allowed_origins",
    "same_origin": "require_same_origin",
    "max_message": "max_message_size",
    "keep_alive": "keepalive_interval",
    "keep_alive_timeout": "keepalive_timeout",
}


def refusal(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "penstock.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(file, {})
    return [str(problem).removeprefix(f"{file}:") for problem in caught.value.problems]


def test_nothing_is_said_by_default_so_that_the_parents_are_asked() -> None:
    assert set(asdict(WebSocketSettings()).values()) == {None}
    assert LocationSettings(at="/").websockets == WebSocketSettings()


def test_the_defaults_that_are_documented_are_those_that_hold() -> None:
    rules = SocketRules()
    for key, field in fields_of(WebSocketSettings).items():
        documented = field.type.extra["default"]  # type: ignore[attr-defined]
        held = getattr(rules, NAMES.get(key, key))
        assert (["*"] if held is None else held) == documented, key


def test_ten_thousand_sockets_may_be_open() -> None:
    assert LimitSettings().sockets == 10_000
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"sockets": 0}, LimitSettings)


@pytest.mark.parametrize(
    "keys",
    [
        {"origins": []},
        {"max_message": 0},
        {"max_ratio": -1},
        {"keep_alive": -1},
        {"keep_alive_timeout": -0.5},
        {"close_timeout": 3601},
        {"per_client": -1},
        {"compress": True},
    ],
)
def test_what_cannot_be_said_is_refused(keys: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError, match=next(iter(keys))):
        msgspec.convert({"site": [{"location": [{"at": "/", "websockets": keys}]}]}, Settings)


def test_every_mistake_is_told_with_its_line_and_with_what_would_be_right(tmp_path: Path) -> None:
    found = refusal(
        tmp_path,
        """\
[server.limits]
sockets = -1
[[site]]
[[site.location]]
at = "/"
[site.location.websockets]
origins = ["example.com", "https://example.com/chat", "wss://a.example", "https://*.example.com", "null"]
max_message = -5
max_ratio = 1.5
keep_alive = "20"
per_clint = 3
max_size = 5
[[site.location]]
at = "/a"
websockets = { origins = "https://example.com" }
[[site.location]]
at = "/b"
websockets = true
""",
    )
    assert found == [
        "2: sockets must be at least 1, not -1",
        '7: origins: "example.com" has no scheme: write "https://example.com"',
        '7: origins: "https://example.com/chat" has a path, which no browser sends: write "https://example.com"',
        '7: origins: "wss://a.example" is the scheme of the socket, and an origin is that of the page: write "https://a.example"',
        '7: origins: "https://*.example.com" has a star: name each origin, or write "*" for any',
        '7: origins: "null" is what every sandboxed page and every file sends: it names nobody; for any page write "*"',
        "8: max_message must be at least 1, not -5",
        "9: max_ratio must be a whole number, not a fraction",
        "10: keep_alive must be a number, not a string",
        '11: [site.location.websockets] does not know "per_clint"; did you mean "per_client"?',
        '12: [site.location.websockets] does not know "max_size"; did you mean "max_message"?',
        '15: origins must be an array of strings, not a string: write origins = ["https://example.com"]',
        "18: websockets must be a table, not true or false",
    ]


def test_routes_and_applications_are_told_what_goes_with_what(tmp_path: Path) -> None:
    found = refusal(
        tmp_path,
        """\
[[site]]
[[site.route]]
at = "/a"
websocket = "chat"
[[site.route]]
at = "/b"
websocket = "shop:chat"
subprotocols = ["a b", "x", "x"]
methods = ["GET"]
[[site.route]]
at = "/c"
websockt = "shop:chat"
function = "shop:page"
subprotocols = ["x"]
[[site.route]]
at = "/b"
function = "shop:page"
[[site.app]]
at = "/d"
owin = "shop:app"
threads = 5
""",
    )
    assert found == [
        '4: websocket: "chat" names no attribute: write "chat:app", or what it is called there',
        '8: subprotocols: "a b" is not one sub-protocol: write each as an element of its own',
        '8: subprotocols has "x" twice',
        '9: "methods" goes with "function", "handler", "factory" or "status", and this is a websocket',
        '12: [[site.route]] does not know "websockt"; did you mean "websocket"?',
        '14: "subprotocols" goes with "websocket", and this is a function',
        f'16: GET "/b" has another [[site.route]], at {tmp_path / "penstock.toml"}:6: only one can answer',
        '21: "threads" is for WSGI applications, and this is OWIN',
    ]
