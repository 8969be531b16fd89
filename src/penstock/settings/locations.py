"""Inheritance by location: which rules hold for a path, when every location refines those above it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from msgspec import Struct
from msgspec.structs import asdict

from penstock.settings.model import (
    ErrorSettings,
    FilteringSettings,
    LocationSettings,
    MiddlewareSettings,
    ModuleSettings,
    SiteSettings,
    TraceSettings,
    WebSocketSettings,
)

# What a location says of these stands in place of what its parents say.
_REPLACED = ("access_log", "access", "error_format")


class EffectiveRules(NamedTuple):
    """What holds for every path below a location, after inheritance.

    `body` (bytes), `deadline` (seconds), `form_fields`, `form_memory` (bytes), `access_log`, `access` and `error_format` are
    None where no location says anything: then the server's settings or the defaults hold. `headers` have lower-case names.
    `modules` and `middleware` are those of the locations, parents first; the site's own go before them. `filtering` and `websockets` are put
    together key by key. `errors` are those of the nearest location first; there the most specific status wins. `locations` are the locations that
    took part, parents first; the last one is the nearest.
    """

    body: int | None
    headers: Mapping[str, str]
    access_log: bool | None
    modules: tuple[ModuleSettings, ...]
    locations: tuple[LocationSettings, ...]
    deadline: float | None = None
    form_fields: int | None = None
    form_memory: int | None = None
    access: tuple[str, ...] | None = None
    filtering: FilteringSettings = FilteringSettings()
    error_format: str | None = None
    errors: tuple[ErrorSettings, ...] = ()
    websockets: WebSocketSettings = WebSocketSettings()
    middleware: tuple[MiddlewareSettings, ...] = ()


def covers(prefix: str, path: str) -> bool:
    """Whether `path` is `prefix` or lies below it, by whole segments: "/admin" covers "/admin/x", not "/administrator"."""
    return prefix == "/" or path == prefix or path.startswith(f"{prefix}/")


def locations_of(site: SiteSettings) -> tuple[LocationSettings, ...]:
    """The locations of a site, parents before children, otherwise by name. Walk it backwards for "the longest first"."""
    return tuple(sorted(site.locations, key=lambda location: _segments(location.at)))


def find_trace_rule(site: SiteSettings, at: str) -> TraceSettings | None:
    """The rule by which requests below `at` leave a trace: that with the longest path, or None."""
    return max([rule for rule in site.traces if covers(rule.at, at)], key=lambda rule: len(rule.at), default=None)


def effective(site: SiteSettings, at: str) -> EffectiveRules:
    """The rules for the path `at` (decoded, as in `RequestHead.path`) and, where no location begins, all below it."""
    chain = tuple(location for location in locations_of(site) if covers(location.at, at))
    headers: dict[str, str] = {}
    modules: list[ModuleSettings] = []
    errors: list[ErrorSettings] = []
    limits: dict[str, Any] = {}
    filtering: dict[str, Any] = {}
    websockets: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for location in chain:
        limits |= _given(location.limits)
        filtering |= _given(location.filtering)
        websockets |= _given(location.websockets)
        own |= {key: value for key in _REPLACED if (value := getattr(location, key)) is not None}
        headers |= {name.lower(): value for name, value in location.headers.items()}
        modules += location.modules
        errors[:0] = location.errors
    return EffectiveRules(
        body=limits.get("body"),
        headers=headers,
        access_log=own.get("access_log"),
        modules=tuple(modules),
        locations=chain,
        deadline=limits.get("deadline"),
        form_fields=limits.get("form_fields"),
        form_memory=limits.get("form_memory"),
        access=own.get("access"),
        filtering=FilteringSettings(**filtering),
        error_format=own.get("error_format"),
        errors=tuple(errors),
        websockets=WebSocketSettings(**websockets),
        middleware=tuple(each for location in chain for each in location.middleware),
    )


def _given(table: Struct) -> dict[str, Any]:
    return {key: value for key, value in asdict(table).items() if value is not None}


def _segments(at: str) -> list[str]:
    return [segment for segment in at.split("/") if segment]
