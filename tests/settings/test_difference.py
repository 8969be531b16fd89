"""This file is the test of which pools a change of settings touches (pipeline G-04, G-11)."""

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from penstock.settings import (
    AppSettings,
    ControlSettings,
    DrainSettings,
    FilesSettings,
    HealthPathSettings,
    LimitSettings,
    LocationSettings,
    LogSettings,
    ModuleSettings,
    PoolSettings,
    RecycleSettings,
    ServerSettings,
    Settings,
    SiteSettings,
)
from penstock.settings.difference import Change, Changes, find_changes, lines_of

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


def with_app(app: AppSettings, **keys: Any) -> Settings:
    return with_site(apps=tuple(replace(each, **keys) if each is app else each for each in SITE.apps))


def touched_by(after: Settings) -> set[str]:
    """The pools that are touched, and that they are the same on the way back."""
    found = set(find_changes(BEFORE, after).touched)
    assert set(find_changes(after, BEFORE).touched) == found
    return found


def test_nothing_changes() -> None:
    found = find_changes(BEFORE, msgspec.json.decode(msgspec.json.encode(BEFORE), type=Settings))
    assert not found
    assert found == Changes()
    assert list(lines_of(found.changes)) == ["nothing changes"]


class TestServer:
    @pytest.mark.parametrize(
        "keys",
        [
            {"limits": LimitSettings(body=5)},
            {"log": LogSettings(level="debug")},
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
            {"backlog": 5},
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
        assert (found.listen.opened, found.listen.closed) == (("unix:/a",), ())
        found = find_changes(BEFORE, with_server(listen=(":80",)))
        assert (found.listen.opened, found.listen.closed) == ((":80",), ("127.0.0.1:8000",))


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
    def test_its_table_touches_it(self, keys: dict[str, Any]) -> None:
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
        [{"wsgi": "reports:other"}, {"wsgi": None, "asgi": "reports:app"}, {"threads": 9}, {"factory": True}, {"root_path": "/x"}],
    )  # fmt: skip
    def test_what_it_is_touches_its_pool(self, keys: dict[str, Any]) -> None:
        assert touched_by(with_app(REPORTS_APP, **keys)) == {"reports"}

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

    def test_lines(self) -> None:
        site = replace(SITE, root="/public", apps=(SHOP_APP, REPORTS_APP, MAIL_APP, AppSettings(at="/x", asgi="x:app")))
        after = Settings(server=replace(BEFORE.server, pid_file="/a.pid"), pools=BEFORE.pools, sites=(site,))
        found = find_changes(BEFORE, after)
        assert list(lines_of(found.changes, pools=found.touched, needs_restart=found.needs_restart)) == [
            '~ server.pid_file: "" -> "/a.pid"',
            '~ site[*].root: "" -> "/public"',
            '+ site[*].app[/x] = { at = "/x", asgi = "x:app" }',
            "new workers: default",
            "not before the next start: server.pid_file",
        ]
        back = find_changes(after, BEFORE)
        assert '- site[*].app[/x] = { at = "/x", asgi = "x:app" }' in list(lines_of(back.changes, pools=back.touched))

    def test_a_change_that_touches_no_worker(self) -> None:
        found = find_changes(BEFORE, with_server(watch=True))
        assert list(lines_of(found.changes, pools=found.touched)) == [
            "~ server.watch: false -> true",
            "new workers: none",
        ]

    def test_secrets_are_hidden(self) -> None:
        after = with_reports(environment={"DATABASE_URL": "postgres://me:pw@host/db"})
        found = find_changes(BEFORE, after)
        assert "pw" not in "".join(lines_of(found.changes))
        assert found.changes[0].where == "pool[reports].environment.DATABASE_URL"

    def test_it_is_json(self) -> None:
        found = find_changes(BEFORE, with_reports(workers=4))
        assert msgspec.json.decode(msgspec.json.encode(found), type=Changes) == found


def test_every_key_of_the_models_is_told() -> None:
    """A key that is added to the models is not forgotten here: any difference of two settings is a change."""
    for name in ServerSettings.__struct_fields__:
        assert list(_changes_of(name)), name


def _changes_of(name: str) -> Iterable[Change]:
    value = getattr(ServerSettings(), name)
    other: Any = object()
    if isinstance(value, bool):
        other = not value
    elif isinstance(value, str):
        other = f"{value}x"
    elif isinstance(value, int | float):
        other = value + 1
    elif value is None or isinstance(value, tuple):
        other = ("x",)
    elif isinstance(value, dict):
        other = {"x": "y"}
    else:
        first = type(value).__struct_fields__[0]
        other = replace(value, **{first: "other"})
    return find_changes(Settings(), Settings(server=replace(ServerSettings(), **{name: other}))).changes
