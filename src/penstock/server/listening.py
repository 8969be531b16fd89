"""Where a server listens, and what it needs for it: its sockets, its certificates, and FastCGI where web servers ask."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.errors import ConfigurationError, Problem
from penstock.hosts.listener import BoundSocket, open_sockets, parse_bind
from penstock.settings import Settings

if TYPE_CHECKING:
    from penstock.hosts.fastcgi_service import FastCgiService
    from penstock.hosts.http1_service import Http1Service
    from penstock.server.trust import Trust

logger = logging.getLogger("penstock")


def open_listeners(settings: Settings) -> list[BoundSocket]:
    """Open every place where `settings` say to listen. Raises ConfigurationError with all that cannot be had."""
    server = settings.server
    tls = has_tls(settings)
    return open_sockets([parse_bind(text) for text in server.listen], backlog=server.backlog, tls=tls)


def has_tls(settings: Settings) -> bool:
    """Whether the server or any site has a certificate."""
    return settings.server.tls is not None or any(site.tls is not None for site in settings.sites)


def open_server_tls(settings: Settings) -> object:
    """The ssl.SSLContext for all certificates of `settings`, None without any. Raises ConfigurationError with all mistakes."""
    if not has_tls(settings):
        return None
    from penstock.hosts.tls import Certificate, open_tls

    own = settings.server.tls
    return open_tls(
        None if own is None else Certificate(certificate=own.certificate, key=own.key, where="[server.tls]"),
        [
            Certificate(
                certificate=site.tls.certificate,
                key=site.tls.key,
                hosts=site.hosts,
                where=f"[[site]] {', '.join(site.hosts)}",
            )
            for site in settings.sites
            if site.tls is not None
        ],
    )


def open_fastcgi(service: Http1Service, bound: Sequence[BoundSocket], trust: Trust) -> FastCgiService | None:
    """What the sockets for web servers share, where there are any: who has none loads nothing of it."""
    if not any(each.bind.is_fastcgi for each in bound):
        return None
    from penstock.hosts.fastcgi_service import FastCgiService

    return FastCgiService(service, lambda host, is_unix: trust.trusts(host, is_unix=is_unix))


def judge_fastcgi(settings: Settings) -> None:
    """Tell in the log what the sites need and FastCGI cannot carry, where there is nothing else.

    Raises ConfigurationError for that with `strict_host`.
    """
    from penstock.hosts.fastcgi_request import CAPABILITIES
    from penstock.server.guests import needs_beyond

    beyond = list(needs_beyond(settings, CAPABILITIES))
    if beyond and settings.server.strict_host:
        raise ConfigurationError([Problem(f"{each}, which FastCGI does not carry") for each in beyond])
    for each in beyond:
        logger.warning("%s, which FastCGI does not carry: such requests are answered with 501", each)
