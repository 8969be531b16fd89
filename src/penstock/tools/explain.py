"""This file is `penstock explain`: which site, application, modules and rules a URL meets, and why."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from penstock.errors import RequestRejected
from penstock.intake.host_names import match_host
from penstock.settings import Settings, SiteSettings
from penstock.settings.locations import effective
from penstock.tools.answering import answer_to, answers_of, needs_of
from penstock.tools.check import FILE
from penstock.tools.columns import as_json_text
from penstock.tools.rule_rows import Row, name_text, rule_rows

if TYPE_CHECKING:
    from penstock.pipeline.plan import Plan
    from penstock.pipeline.site import PipelineSite

_METHOD: Final = "GET"


@click.command("explain", options_metavar="[--json] [--stages]")
@click.argument("file", type=FILE)
@click.argument("words", nargs=-1, metavar="[METHOD] [URL]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
@click.option(
    "--stages", "with_stages", is_flag=True, help="Import what the file names, and show every step of its plan."
)
@click.pass_context
def command(ctx: click.Context, /, file: Path, words: Sequence[str], *, as_json: bool, with_stages: bool) -> None:
    """Say which site, application, location, modules and rules a URL meets, and why; without a URL, what answers where.

    URL is a path ("/admin/?page=2") or whole ("http://example.org/admin/"). Nothing that the file names is imported, unless
    --stages asks for the steps: order, stage, module, hook and rule.
    """
    from penstock.settings.loader import load

    settings = load(file, os.environ)
    if len(words) > 2 or (len(words) == 2 and not words[0].isalpha()):
        raise click.UsageError("Say a method and a URL, as in: penstock explain FILE GET /admin/", ctx)
    if with_stages and not words:
        raise click.UsageError("The steps are those of one URL: say it, or see `penstock stages`", ctx)
    method, url = words[0].upper() if len(words) == 2 else _METHOD, words[-1] if words else ""
    if as_json:
        explained = _url_values(settings, url, method=method) if words else _overview_values(settings)
        if with_stages:
            explained["plan"] = _plan_values(settings, url, method)
        click.echo(as_json_text(explained))
        return
    for line in url_lines(settings, url, method=method) if words else overview_lines(settings):
        click.echo(line)
    if with_stages:
        for line in _plan_lines(settings, url, method):
            click.echo(line)


def overview_lines(settings: Settings) -> Iterator[str]:
    """Every site with what answers where and the rules of its locations."""
    for site in settings.sites:
        yield f"site {', '.join(site.hosts)}"
        yield from _aligned(answers_of(site), indent="  ")
        for module in site.modules:
            yield f"  every request passes {module.use}"
        for each in site.middleware:
            yield f"  every request enters {name_text(each)} at {each.stage.upper()}"
        if site.builder:
            yield f"  every request enters what {site.builder} has built"
        for location in site.locations:
            yield f"  rules below {location.at}"
            yield from _aligned(rule_rows(settings, site, location.at), indent="    ")


def url_lines(settings: Settings, url: str, *, method: str) -> Iterator[str]:
    """What a request meets, from the host to the rules. A request that Penstock refuses says why."""
    host, raw_path = _split_url(url)
    try:
        path = _path_of(raw_path, method)
    except RequestRejected as error:
        yield f"{method} {url} is refused with {error.status}: {error.detail} ({error.rule})"
        return
    yield f"{method} {path}" + (f" for {host}" if host else "")
    yield from _aligned(_meets(settings, host, path, method=method), indent="  ")


def _url_values(settings: Settings, url: str, *, method: str) -> dict[str, Any]:
    host, raw_path = _split_url(url)
    request: dict[str, Any] = {"method": method, "url": url, "host": host}
    try:
        path = _path_of(raw_path, method)
    except RequestRejected as error:
        return {**request, "refused": {"status": error.status, "detail": error.detail, "rule": error.rule}}
    return {**request, "path": path, "meets": _row_values(_meets(settings, host, path, method=method))}


def _overview_values(settings: Settings) -> dict[str, Any]:
    sites = [
        {
            "hosts": list(site.hosts),
            "answers": _row_values(answers_of(site)),
            "modules": [module.use for module in site.modules],
            "middleware": [{"use": each.use, "stage": each.stage.upper()} for each in site.middleware],
            "locations": [
                {"at": location.at, "rules": _row_values(rule_rows(settings, site, location.at))}
                for location in site.locations
            ],
        }
        for site in settings.sites
    ]
    return {"sites": sites}


def _row_values(rows: Iterable[Row]) -> list[dict[str, str]]:
    return [{"name": name, "text": text} for name, text in rows]


def _split_url(url: str) -> tuple[str, str]:
    """The host, "" for none, and the path."""
    parts = urlsplit(url if "://" in url or url.startswith("/") else f"/{url}")
    return (parts.hostname or "").lower(), parts.path or "/"


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
    yield from _access(site, path, method=method)
    yield from rule_rows(settings, site, path)


def _find_site(settings: Settings, host: str) -> tuple[SiteSettings, str] | None:
    """The site for a host name, and why."""
    found = match_host(settings.sites, host)
    if found is None:
        return None
    site, pattern = found
    if pattern == "*":
        return site, "the only site" if len(settings.sites) == 1 else "it takes every other host"
    return site, f"{pattern} covers the host" if pattern.startswith("*.") else "the host is named"


def _answer(site: SiteSettings, path: str, *, method: str) -> Iterator[Row]:
    answer = answer_to(site, path, method=method)
    yield "answers", f"{answer.what} ({answer.why})"
    yield from answer.details


def _access(site: SiteSettings, path: str, *, method: str) -> Iterator[Row]:
    """That the location does not grant what is needed (pipeline H-09)."""
    granted = effective(site, path).access
    needed = needs_of(answer_to(site, path, method=method))
    if granted is not None and needed and needed not in granted:
        yield "but", f'403: access does not grant "{needed}" here'


def _plan_lines(settings: Settings, url: str, method: str) -> Iterator[str]:
    from penstock.tools.plan_text import plan_lines

    found = _find_plan(settings, url, method)
    if found is not None:
        yield from plan_lines(found[0], indent="  ")


def _plan_values(settings: Settings, url: str, method: str) -> dict[str, Any] | None:
    from penstock.tools.plan_text import plan_values

    found = _find_plan(settings, url, method)
    return None if found is None else plan_values(*found)


def _find_plan(settings: Settings, url: str, method: str) -> "tuple[Plan, PipelineSite] | None":
    """The plan that runs, from what the file names; None for a request that is refused, or whose host no site has."""
    from penstock.server import build
    from penstock.server.pool_sites import shown_addresses

    host, raw_path = _split_url(url)
    try:
        path = _path_of(raw_path, method)
    except RequestRejected:
        return None
    found = _find_site(settings, host)
    if found is None:
        return None
    site = build(settings, pools=shown_addresses(settings)).sites[settings.sites.index(found[0])]
    return site.find_plan(method, path)[0], site


def _aligned(rows: Iterator[Row] | Sequence[Row], *, indent: str) -> Iterator[str]:
    every = list(rows)
    width = max((len(name) for name, _ in every), default=0)
    shown = ""
    for name, text in every:
        yield f"{indent}{name if name != shown else '':{width}}  {text}"
        shown = name
