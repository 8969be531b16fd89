"""This file is the test of two models side by side: what differs, what its place is called, and what is shown of it."""

from typing import Any

import pytest

from penstock.settings import (
    AppSettings,
    BackendSettings,
    LimitSettings,
    ModuleSettings,
    PoolSettings,
    RouteSettings,
    ServerSettings,
    Settings,
    SiteSettings,
    TlsSettings,
)
from penstock.settings.comparison import differences, name_of_place, pairs, shown


def told(before: Any, after: Any) -> list[tuple[str, str, str]]:
    """Every difference of two settings as texts."""
    return [
        (name_of_place(each.place), shown(each.place, each.before), shown(each.place, each.after))
        for each in differences(before, after)
    ]


def site(**keys: Any) -> Settings:
    return Settings(sites=(SiteSettings(**keys),))


def test_the_same_is_no_difference() -> None:
    assert told(Settings(), Settings()) == []
    assert told(site(apps=(AppSettings(at="/"),)), site(apps=(AppSettings(at="/"),))) == []


def test_keys_are_called_as_in_the_site_file() -> None:
    before = Settings(server=ServerSettings(limits=LimitSettings(body=100_000)))
    after = Settings(server=ServerSettings(backlog=5, headers={"x-a": "1"}, tls=TlsSettings(certificate="c", key="k")))
    assert told(before, after) == [
        ("server.backlog", "2048", "5"),
        ("server.headers.x-a", "", '"1"'),
        ("server.limits.body", "100_000", "30_000_000"),
        ("server.tls", "", '{ certificate = "c", key = "k" }'),
    ]


def test_elements_are_told_apart_by_what_they_are_for() -> None:
    before = site(apps=(AppSettings(at="/a", asgi="a:b"), AppSettings(at="/b", wsgi="a:b", threads=2)))
    after = site(apps=(AppSettings(at="/b", wsgi="a:b", threads=3), AppSettings(at="/c", asgi="a:c")))
    assert told(before, after) == [
        ("site[*].app[/b].threads", "2", "3"),
        ("site[*].app[/c]", "", '{ at = "/c", asgi = "a:c" }'),
        ("site[*].app[/a]", '{ at = "/a", asgi = "a:b" }', ""),
    ]


def test_methods_tell_routes_apart() -> None:
    get, post = RouteSettings(at="/a", function="a:b"), RouteSettings(at="/a", function="a:c", methods=("POST",))
    assert told(site(routes=(get,)), site(routes=(get, post))) == [
        ("site[*].route[POST /a]", "", '{ at = "/a", function = "a:c", methods = ["POST"] }')
    ]


def test_the_order_of_modules_counts_and_that_of_applications_does_not() -> None:
    first, second = ModuleSettings(use="a:A"), ModuleSettings(use="a:B", name="b")
    assert told(site(modules=(first, second)), site(modules=(second, first))) == [
        ("site[*].module[order]", '["a:A", "b"]', '["b", "a:A"]')
    ]
    apps = AppSettings(at="/a"), AppSettings(at="/b")
    assert told(site(apps=apps), site(apps=apps[::-1])) == []


def test_two_of_one_name_are_numbered() -> None:
    module = ModuleSettings(use="a:A")
    assert [pair.name for pair in pairs((module, module), (module,), "module")] == ["a:A", "a:A#2"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PoolSettings(name="a", environment={"URL": "secret-1"}), PoolSettings(name="a", environment={"URL": "secret-2"})),
        (PoolSettings(name="b"), PoolSettings(name="a", environment={"URL": "secret-1"})),
    ],
)  # fmt: skip
def test_no_variable_is_shown(before: PoolSettings, after: PoolSettings) -> None:
    found = told(Settings(pools=(before,)), Settings(pools=(after,)))
    assert "secret" not in str(found)
    assert "[redacted]" in str(found)


@pytest.mark.parametrize(
    "settings",
    [
        {"api_key": "secret-1"},
        {"Password": "secret-1"},
        {"database": {"password": "secret-1"}},
        {"tokens": {"one": "secret-1"}},
        {"url": "redis://user:secret-1@host/0"},
        {"urls": ["redis://user:secret-1@host/0"]},
    ],
)
def test_secrets_of_modules_are_hidden(settings: dict[str, Any]) -> None:
    module = ModuleSettings(use="a:A", settings=settings)
    for before in (
        site(),
        site(modules=(ModuleSettings(use="a:A"),)),
        site(modules=(ModuleSettings(use="a:A", settings={**settings, "x": 1}),)),
    ):
        assert "secret" not in str(told(before, site(modules=(module,))))
    changed = ModuleSettings(use="a:A", settings=dict.fromkeys(settings, "other"))
    found = told(site(modules=(module,)), site(modules=(changed,)))
    assert "secret" not in str(found)
    assert "[redacted]" in str(found)


def test_headers_that_open_doors_are_hidden() -> None:
    proxy = BackendSettings(at="/", to=("http://a",), request_headers={"authorization": "Basic c2VjcmV0", "x-a": "b"})
    ((_, _, after),) = told(site(), site(proxies=(proxy,)))
    assert '{ authorization = "[redacted]", x-a = "b" }' in after


def test_our_own_keys_are_no_secrets() -> None:
    place = ("server", "tls", "key")
    assert shown(place, "key.pem") == '"key.pem"'
