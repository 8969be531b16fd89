"""This file is the test of which pools a change of settings touches (pipeline G-04, G-11)."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from penstock.server.pool_sites import pool_settings
from penstock.settings import (
    AppSettings,
    ControlSettings,
    DrainSettings,
    FilesSettings,
    HealthPathSettings,
    LimitSettings,
    LocationLimitSettings,
    LocationSettings,
    LogSettings,
    ModuleSettings,
    PoolSettings,
    RecycleSettings,
    ServerSettings,
    Settings,
    SiteSettings,
    WebSocketSettings,
)
from penstock.settings.difference import Change, Changes, find_changes

REPORTS = PoolSettings(name="reports")
MAIL = PoolSettings(name="mail")
SHOP_APP = AppSettings(at="/", asgi="shop:app")
REPORTS_APP = AppSettings(at="/reports", wsgi="reports:app", pool="reports")
MAIL_APP = AppSettings(at="/mail", asgi="mail:app", pool="mail")
SITE = SiteSettings(apps=(SHOP_APP, REPORTS_APP, MAIL_APP))
BEFORE = Settings(server=ServerSettings(workers=2), pools=(REPORTS, MAIL), sites=(SITE,))

EVERY = {"default", "reports", "mail"}


def with_server(**keys: Any) -> Settings:
    return replace(BEFORE, server=replace(BEFORE.server, **keys))


def with_reports(**keys: Any) -> Settings:
    return replace(BEFORE, pools=(replace(REPORTS, **keys), MAIL))


def with_site(**keys: Any) -> Settings:
    return replace(BEFORE, sites=(replace(SITE, **keys),))


def with_app(which: AppSettings, **keys: Any) -> Settings:
    return with_site(apps=tuple(replace(each, **keys) if each is which else each for each in SITE.apps))


def touched_by(after: Settings) -> set[str]:
    """The pools that are touched, and that they are the same on the way back."""
    found = set(find_changes(BEFORE, after).touched)
    assert set(find_changes(after, BEFORE).touched) == found
    return found


def test_pipeline_g11_settings_that_are_the_same_touch_nothing() -> None:
    found = find_changes(BEFORE, msgspec.json.decode(msgspec.json.encode(BEFORE), type=Settings))
    assert not found
    assert found == Changes()


class TestServer:
    @pytest.mark.parametrize(
        "keys",
        [
            {"limits": LimitSettings(deadline=5)},
            {"limits": LimitSettings(header_section=5000)},
            {"log": LogSettings(level="debug")},
            {"backlog": 5},
            {"loop": "asyncio"},
            {"mode": "development"},
            {"verifier": True},
            {"start_failure": "retry"},
        ],
    )
    def test_what_every_worker_goes_by_touches_every_pool(self, keys: dict[str, Any]) -> None:
        assert touched_by(with_server(**keys)) == EVERY

    @pytest.mark.parametrize(
        "keys",
        [
            {"workers": 3},
            {"workers": "auto"},
            {"listen": ("127.0.0.1:9000",)},
            {"limits": LimitSettings(body=5)},
            {"log": LogSettings(access=False)},
            {"graceful_timeout": 5.0},
            {"headers": {"x-a": "b"}},
            {"app_dirs": ("/a",)},
            {"drain": DrainSettings(kill=1)},
            {"recycle": RecycleSettings(age=5)},
            {"health": HealthPathSettings(live="/live")},
            {"max_requests": 5},
        ],
    )
    def test_the_rest_touches_the_default_one(self, keys: dict[str, Any]) -> None:
        assert touched_by(with_server(**keys)) == {"default"}

    @pytest.mark.parametrize(
        ("keys", "restart"),
        [
            ({"pid_file": "/a.pid"}, ("server.pid_file",)),
            ({"control": ControlSettings(mode="0660")}, ("server.control",)),
            ({"watch": True}, ()),
        ],
    )
    def test_what_is_the_supervisors_own_touches_none(self, keys: dict[str, Any], restart: tuple[str, ...]) -> None:
        found = find_changes(BEFORE, with_server(**keys))
        assert found
        assert found.touched == ()
        assert [change.where.split(".")[1] for change in found.supervisor] == list(keys)
        assert found.needs_restart == restart

    def test_places(self) -> None:
        found = find_changes(BEFORE, with_server(listen=("unix:/a", "127.0.0.1:8000")))
        assert (found.opened, found.closed) == (("unix:/a",), ())
        found = find_changes(BEFORE, with_server(listen=(":80",)))
        assert (found.opened, found.closed) == ((":80",), ("127.0.0.1:8000",))


class TestPools:
    @pytest.mark.parametrize(
        "keys",
        [
            {"workers": 2},
            {"python": "/venv/bin/python"},
            {"user": "www-data"},
            {"environment": {"A": "b"}},
            {"start": "always"},
            {"idle": 5.0},
            {"memory": 2_000_000_000},
            {"recycle": RecycleSettings(memory=500_000_000)},
            {"drain": DrainSettings(cancel=1)},
        ],
    )
    def test_pipeline_g11_its_table_touches_it_alone(self, keys: dict[str, Any]) -> None:
        assert touched_by(with_reports(**keys)) == {"reports"}

    @pytest.mark.parametrize("keys", [{"connections": 5}, {"queue": 5}, {"read_timeout": 5.0}])
    def test_how_it_is_asked_touches_those_who_ask(self, keys: dict[str, Any]) -> None:
        assert touched_by(with_reports(**keys)) == {"default"}

    def test_a_new_one(self) -> None:
        app = AppSettings(at="/new", asgi="new:app", pool="new")
        after = replace(with_site(apps=(*SITE.apps, app)), pools=(*BEFORE.pools, PoolSettings(name="new")))
        found = find_changes(BEFORE, after)
        assert (found.added, found.removed, found.touched) == (("new",), (), ("new", "default"))
        assert set(found.pools) == {"default"}
        back = find_changes(after, BEFORE)
        assert (back.added, back.removed, back.touched) == ((), ("new",), ("new", "default"))

    def test_their_order_means_nothing(self) -> None:
        assert not find_changes(BEFORE, replace(BEFORE, pools=(MAIL, REPORTS)))


class TestApplications:
    @pytest.mark.parametrize(
        "keys",
        [{"wsgi": "reports:other"}, {"threads": 9}, {"factory": True}, {"root_path": "/x"}],
    )  # fmt: skip
    def test_what_it_is_touches_its_pool(self, keys: dict[str, Any]) -> None:
        assert touched_by(with_app(REPORTS_APP, **keys)) == {"reports"}

    def test_whether_websockets_reach_it_is_known_where_it_is_asked(self) -> None:
        assert touched_by(with_app(REPORTS_APP, wsgi=None, asgi="reports:app")) == {"default", "reports"}
        assert touched_by(with_app(MAIL_APP, asgi=None, app="mail:app")) == {"mail"}

    @pytest.mark.parametrize("keys", [{"offline_file": "/a.html"}, {"allow_anonymous": True}])
    def test_what_is_decided_in_front_touches_the_default_one(self, keys: dict[str, Any]) -> None:
        assert touched_by(with_app(REPORTS_APP, **keys)) == {"default"}

    def test_one_without_a_pool_touches_the_default_one(self) -> None:
        assert touched_by(with_app(SHOP_APP, asgi="shop:other")) == {"default"}

    def test_where_it_is_touches_both(self) -> None:
        assert touched_by(with_app(REPORTS_APP, at="/other")) == {"default", "reports"}

    def test_another_pool_touches_both_and_the_default_one(self) -> None:
        assert touched_by(with_app(REPORTS_APP, pool="mail")) == EVERY
        assert touched_by(with_app(SHOP_APP, pool="mail")) == {"default", "mail"}

    def test_their_order_means_nothing(self) -> None:
        assert not find_changes(BEFORE, with_site(apps=SITE.apps[::-1]))


class TestSites:
    @pytest.mark.parametrize(
        "keys",
        [
            {"root": "/public"},
            {"files": FilesSettings(fallback="index.html")},
            {"modules": (ModuleSettings(use="a:B"),)},
            {"locations": (LocationSettings(at="/reports"),)},
            {"offline_file": "/a.html"},
        ],
    )
    def test_all_but_applications_touches_the_default_one(self, keys: dict[str, Any]) -> None:
        assert touched_by(with_site(**keys)) == {"default"}

    @pytest.mark.parametrize(
        "keys",
        [
            {"limits": LocationLimitSettings(deadline=5)},
            {"error_format": "problem"},
            {"websockets": WebSocketSettings(close_timeout=5)},
        ],
    )
    def test_rules_that_an_application_goes_by_where_it_runs_touch_all(self, keys: dict[str, Any]) -> None:
        location = LocationSettings(at="/reports", **keys)
        assert touched_by(with_site(locations=(location,))) == EVERY
        before, after = (with_site(locations=(each,)) for each in (LocationSettings(at="/reports"), location))
        assert set(find_changes(before, after).touched) == EVERY

    def test_other_hosts_touch_all_that_answer_there(self) -> None:
        after = with_site(hosts=("example.org",))
        assert touched_by(after) == EVERY
        (change,) = find_changes(BEFORE, after).changes
        assert (change.where, change.before, change.after) == ("site[example.org].hosts", '["*"]', '["example.org"]')

    def test_a_new_site_touches_the_pools_of_its_applications(self) -> None:
        site = SiteSettings(hosts=("a.b",), apps=(MAIL_APP,))
        assert touched_by(replace(BEFORE, sites=(SITE, site))) == {"default", "mail"}


class TestTexts:
    def test_changes_are_told_in_the_order_of_the_site_file(self) -> None:
        after = replace(with_reports(workers=4), server=ServerSettings(workers=3))
        found = find_changes(BEFORE, after)
        assert found.changes == (
            Change(where="server.workers", before="2", after="3", pools=("default",)),
            Change(where="pool[reports].workers", before="1", after="4", pools=("reports",)),
        )
        assert found.default == found.changes[:1]
        assert found.pools["reports"] == found.changes[1:]

    def test_what_waits_for_the_next_start(self) -> None:
        found = find_changes(BEFORE, with_server(pid_file="/a.pid", watch=True))
        assert found.needs_restart == ("server.pid_file",)

    def test_secrets_are_hidden(self) -> None:
        after = with_reports(environment={"DATABASE_URL": "postgres://me:pw@host/db"})
        found = find_changes(BEFORE, after)
        assert "pw" not in str(found)
        assert found.changes[0].where == "pool[reports].environment.DATABASE_URL"

    def test_it_is_json(self) -> None:
        found = find_changes(BEFORE, with_reports(workers=4))
        assert msgspec.json.decode(msgspec.json.encode(found), type=Changes) == found


# What a worker of a pool is given, too, and what makes nothing different there.
IDLE = {
    "listen", "pid_file", "watch", "strict_host", "access_format", "access_file", "traces", "trace_files", "data_rate_grace",
    "connections", "queue", "read_timeout", "allow_anonymous",
}  # fmt: skip


def test_whatever_a_pool_is_given_otherwise_touches_it() -> None:
    """What runs in a pool is decided elsewhere (`pool_settings`): here it is held against that, key by key."""
    for after in _each_key_changed():
        for name in ("reports", "mail"):
            if pool_settings(BEFORE, name) != pool_settings(after, name):
                found = find_changes(BEFORE, after)
                (change,) = found.changes
                assert name in found.touched or change.where.rpartition(".")[2] in IDLE, change.where


def _each_key_changed() -> Iterable[Settings]:
    for key in ServerSettings.__struct_fields__:
        value = getattr(BEFORE.server, key)
        inner = value.__struct_fields__ if isinstance(value, msgspec.Struct) else ()
        for each in inner:
            yield with_server(**{key: replace(value, **{each: _other(getattr(value, each))})})
        if not inner and key not in {"tls", "control"}:
            yield with_server(**{key: _other(value)})
    for key in PoolSettings.__struct_fields__:
        if key not in {"name", "recycle", "drain"}:
            yield with_reports(**{key: _other(getattr(REPORTS, key))})
    for key in AppSettings.__struct_fields__:
        if key not in {"at", "pool"}:
            yield with_app(REPORTS_APP, **{key: _other(getattr(REPORTS_APP, key))})


def test_every_key_of_the_models_is_told() -> None:
    """A key that is added to the models is not forgotten here: any difference of two settings is a change."""
    for name in ServerSettings.__struct_fields__:
        assert list(_changes_of(name)), name


def _changes_of(name: str) -> Iterable[Change]:
    value = getattr(ServerSettings(), name)
    if isinstance(value, msgspec.Struct):
        other: Any = replace(value, **{value.__struct_fields__[0]: "other"})
    else:
        other = _other(value)
    return find_changes(Settings(), Settings(server=replace(ServerSettings(), **{name: other}))).changes


def _other(value: Any) -> Any:
    """Another value of the same kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return f"{value}x"
    if isinstance(value, int | float):
        return value + 1
    return {"x": "y"} if isinstance(value, dict) else ("x",)
