"""What is to be tested, as settings: a site file's settings, a site, an application, or a plain function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from penstock.server.life import build
from penstock.settings import AppSettings, LogSettings, ServerSettings, Settings, SiteSettings
from penstock.testing.client import Client

NAME = "tested:application"


def open_client(
    subject: Settings | SiteSettings | Callable[..., Any],
    *,
    server: ServerSettings | None = None,
    objects: Mapping[str, object] | None = None,
) -> Client:
    """A client without sockets for `subject`: settings, one site's settings, or an application of any shape.

    `async with open_client(app) as client: await client.get("/")`. `objects` stand for import references.
    """
    settings, named = settings_of(subject, server)
    composed = build(settings, objects={**named, **(objects or {})})
    return Client(composed.sites, limits=settings.server.limits)


def settings_of(
    subject: Settings | SiteSettings | Callable[..., Any], server: ServerSettings | None
) -> tuple[Settings, dict[str, object]]:
    """The settings that serve `subject`, and the objects they name. `server` replaces quiet defaults on a free port."""
    if isinstance(subject, Settings):
        return subject, {}
    quiet = server or ServerSettings(listen=("127.0.0.1:0",), log=LogSettings(access=False))
    if isinstance(subject, SiteSettings):
        return Settings(server=quiet, sites=(subject,)), {}
    site = SiteSettings(apps=(AppSettings(at="/", app=NAME),))
    return Settings(server=quiet, sites=(site,)), {NAME: subject}
