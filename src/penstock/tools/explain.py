"""This file is `penstock explain`: which site, application, modules and rules a URL meets, and why."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import click

from penstock.errors import RequestRejected
from penstock.settings import Settings, SiteSettings
from penstock.tools.answering import answer_to, answers_of
from penstock.tools.check import FILE

Row = tuple[str, str]

_METHOD: Final = "GET"


@click.command("explain", options_metavar="")
@click.argument("file", type=FILE)
@click.argument("words", nargs=-1, metavar="[METHOD] [URL]")
@click.pass_context
def command(ctx: click.Context, /, file: Path, words: Sequence[str]) -> None:
    """Say which site, application, location, modules and rules a URL meets, and why; without a URL, what answers where.

    URL is a path ("/admin/?page=2") or whole ("http://example.org/admin/"). Nothing that the file names is imported.
    """
    from penstock.settings.loader import load

    settings = load(file, os.environ)
    if not words:
        lines = overview_lines(settings)
    elif len(words) > 2 or (len(words) == 2 and not words[0].isalpha()):
        raise click.UsageError("Say a method and a URL, as in: penstock explain FILE GET /admin/", ctx)
    else:
        lines = url_lines(settings, words[-1], method=words[0].upper() if len(words) == 2 else _METHOD)
    for line in lines:
        click.echo(line)


def overview_lines(settings: Settings) -> Iterator[str]:
    """Every site with what answers where and the rules of its locations."""
    for site in settings.sites:
        yield f"site {', '.join(site.hosts)}"
        yield from _aligned(answers_of(site), indent="  ")
        for module in site.modules:
            yield f"  every request passes {module.use}"
        for location in site.locations:
            yield f"  rules below {location.at}"
            yield from _aligned(_rules(settings, site, location.at), indent="    ")


def url_lines(settings: Settings, url: str, *, method: str) -> Iterator[str]:
    """What a request meets, from the host to the rules. A request that Penstock refuses says why."""
    parts = urlsplit(url if "://" in url or url.startswith("/") else f"/{url}")
    host = (parts.hostname or "").lower()
    try:
        path = _path_of(parts.path or "/", method)
    except RequestRejected as error:
        yield f"{method} {url} is refused with {error.status}: {error.detail} ({error.rule})"
        return
    yield f"{method} {path}" + (f" for {host}" if host else "")
    yield from _aligned(_meets(settings, host, path, method=method), indent="  ")


def _path_of(raw_path: str, method: str) -> str:
    from urllib.parse import quote

    from penstock.http.targets import read_target

    return read_target(method, quote(raw_path, safe="/%:@!$&'()*+,;=~").encode("ascii"), "1.1").path


def _meets(settings: Settings, host: str, path: str, *, method: str) -> Iterator[Row]:
    found = _find_site(settings, host)
    if found is None:
        asked = f"for the host {host!r}, so the answer is 421" if host else "for every host; name one in the URL"
        yield "site", f"none answers {asked}"
        return
    site, why = found
    yield "site", f"{', '.join(site.hosts)} ({why})"
    yield from _answer(site, path, method=method)
    yield from _rules(settings, site, path)


def _find_site(settings: Settings, host: str) -> tuple[SiteSettings, str] | None:
    """The site for a host name, and why: the exact name, else the longest wildcard, else "*"."""
    by_pattern = {pattern: site for site in settings.sites for pattern in site.hosts}
    covering = [pattern for pattern in by_pattern if pattern.startswith("*.") and host.endswith(pattern[1:])]
    if host in by_pattern:
        return by_pattern[host], "the host is named"
    if covering:
        longest = max(covering, key=len)
        return by_pattern[longest], f"{longest} covers the host"
    if "*" in by_pattern:
        return by_pattern["*"], "the only site" if len(settings.sites) == 1 else "it takes every other host"
    return None


def _answer(site: SiteSettings, path: str, *, method: str) -> Iterator[Row]:
    answer = answer_to(site, path, method=method)
    yield "answers", f"{answer.what} ({answer.why})"
    yield from answer.details


def _rules(settings: Settings, site: SiteSettings, at: str) -> Iterator[Row]:
    """The rules that hold for a path, each with the location it comes from."""
    from penstock.settings.locations import effective

    rules = effective(site, at)
    chain = rules.locations
    yield "locations", " > ".join(location.at for location in chain) or "none: the server's settings hold"
    body_from = next((each.at for each in reversed(chain) if each.limits.body is not None), "[server.limits]")
    yield "body", f"at most {rules.body or settings.server.limits.body} bytes ({body_from})"
    for name, value in settings.server.headers.items():
        if name not in rules.headers:
            yield "header", f"{name}: {value} ([server])"
    for name, value in rules.headers.items():
        source = next(each.at for each in reversed(chain) if name in {key.lower() for key in each.headers})
        yield "header", f"{name}: {value} ({source})"
    log_from = next((each.at for each in reversed(chain) if each.access_log is not None), "[server.log]")
    is_logged = settings.server.log.access if rules.access_log is None else rules.access_log
    yield "access log", f"{'yes' if is_logged else 'no'} ({log_from})"
    for module in site.modules:
        yield "module", f"{module.use} (the site)"
    for location in chain:
        for module in location.modules:
            yield "module", f"{module.use} ({location.at})"


def _aligned(rows: Iterator[Row] | Sequence[Row], *, indent: str) -> Iterator[str]:
    every = list(rows)
    width = max((len(name) for name, _ in every), default=0)
    shown = ""
    for name, text in every:
        yield f"{indent}{name if name != shown else '':{width}}  {text}"
        shown = name
