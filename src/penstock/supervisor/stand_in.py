"""What answers in place of a pool that is off: the worker's program, with sites that say 503 and when to come again (pipeline W-05)."""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from penstock.pipeline.context import Context
from penstock.server.life import Server, build
from penstock.settings import RouteSettings, ServerSettings, Settings, SiteSettings
from penstock.supervisor.generation import DEFAULT
from penstock.supervisor.messages import Start

_NAME: Final = "penstock.supervisor.stand_in:answer"


def stand_in(start: Start, settings: Settings) -> Server:
    """A server for the hosts and certificates of `settings` that imports nothing of theirs."""

    def answer(context: Context) -> None:
        response = context.response
        response.status = 503
        response.headers["retry-after"] = str(start.retry_after)
        response.headers["content-type"] = "text/plain; charset=utf-8"
        response.headers["cache-control"] = "no-store"
        response.body = b"This application is not available at the moment. Please try again later.\n"

    routes = tuple([RouteSettings(at=at, function=_NAME, methods=("*",)) for at in ("/", "/{rest:path}")])
    sites = tuple([SiteSettings(hosts=site.hosts, tls=site.tls, routes=routes) for site in settings.sites])
    server = _without_own(settings.server)
    if start.pool != DEFAULT:
        server = replace(server, log=replace(server.log, access=False))  # the front writes its record
    return build(Settings(server=server, sites=sites), objects={_NAME: answer})


def _without_own(server: ServerSettings) -> ServerSettings:
    """Nothing that an application brings, and no limit that an upload meets before it hears 503."""
    return replace(server, headers={}, app_dirs=())
