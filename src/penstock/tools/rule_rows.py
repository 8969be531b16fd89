"""The rules that hold for a path, each with the location it comes from, as names and texts."""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict

from penstock.settings import LocationSettings, MiddlewareSettings, ModuleSettings, Settings, SiteSettings
from penstock.settings.forms import STAGES
from penstock.settings.locations import EffectiveRules, effective, find_trace_rule
from penstock.tools.plan_text import rule_text

Row = tuple[str, str]

_LIMITS = "[server.limits]"
_DEFAULT = "by default"


def rule_rows(settings: Settings, site: SiteSettings, at: str) -> Iterator[Row]:
    """Everything that is decided by where a path lies, whatever answers it."""
    rules = effective(site, at)
    yield "locations", " > ".join(location.at for location in rules.locations) or "none: the server's settings hold"
    yield from _limits(settings, rules)
    yield from _headers(settings, rules)
    yield from _refusals(rules)
    yield from _error_pages(rules)
    yield from _records(settings, site, rules, at=at)
    yield from _modules(site, rules)
    yield from _middleware(site, rules)


def _limits(settings: Settings, rules: EffectiveRules) -> Iterator[Row]:
    server, chain = settings.server.limits, rules.locations
    yield "body", f"at most {_said(rules.body, server.body)} bytes ({_limit_from(chain, 'body')})"
    deadline = _said(rules.deadline, server.deadline)
    told = f"{deadline:g} s to the head of the answer" if deadline else "none"
    yield "deadline", f"{told} ({_limit_from(chain, 'deadline')})"
    fields, memory = _said(rules.form_fields, server.form_fields), _said(rules.form_memory, server.form_memory)
    yield "forms", f"at most {fields} fields ({_limit_from(chain, 'form_fields')})"
    yield "forms", f"uploads beyond {memory} bytes go to disk ({_limit_from(chain, 'form_memory')})"


def _headers(settings: Settings, rules: EffectiveRules) -> Iterator[Row]:
    for name, value in settings.server.headers.items():
        if name not in rules.headers:
            yield "header", f"{name}: {value} ([server])"
    for name, value in rules.headers.items():
        source = _nearest([each.at for each in rules.locations if name in {key.lower() for key in each.headers}])
        yield "header", f"{name}: {value} ({source})"


def _refusals(rules: EffectiveRules) -> Iterator[Row]:
    chain = rules.locations
    source = _nearest([each.at for each in chain if each.access is not None])
    yield "access", f"{', '.join(_said(rules.access, ('read', 'script'))) or 'nothing'} ({source})"
    yield from _table(chain, "filtering", rules.filtering)
    yield from _table(chain, "websockets", rules.websockets)


def _table(chain: Sequence[LocationSettings], name: str, table: Struct) -> Iterator[Row]:
    """The keys of a table that is put together key by key, each with where it comes from."""
    for key, value in asdict(table).items():
        if value is not None:
            source = _nearest([each.at for each in chain if getattr(getattr(each, name), key) is not None])
            shown = ", ".join(str(each) for each in value) if isinstance(value, tuple) else value
            yield name, f"{key} = {shown} ({source})"


def _error_pages(rules: EffectiveRules) -> Iterator[Row]:
    if rules.error_format is not None:
        source = _nearest([each.at for each in rules.locations if each.error_format is not None])
        yield "error format", f"{rules.error_format} ({source})"
    for page in rules.errors:
        source = _nearest([each.at for each in rules.locations if any(page is one for one in each.errors)])
        what = next(f"{kind} {value}" for kind in ("file", "function", "path") if (value := getattr(page, kind)))
        yield "error page", f"{', '.join(str(spec) for spec in page.status)}: {what} ({source})"


def _records(settings: Settings, site: SiteSettings, rules: EffectiveRules, *, at: str) -> Iterator[Row]:
    log_from = _nearest([each.at for each in rules.locations if each.access_log is not None], "[server.log]")
    is_logged = _said(rules.access_log, settings.server.log.access)
    yield "access log", f"{'yes' if is_logged else 'no'} ({log_from})"
    rule = find_trace_rule(site, at)
    if rule is not None:
        yield "trace", f"{rule_text(rule.status, rule.slower_than)} ({rule.at}), into {settings.server.log.traces}"


def _modules(site: SiteSettings, rules: EffectiveRules) -> Iterator[Row]:
    """In the order in which they have their turn within a stage, unless a hook says a priority."""
    placed = [(module, "the site") for module in site.modules]
    placed += [(module, location.at) for location in rules.locations for module in location.modules]
    for number, (module, where) in enumerate(placed, 1):
        yield "module", f"{number}. {name_text(module)} ({where})"


def _middleware(site: SiteSettings, rules: EffectiveRules) -> Iterator[Row]:
    """In the order in which a request enters it: by stage, then as written."""
    placed = [(each, "the site") for each in site.middleware]
    placed += [(each, location.at) for location in rules.locations for each in location.middleware]
    placed.sort(key=lambda pair: STAGES.index(pair[0].stage.lower()))
    for number, (each, where) in enumerate(placed, 1):
        yield "middleware", f"{number}. {name_text(each)} at {each.stage.upper()} ({where})"


def name_text(module: ModuleSettings | MiddlewareSettings) -> str:
    """What is used, and what it is called where that is said."""
    return f"{module.use} as {module.name}" if module.name else module.use


def _said(value: Any, default: Any) -> Any:
    return default if value is None else value


def _limit_from(chain: Sequence[LocationSettings], key: str) -> str:
    return _nearest([each.at for each in chain if getattr(each.limits, key) is not None], _LIMITS)


def _nearest(ats: Sequence[str], otherwise: str = _DEFAULT) -> str:
    """The last of the locations that say something, parents first."""
    return ats[-1] if ats else otherwise
