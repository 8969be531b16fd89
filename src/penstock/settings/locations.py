"""Inheritance by location: which rules hold for a path, when every location refines those above it."""

from collections.abc import Mapping
from typing import NamedTuple

from penstock.settings.model import LocationSettings, ModuleSettings, SiteSettings


class EffectiveRules(NamedTuple):
    """What holds for every path below a location, after inheritance.

    `body` (bytes) and `access_log` are None where no location says anything: then the server's settings hold.
    `headers` have lower-case names. `modules` are those of the locations, parents first; the site's own go before them.
    `locations` are the locations that took part, parents first; the last one is the nearest.
    """

    body: int | None
    headers: Mapping[str, str]
    access_log: bool | None
    modules: tuple[ModuleSettings, ...]
    locations: tuple[LocationSettings, ...]


def covers(prefix: str, path: str) -> bool:
    """Whether `path` is `prefix` or lies below it, by whole segments: "/admin" covers "/admin/x", not "/administrator"."""
    return prefix == "/" or path == prefix or path.startswith(f"{prefix}/")


def locations_of(site: SiteSettings) -> tuple[LocationSettings, ...]:
    """The locations of a site, parents before children, otherwise by name. Walk it backwards for "the longest first"."""
    return tuple(sorted(site.locations, key=lambda location: _segments(location.at)))


def effective(site: SiteSettings, at: str) -> EffectiveRules:
    """The rules for the path `at` (decoded, as in `RequestHead.path`) and, where no location begins, all below it."""
    chain = tuple(location for location in locations_of(site) if covers(location.at, at))
    body: int | None = None
    access_log: bool | None = None
    headers: dict[str, str] = {}
    modules: list[ModuleSettings] = []
    for location in chain:
        body = location.limits.body if location.limits.body is not None else body
        access_log = location.access_log if location.access_log is not None else access_log
        headers |= {name.lower(): value for name, value in location.headers.items()}
        modules += location.modules
    return EffectiveRules(body, headers, access_log, tuple(modules), chain)


def _segments(at: str) -> list[str]:
    return [segment for segment in at.split("/") if segment]
