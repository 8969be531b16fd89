"""What a pool serves of the whole site file, and what stands in the default pool in its place."""

import logging

import pytest
from msgspec.structs import asdict

from penstock.errors import ConfigurationError
from penstock.request_handlers.pool_address import PoolAddress
from penstock.server import open_client
from penstock.server.pool_sites import pool_settings, pool_target, shown_addresses
from penstock.settings import (
    AppSettings,
    BackendSettings,
    DrainSettings,
    ErrorSettings,
    FilteringSettings,
    LimitSettings,
    LocationLimitSettings,
    LocationSettings,
    ModuleSettings,
    PoolSettings,
    RouteSettings,
    ServerSettings,
    Settings,
    SiteSettings,
    TraceSettings,
    WebSocketSettings,
)
from tests.pipeline.subject import run

POOL = PoolSettings(
    name="reports", threads=9, app_dirs=("/reports",), graceful_timeout=7.0, drain=DrainSettings(idle=1.0)
)
OUT = AppSettings(at="/out", wsgi="out:app", pool="reports", offline_file="offline.html", threads=2)
RULES = LocationSettings(
    at="/out",
    limits=LocationLimitSettings(body=5, deadline=3.0, form_fields=8, form_memory=9),
    headers={"x": "y"},
    modules=(ModuleSettings(use="front:Module"),),
    access=("read",),
    error_format="json",
    errors=(ErrorSettings(status=(404,), function="front:page"),),
    filtering=FilteringSettings(path=3),
    websockets=WebSocketSettings(origins=("https://a.example",), max_message=9, close_timeout=3.0, per_client=1),
)
SITE = SiteSettings(
    hosts=("a.example",),
    root="public",
    offline_file="offline.html",
    modules=(ModuleSettings(use="front:Module"),),
    routes=(RouteSettings(at="/r", function="front:route"),),
    apps=(OUT, AppSettings(at="/in", asgi="front:app")),
    proxies=(BackendSettings(at="/p", to=("http://127.0.0.1:1",)),),
    locations=(RULES,),
    traces=(TraceSettings(),),
)
SETTINGS = Settings(
    server=ServerSettings(headers={"x-all": "1"}, limits=LimitSettings(body=10, deadline=60.0)),
    sites=(SiteSettings(hosts=("b.example",), apps=(AppSettings(at="/", asgi="front:app"),)), SITE),
    pools=(PoolSettings(name="other"), POOL),
)


def test_pipeline_w01_a_pool_serves_its_applications_where_they_are_and_nothing_else() -> None:
    own = pool_settings(SETTINGS, "reports")
    (site,) = own.sites
    assert site == SiteSettings(
        hosts=("a.example",),
        apps=(AppSettings(at="/out", wsgi="out:app", threads=9),),
        locations=site.locations,
    )
    assert own.pools == (POOL,)


def test_pipeline_w01_what_the_front_has_applied_is_not_applied_again() -> None:
    own = pool_settings(SETTINGS, "reports")
    root, location = own.sites[0].locations
    assert root == LocationSettings(
        at="/",
        limits=LocationLimitSettings(deadline=61.0),
        websockets=WebSocketSettings(max_message=1 << 50, keep_alive=0.0),
    )
    assert location == LocationSettings(
        at="/out",
        limits=LocationLimitSettings(deadline=4.0, form_fields=8, form_memory=9),
        error_format="json",
        websockets=WebSocketSettings(close_timeout=3.0),
    )
    server = own.server
    assert (server.headers, server.server_header, server.log.access) == ({}, False, False)
    assert (server.app_dirs, server.graceful_timeout, server.drain) == (("/reports",), 7.0, POOL.drain)
    assert server.proxy.headers == "none"
    before = asdict(SETTINGS.server.limits)
    assert [key for key, value in asdict(server.limits).items() if value < before[key] and key != "data_rate"] == []
    assert (server.limits.body, server.limits.data_rate) == (1 << 50, 0)


def test_no_deadline_stays_no_deadline() -> None:
    settings = Settings(server=ServerSettings(limits=LimitSettings(deadline=0.0)), sites=(SITE,), pools=SETTINGS.pools)
    assert pool_settings(settings, "reports").sites[0].locations[0].limits.deadline == 0.0


def test_a_pool_without_applications_serves_nothing_and_a_strange_one_is_a_mistake() -> None:
    assert pool_settings(SETTINGS, "other").sites == ()
    with pytest.raises(ConfigurationError, match="there is no \\[\\[pool\\]\\] called 'sales'"):
        pool_settings(SETTINGS, "sales")


def test_pipeline_w01_in_the_default_pool_a_handler_stands_for_the_application_which_is_not_imported() -> None:
    target = pool_target(OUT, SETTINGS.pools, {"reports": PoolAddress("/run/p.sock", b"k" * 32)})
    assert target is not None
    assert (target.name, target.at) == ("pool reports: WSGI out:app", "/out")
    assert sorted(shown_addresses(SETTINGS)) == ["other", "reports"]


def test_only_those_that_could_not_be_imported_here_are_foreign() -> None:
    pools = (
        PoolSettings(name="like"),
        PoolSettings(name="python", python="venv/bin/python"),
        PoolSettings(name="folder", directory="/x"),
        PoolSettings(name="variables", environment={"A": "1"}),
        PoolSettings(name="code", app_dirs=("/code",)),
    )
    assert sorted(shown_addresses(Settings(pools=pools), only_foreign=True)) == [
        "code",
        "folder",
        "python",
        "variables",
    ]


def test_without_a_supervisor_it_runs_in_this_process_and_one_line_says_so(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)

    def app(environ: object, start_response: object) -> list[bytes]:
        start_response("200 OK", [])  # type: ignore[operator]
        return [b"here"]

    settings = Settings(sites=(SiteSettings(apps=(OUT,)),), pools=SETTINGS.pools)

    async def journey() -> None:
        async with open_client(settings, objects={"out:app": app}) as client:
            assert (await client.get("/out")).body == b"here"

    run(journey)
    told = [record.message for record in caplog.records if "pool" in record.message]
    assert told == ["WSGI out:app runs in this process, not in the pool reports: pools need `penstock serve`"]


def test_without_a_supervisor_another_python_is_a_mistake() -> None:
    pools = (PoolSettings(name="reports", python="/venv/bin/python"),)
    with pytest.raises(ConfigurationError, match="pools need `penstock serve`, which starts their processes"):
        open_client(Settings(sites=(SiteSettings(apps=(OUT,)),), pools=pools))
