"""The site file as frozen models: every key, its type, its limits, its default and where that default comes from.

Attributes are named like the keys of the file, except that arrays of tables are plural: `[[site.app]]` is `site.apps`.
Paths are as written; `penstock.settings.loader.load` makes them absolute, relative to the folder of the site file.
Constructing a model in Python checks nothing: the loader is what refuses bad values.
"""

from __future__ import annotations  # types are built when a file is loaded, not when the server starts

from typing import Annotated

from msgspec import Meta, Struct

from penstock.settings.forms import HOST, REFERENCE, REFERENCE_FORM
from penstock.settings.location_model import ErrorSettings, FilteringSettings, LocationLimitSettings, LocationSettings
from penstock.settings.middleware_model import MiddlewareSettings
from penstock.settings.pool_model import PoolSettings
from penstock.settings.process_model import ControlSettings, DrainSettings, HealthPathSettings, RecycleSettings
from penstock.settings.proxy_model import BackendSettings, HealthSettings
from penstock.settings.server_model import LimitSettings, LogSettings, ProxySettings, ServerSettings, TlsSettings
from penstock.settings.site_model import AppSettings, FilesSettings, ModuleSettings, RouteSettings, TraceSettings
from penstock.settings.websocket_model import WebSocketSettings

__all__ = [
    "REFERENCE_FORM",
    "AppSettings",
    "BackendSettings",
    "ControlSettings",
    "DrainSettings",
    "ErrorSettings",
    "FilesSettings",
    "FilteringSettings",
    "HealthPathSettings",
    "HealthSettings",
    "LimitSettings",
    "LocationLimitSettings",
    "LocationSettings",
    "LogSettings",
    "MiddlewareSettings",
    "ModuleSettings",
    "PoolSettings",
    "ProxySettings",
    "RecycleSettings",
    "RouteSettings",
    "ServerSettings",
    "Settings",
    "SiteSettings",
    "TlsSettings",
    "TraceSettings",
    "WebSocketSettings",
]


class SiteSettings(
    Struct,
    kw_only=True,
    frozen=True,
    forbid_unknown_fields=True,
    rename={
        "modules": "module",
        "routes": "route",
        "apps": "app",
        "proxies": "proxy",
        "locations": "location",
        "traces": "trace",
    },
):
    """[[site]]: what answers for some host names. A route answers, else the longest mount, else a file, else 404."""

    # nginx default_server, IIS "*": a site answers every host unless it says which
    hosts: Annotated[
        tuple[Annotated[str, HOST], ...],
        Meta(
            min_length=1,
            description='Host names it answers for: exact, "*.example.org" for everything below, or "*" for all.',
            examples=[["example.org", "*.example.org"]],
        ),
    ] = ("*",)
    # none: no files are served
    root: Annotated[
        str, Meta(description="Folder of files, relative to the site file; empty serves none.", examples=["public"])
    ] = ""
    # IIS and ASP.NET: App_Offline.htm at the root takes an application offline
    offline_file: Annotated[
        str,
        Meta(
            description="While this file exists, everything is answered with 503 and its content; empty is never.",
            examples=["offline.html"],
        ),
    ] = ""
    tls: Annotated[TlsSettings | None, Meta(description="Certificate for these hosts, chosen by SNI.")] = None
    files: Annotated[FilesSettings, Meta(description="How the files under root are served.")] = FilesSettings()
    modules: Annotated[
        tuple[ModuleSettings, ...], Meta(description="Modules that take part in every request, in this order.")
    ] = ()
    middleware: Annotated[
        tuple[MiddlewareSettings, ...], Meta(description="Middleware that waits in a stage, behind the modules.")
    ] = ()
    # none: the key `middleware` does without code
    builder: Annotated[
        Annotated[str, REFERENCE] | None,
        Meta(
            description="A Builder, or a function that is given one: its middleware waits where its stage markers say.",
            examples=["shop.asgi:configure"],
        ),
    ] = None
    routes: Annotated[tuple[RouteSettings, ...], Meta(description="What answers single paths, by path template.")] = ()
    apps: Annotated[tuple[AppSettings, ...], Meta(description="Applications, by path prefix.")] = ()
    proxies: Annotated[tuple[BackendSettings, ...], Meta(description="Servers that are asked, by path prefix.")] = ()
    locations: Annotated[tuple[LocationSettings, ...], Meta(description="Rules, by path prefix.")] = ()
    traces: Annotated[tuple[TraceSettings, ...], Meta(description="Requests that leave a trace, by path prefix.")] = ()


class Settings(
    Struct, kw_only=True, frozen=True, forbid_unknown_fields=True, rename={"sites": "site", "pools": "pool"}
):
    """The site file: one server, any number of pools and sites."""

    server: Annotated[ServerSettings, Meta(description="Listener, limits and log of the whole server.")] = (
        ServerSettings()
    )
    pools: Annotated[
        tuple[PoolSettings, ...], Meta(description="Worker processes for the applications that name them.")
    ] = ()
    sites: Annotated[tuple[SiteSettings, ...], Meta(description="What answers, by host name.")] = ()

    @property
    def is_supervised(self) -> bool:
        """Whether worker processes are asked for, so that the process which was started is their supervisor."""
        return self.server.workers is not None or bool(self.pools) or self.server.control is not None
