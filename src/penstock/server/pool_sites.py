"""From the settings of the whole site file to what one pool serves, and what stands in the default pool in its place."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from penstock.errors import ConfigurationError, Problem
from penstock.pipeline.target import Target
from penstock.request_handlers.pool_address import PoolAddress
from penstock.settings import (
    HealthPathSettings,
    LocationLimitSettings,
    LocationSettings,
    ProxySettings,
    Settings,
    SiteSettings,
    WebSocketSettings,
)

if TYPE_CHECKING:
    from penstock.settings import AppSettings, LimitSettings, PoolSettings, ServerSettings

logger = logging.getLogger("penstock")

# Bytes that nobody reaches. What the default pool has let in, it has measured.
_ANY_SIZE: Final = 1 << 50
_MANY: Final = 1_000_000
# Seconds: an idle connection is closed by the front, which opened it.
_DAY: Final = 86_400.0
# Fields, and bytes of them, that the default pool adds: metadata names every role of a user.
_MORE_FIELDS: Final = 32
_MORE_BYTES: Final = 2 * 1024 * 1024
# Seconds behind the deadline of the front: it is the front that answers 504, by the error pages of the location.
_LATER: Final = 1.0


def pool_target(
    app: AppSettings, pools: Sequence[PoolSettings], addresses: Mapping[str, PoolAddress] | None
) -> Target | None:
    """What answers for `app` in the default pool: a handler that asks its pool. None where it runs in this process.

    `addresses` are the pools of a supervisor; without one, an application runs here if it can. Raises ConfigurationError when it
    cannot.
    """
    pool = next((each for each in pools if each.name == app.pool), None)
    if pool is None:
        return None
    if addresses is None or pool.name not in addresses:
        _stay_here(app, pool)
        return None
    from penstock.request_handlers.pool_handler import PoolHandler

    handler = PoolHandler(app, pool, addresses[pool.name])
    return Target(
        f"pool {pool.name}: {reference_of(app)}",
        app.at,
        handler.execute,
        finish=handler.finish,
        handler=handler,
        allow_anonymous=app.allow_anonymous,
        on_start=handler.start,
        on_stop=handler.stop,
    )


def reference_of(app: AppSettings) -> str:
    """What it is, for people: "ASGI shop.api:app"."""
    kinds = (("ASGI", app.asgi), ("WSGI", app.wsgi), ("OWIN", app.owin), ("app", app.app))
    return next((f"{kind} {reference}" for kind, reference in kinds if reference), "app")


def shown_addresses(settings: Settings, *, only_foreign: bool = False) -> dict[str, PoolAddress]:
    """Addresses for those who show what is served and ask nobody: nothing of these pools is imported.

    `only_foreign`: those alone whose applications may not be importable here.
    """
    server = settings.server
    shown = [each for each in settings.pools if not only_foreign or _is_foreign(each, server)]
    return {pool.name: PoolAddress("", bytes(32)) for pool in shown}


def pool_settings(settings: Settings, name: str) -> Settings:
    """What the workers of the pool called `name` serve: its applications, at their hosts and places, and nothing else.

    Modules, rules and limits are the front's, and were applied when a request comes here. Raises ConfigurationError for a name
    that no pool has.
    """
    pool = next((each for each in settings.pools if each.name == name), None)
    if pool is None:
        raise ConfigurationError([Problem(f"there is no [[pool]] called {name!r}")])
    deadline = settings.server.limits.deadline
    return Settings(
        server=_server_of(settings.server, pool),
        sites=tuple([_site_of(site, pool, deadline) for site in settings.sites if any(_runs_in(pool, site))]),
        pools=(pool,),
    )


def _runs_in(pool: PoolSettings, site: SiteSettings) -> list[AppSettings]:
    return [app for app in site.apps if app.pool == pool.name]


def _site_of(site: SiteSettings, pool: PoolSettings, deadline: float) -> SiteSettings:
    return SiteSettings(
        hosts=site.hosts,
        apps=tuple(
            [
                replace(app, pool="", offline_file="", threads=pool.threads or app.threads)
                for app in _runs_in(pool, site)
            ]
        ),
        locations=_locations_of(site, deadline),
    )


def _locations_of(site: SiteSettings, deadline: float) -> tuple[LocationSettings, ...]:
    """What of the rules belongs to the running of an application, and not to letting requests in."""
    told = {each.at: _location_of(each) for each in site.locations}
    root = told.pop("/", LocationSettings(at="/"))
    limits = root.limits
    if limits.deadline is None:
        limits = replace(limits, deadline=_later(deadline))
    # The front pings its clients, and holds messages to their size.
    sockets = replace(root.websockets, max_message=_ANY_SIZE, keep_alive=0.0)
    return (replace(root, limits=limits, websockets=sockets), *told.values())


def _location_of(location: LocationSettings) -> LocationSettings:
    given = location.limits
    deadline = None if given.deadline is None else _later(given.deadline)
    return LocationSettings(
        at=location.at,
        limits=LocationLimitSettings(deadline=deadline, form_fields=given.form_fields, form_memory=given.form_memory),
        error_format=location.error_format,
        websockets=WebSocketSettings(close_timeout=location.websockets.close_timeout),
    )


def _later(deadline: float) -> float:
    return deadline + _LATER if deadline else 0.0


def _server_of(server: ServerSettings, pool: PoolSettings) -> ServerSettings:
    return replace(
        server,
        limits=_limits_of(server.limits),
        headers={},
        server_header=False,
        tls=None,
        proxy=ProxySettings(headers="none"),
        log=replace(server.log, access=False),
        health=HealthPathSettings(),
        app_dirs=pool.app_dirs,
        graceful_timeout=pool.graceful_timeout,
        drain=pool.drain,
        recycle=pool.recycle,
        max_requests=0,
        control=None,
        workers=None,
    )


def _limits_of(limits: LimitSettings) -> LimitSettings:
    return replace(
        limits,
        headers=limits.headers + _MORE_FIELDS,
        header_section=limits.header_section + _MORE_BYTES,
        body=_ANY_SIZE,
        header_timeout=_DAY,
        keep_alive=_DAY,
        data_rate=0,
        requests_inside=_MANY,
        queue=_MANY,
        sockets=_MANY,
    )


def _is_foreign(pool: PoolSettings, server: ServerSettings) -> bool:
    return bool(pool.python or pool.directory or pool.environment or pool.app_dirs != server.app_dirs)


def _stay_here(app: AppSettings, pool: PoolSettings) -> None:
    if pool.python:
        raise ConfigurationError(
            [
                Problem(
                    f"{reference_of(app)} runs in the pool {pool.name!r}, whose Python is {pool.python}: "
                    "pools need `penstock serve`, which starts their processes"
                )
            ]
        )
    logger.info(
        "%s runs in this process, not in the pool %s: pools need `penstock serve`", reference_of(app), pool.name
    )
