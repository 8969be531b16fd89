"""From settings to sites: everything that can fail for the operator fails here, before the first request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from msgspec.structs import asdict

from penstock.errors import ConfigurationError, Problem, StartupError
from penstock.http.headers import encode_field
from penstock.pipeline.decorators import attach_module
from penstock.pipeline.location import Location
from penstock.pipeline.module import Hooks
from penstock.pipeline.site import PipelineSite
from penstock.request_sockets.options import SocketRules
from penstock.server.pool_sites import pool_target
from penstock.server.targets import app_target, files_target, function_step, proxy_target, route_target
from penstock.server.tracing import Traces
from penstock.settings import (
    AppSettings,
    ErrorSettings,
    FilteringSettings,
    MiddlewareSettings,
    ModuleSettings,
    ServerSettings,
    Settings,
    SiteSettings,
    WebSocketSettings,
)
from penstock.settings.locations import EffectiveRules, effective, locations_of
from penstock.settings.references import load_reference
from penstock.settings.statuses import statuses_of

if TYPE_CHECKING:
    from penstock.http.filtering import RequestFiltering
    from penstock.pipeline.error_pages import ErrorPages, PageRule
    from penstock.pipeline.module import Module
    from penstock.pipeline.target import Target
    from penstock.request_handlers.pool_address import PoolAddress

T = TypeVar("T")
# What takes part in requests under a name.
Named = ModuleSettings | MiddlewareSettings

# An application that is handed over as an object stands behind a name of this form instead of an import reference.
Objects = Mapping[str, object]
# What keys of `websockets` are called in Python, where that differs.
_SOCKET_RULES: Final = {
    "origins": "allowed_origins",
    "same_origin": "require_same_origin",
    "max_message": "max_message_size",
    "keep_alive": "keepalive_interval",
    "keep_alive_timeout": "keepalive_timeout",
}

# Gives the place of a key of the site file, "penstock.toml:12", or "" where there is no file.
Where = Callable[[tuple[str | int, ...]], str]


def compose_sites(
    settings: Settings,
    objects: Objects | None = None,
    *,
    where: Where = lambda path: "",
    traces: Traces | None = None,
    pools: Mapping[str, PoolAddress] | None = None,
    entry: Module | None = None,
) -> list[PipelineSite]:
    """Import, connect and assemble all that `settings` name. `objects` are taken by name instead of being imported.

    `traces` are opened and closed by the caller. `pools` are those of a supervisor, None without one; `entry`, in a pool's own
    worker, is the module in front of all others. Nothing is started. Raises ConfigurationError with every mistake of every
    site, at the places that `where` gives, and StartupError when a module or a factory fails in code of its own.
    """
    problems: list[Problem] = []
    sites = []
    traces = traces or Traces(settings.server.log)
    for number, site in enumerate(settings.sites):
        place = partial(_where_in_site, where, number)
        pooled = partial(pool_target, pools=settings.pools, addresses=pools)
        composer = _Composer(
            settings.server, site, objects or {}, where=place, traces=traces, pooled=pooled, entry=entry
        )
        sites.append(composer.compose())
        problems += composer.problems
    if problems:
        raise ConfigurationError(problems)
    return [site for site in sites if site is not None]


def _where_in_site(where: Where, number: int, *path: str | int) -> str:
    return where(("site", number, *path))


class _Composer:
    """Composes one site and collects its mistakes."""

    def __init__(
        self,
        server: ServerSettings,
        site: SiteSettings,
        objects: Objects,
        *,
        where: Callable[..., str],
        traces: Traces,
        pooled: Callable[[AppSettings], Target | None],
        entry: Module | None,
    ) -> None:
        """`where(*path)` is the place of a key of the site."""
        self.problems: list[Problem] = []
        self._server = server
        self._site = site
        self._objects = objects
        self._where = where
        self._traces = traces
        self._pooled = pooled
        self._entry = entry
        self._placed: dict[int, Hooks | None] = {}
        self._pages: dict[int, PageRule] = {}

    def compose(self) -> PipelineSite | None:
        """The site, or None when there are mistakes."""
        site = self._site
        modules = [
            *self._entry_module(),
            *self._offline_module(),
            *self._each(self._module, site.modules, "module"),
            *self._each(self._middleware, site.middleware, "middleware"),
            *(self._try(self._builder, "builder") or ()),
        ]
        routes = self._each(partial(route_target, load=self._load), site.routes, "route")
        mounts = self._each(self._app, site.apps, "app")
        modules += self._offline_applications(mounts)
        mounts += self._each(proxy_target, site.proxies, "proxy")
        files = self._try(lambda: files_target(site.root, site.files) if site.root else None, "root")
        self._check_names()
        self._place_modules()
        self._place_pages()
        # A rule for traces holds for a place of its own, whether or not there is a location.
        places = ("/", *(each.at for each in locations_of(site)), *(each.at for each in site.traces))
        locations = [self._location(at) for at in dict.fromkeys(places)]
        if self.problems:
            return None
        return self._try(
            lambda: PipelineSite(
                hosts=site.hosts,
                modules=modules,
                routes=routes,
                mounts=mounts,
                files=files,
                locations=locations,
                is_development=self._server.mode == "development",
                is_verified=self._server.verifier,
            )
        )

    def _each(self, make: Callable[[Any], T], settings: Sequence[Any], key: str) -> list[T]:
        made = [self._try(partial(make, each), key, index) for index, each in enumerate(settings)]
        return [each for each in made if each is not None]

    def _try(self, make: Callable[[], T], *path: str | int) -> T | None:
        """What `make` gives; None when it was a mistake, which is noted at the place of `path`."""
        try:
            return make()
        except ConfigurationError as error:
            self.problems += [Problem(each.message, each.where or self._where(*path)) for each in error.problems]
            return None

    def _load(self, reference: str) -> object:
        return self._objects[reference] if reference in self._objects else load_reference(reference)

    def _module(self, settings: ModuleSettings) -> Hooks:
        kind: Any = self._load(settings.use)
        try:
            module = kind(**settings.settings) if isinstance(kind, type) or settings.settings else kind
            hooks = Hooks(_name_of(settings))
            attach_module(module, hooks)
        except (TypeError, ValueError, AttributeError) as error:
            raise ConfigurationError([Problem(f"module {settings.use}: {error}")]) from error
        except ConfigurationError:
            raise
        except Exception as error:
            raise StartupError(f"module {settings.use} failed to start: {error}") from error
        return hooks

    def _middleware(self, settings: MiddlewareSettings) -> Hooks:
        from penstock.server.middleware import middleware_hooks

        return middleware_hooks(settings, _name_of(settings), self._load)

    def _builder(self) -> list[Hooks]:
        if self._site.builder is None:
            return []
        from penstock.server.middleware import builder_hooks

        named: list[Named] = [*self._site.modules, *self._site.middleware]
        taken = [_name_of(each) for each in named]
        return builder_hooks(self._site.builder, self._load, taken)

    def _app(self, settings: AppSettings) -> Target:
        in_pool = self._pooled(settings) if settings.pool else None
        return in_pool or app_target(settings, self._load)

    def _entry_module(self) -> list[Hooks]:
        if self._entry is None:
            return []
        hooks = Hooks("pool_entry")
        self._entry.attach(hooks)
        return [hooks]

    def _offline_module(self) -> list[Hooks]:
        """The module in front of all others, where the site has an offline file (pipeline E-07)."""
        if not self._site.offline_file:
            return []
        from penstock.pipeline_modules.offline import Offline

        hooks = Hooks("offline_file")
        Offline(self._site.offline_file).attach(hooks)
        return [hooks]

    def _offline_applications(self, apps: Sequence[Target]) -> list[Hooks]:
        """The module that answers for single applications, where any has an offline file."""
        settings = self._site.apps
        if not any(each.offline_file for each in settings) or len(apps) < len(settings):
            return []  # with an application missing, there are mistakes, and no site
        from penstock.pipeline_modules.offline import OfflineApplications

        hooks = Hooks("offline_file of applications")
        files = {app: each.offline_file for app, each in zip(apps, settings, strict=True) if each.offline_file}
        OfflineApplications(files).attach(hooks)
        return [hooks]

    def _place_modules(self) -> None:
        """The modules of locations: one object each, made once, also for the locations below that inherit it (pipeline A-02)."""
        for index, location in enumerate(self._site.locations):
            for number, module in enumerate(location.modules):
                if id(module) not in self._placed:
                    made = self._try(partial(self._module, module), "location", index, "modules", number)
                    self._placed[id(module)] = made
            for number, each in enumerate(location.middleware):
                if id(each) not in self._placed:
                    made = self._try(partial(self._middleware, each), "location", index, "middleware", number)
                    self._placed[id(each)] = made

    def _check_names(self) -> None:
        """Names of modules are their identity: no plan has two of one name (pipeline A-10)."""
        found: dict[str, Named] = {}
        site = self._site
        for number, module in enumerate(site.modules):
            self._check_name(module, found, "module", number)
        for number, each in enumerate(site.middleware):
            self._check_name(each, found, "middleware", number)
        for index, location in enumerate(site.locations):
            inherited = effective(site, location.at).locations[:-1]
            above: list[Named] = []
            for parent in inherited:
                above += [*parent.modules, *parent.middleware]
            seen = found | {_name_of(each).lower(): each for each in above}
            for number, module in enumerate(location.modules):
                self._check_name(module, seen, "location", index, "modules", number)
            for number, each in enumerate(location.middleware):
                self._check_name(each, seen, "location", index, "middleware", number)

    def _check_name(self, module: Named, found: dict[str, Named], *path: str | int) -> None:
        name = _name_of(module)
        other = found.setdefault(name.lower(), module)
        if other is not module:
            spelled = "" if _name_of(other) == name else f" as {_name_of(other)!r}"
            advice = "give one of them a `name` of its own"
            self.problems.append(
                Problem(f"a module named {name!r} is there already{spelled}: {advice}", self._where(*path))
            )

    def _place_pages(self) -> None:
        """The error pages of locations: made once, also for the locations below that inherit them."""
        for index, location in enumerate(self._site.locations):
            for number, page in enumerate(location.errors):
                made = self._try(partial(self._page, page), "location", index, "errors", number)
                if made is not None:
                    self._pages[id(page)] = made

    def _page(self, settings: ErrorSettings) -> PageRule:
        from penstock.pipeline.error_pages import PageRule, file_page, function_page, path_page

        statuses = [statuses_of([spec]) for spec in settings.status]
        if settings.file:
            return PageRule(statuses, file_page(settings.file))
        if settings.path:
            return PageRule(statuses, path_page(settings.path))
        execute = function_step(settings.function or "", self._load)
        return PageRule(statuses, function_page(settings.function or "", execute))

    def _error_pages(self, rules: EffectiveRules) -> ErrorPages | None:
        levels = [
            [self._pages[id(page)] for page in each.errors if id(page) in self._pages] for each in rules.locations
        ]
        if not any(levels):
            return None
        from penstock.pipeline.error_pages import ErrorPages

        return ErrorPages(levels)

    def _location(self, at: str) -> Location:
        rules = effective(self._site, at)
        limits = self._server.limits
        index = next((index for index, each in enumerate(self._site.locations) if each.at == at), None)
        headers = {name.lower(): value for name, value in self._server.headers.items()} | dict(rules.headers)
        return Location(
            at,
            headers=[encode_field(name, value) for name, value in headers.items()],
            body_limit=_said(rules.body, limits.body),
            deadline=_said(rules.deadline, limits.deadline),
            form_fields=_said(rules.form_fields, limits.form_fields),
            form_memory=_said(rules.form_memory, limits.form_memory),
            access=_said(rules.access, ("read", "script")),
            error_format=_said(rules.error_format, "negotiated"),
            error_pages=self._error_pages(rules),
            filtering=_filtering_of(rules.filtering),
            wraps=self._traces.wraps_at(self._site, at),
            sockets=_sockets_of(rules.websockets),
            access_log=rules.access_log is not False,
            modules=[
                hooks for each in (*rules.modules, *rules.middleware) if (hooks := self._placed[id(each)]) is not None
            ],
            where=self._where() if index is None else self._where("location", index),
        )


def _filtering_of(settings: FilteringSettings) -> RequestFiltering | None:
    given = {key: value for key, value in asdict(settings).items() if value is not None}
    if not any(given.values()):
        return None
    from penstock.http.filtering import RequestFiltering

    return RequestFiltering(**given)


def _sockets_of(settings: WebSocketSettings) -> SocketRules:
    """What the locations say; where they say nothing, the defaults of `SocketRules` hold."""
    given = {_SOCKET_RULES.get(key, key): value for key, value in asdict(settings).items() if value is not None}
    if "*" in given.get("allowed_origins", ()):
        del given["allowed_origins"]
    return SocketRules(**given)


def _name_of(settings: Named) -> str:
    return settings.name or settings.use.rpartition(":")[2]


def _said(value: T | None, default: T) -> T:
    """What a location says, else what holds where none says anything."""
    return default if value is None else value
