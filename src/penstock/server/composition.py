"""From settings to sites: everything that can fail for the operator fails here, before the first request."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from penstock.errors import ConfigurationError, Problem, StartupError
from penstock.http.headers import encode_field
from penstock.pipeline.handler import execute_step
from penstock.pipeline.location import Location
from penstock.pipeline.module import Hooks
from penstock.pipeline.routes import Template
from penstock.pipeline.site import PipelineSite
from penstock.pipeline.target import Target
from penstock.settings import AppSettings, ModuleSettings, RouteSettings, ServerSettings, Settings, SiteSettings
from penstock.settings.locations import effective, locations_of
from penstock.settings.references import load_reference

T = TypeVar("T")

# An application that is handed over as an object stands behind a name of this form instead of an import reference.
Objects = Mapping[str, object]
# Gives the place of a key of the site file, "penstock.toml:12", or "" where there is no file.
Where = Callable[[tuple[str | int, ...]], str]


def compose_sites(
    settings: Settings, objects: Objects | None = None, *, where: Where = lambda path: ""
) -> list[PipelineSite]:
    """Import, connect and assemble all that `settings` name. `objects` are taken by name instead of being imported.

    Nothing is started. Raises ConfigurationError with every mistake of every site, at the places that `where` gives, and
    StartupError when a module or a factory fails in code of its own.
    """
    problems: list[Problem] = []
    sites = []
    for number, site in enumerate(settings.sites):
        composer = _Composer(settings.server, site, objects or {}, where=partial(_where_in_site, where, number))
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
        self, server: ServerSettings, site: SiteSettings, objects: Objects, *, where: Callable[..., str]
    ) -> None:
        """`where(*path)` is the place of a key of the site."""
        self.problems: list[Problem] = []
        self._server = server
        self._site = site
        self._objects = objects
        self._where = where
        self._placed: dict[int, Hooks | None] = {}

    def compose(self) -> PipelineSite | None:
        """The site, or None when there are mistakes."""
        site = self._site
        modules = self._each(self._module, site.modules, "module")
        routes = self._each(self._route, site.routes, "route")
        mounts = self._each(self._mount, site.apps, "app")
        files = self._try(lambda: self._files(site.root) if site.root else None, "root")
        self._place_modules()
        locations = [self._location(at) for at in ("/", *(each.at for each in locations_of(site) if each.at != "/"))]
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
            hooks = Hooks(settings.use.rpartition(":")[2])
            module.attach(hooks)
        except (TypeError, ValueError, AttributeError) as error:
            raise ConfigurationError([Problem(f"module {settings.use}: {error}")]) from error
        except ConfigurationError:
            raise
        except Exception as error:
            raise StartupError(f"module {settings.use} failed to start: {error}") from error
        return hooks

    def _route(self, settings: RouteSettings) -> Target:
        from penstock.request_handlers.functions import function_handler

        function: Any = self._load(settings.function)
        if not callable(function):
            kind = type(function).__name__
            raise ConfigurationError(
                [Problem(f"{settings.function} is {kind!r}, which cannot be called: name a function")]
            )
        template = Template(settings.at)
        handler = function_handler(function, template.names)
        name = f"function {settings.function}"
        if settings.threads:
            from penstock.request_handlers.threaded_functions import ThreadedFunction

            threaded = ThreadedFunction(handler, settings.threads)
            return Target(
                name,
                settings.at,
                threaded.execute,
                template=template,
                methods=settings.answered_methods,
                on_start=threaded.start,
                on_stop=threaded.stop,
            )
        return Target(name, settings.at, execute_step(handler), template=template, methods=settings.answered_methods)

    def _mount(self, settings: AppSettings) -> Target:
        reference = settings.asgi or settings.wsgi or settings.app or ""
        application: Any = self._load(reference)
        if settings.factory:
            application = _call_factory(application, reference)
        said = "asgi3" if settings.asgi else "wsgi" if settings.wsgi else ""
        shape = said if said and callable(application) else _detect(application, reference)
        if shape == "wsgi":
            return self._mount_wsgi(application, settings, reference)
        if shape == "native":
            from penstock.request_handlers.functions import function_handler

            return Target(f"function {reference}", settings.at, execute_step(function_handler(application)))
        return self._mount_asgi(application, settings, reference)

    def _mount_asgi(self, application: Any, settings: AppSettings, reference: str) -> Target:
        from penstock.pipeline_gateways.asgi import AsgiGateway
        from penstock.pipeline_gateways.lifespan import Lifespan

        gateway = AsgiGateway(
            application, at=settings.at, root_path=settings.root_path, offers_pathsend=settings.pathsend
        )
        name = f"ASGI {reference}"
        lifespan = Lifespan(gateway, name)
        return Target(
            name, settings.at, gateway.execute, finish=gateway.finish, on_start=lifespan.start, on_stop=lifespan.stop
        )

    def _mount_wsgi(self, application: Any, settings: AppSettings, reference: str) -> Target:
        from penstock.pipeline_gateways.wsgi import WsgiGateway

        gateway = WsgiGateway(
            application,
            at=settings.at,
            root_path=settings.root_path,
            threads=settings.threads,
            queue=settings.queue,
        )
        return Target(
            f"WSGI {reference}",
            settings.at,
            gateway.execute,
            finish=gateway.finish,
            on_start=gateway.start,
            on_stop=gateway.stop,
        )

    def _files(self, root: str) -> Target:
        from msgspec.structs import asdict

        from penstock.request_handlers.static_files import StaticFiles

        files = StaticFiles(root, **asdict(self._site.files))
        return Target(f"files {root}", "/", files)

    def _place_modules(self) -> None:
        """The modules of locations: one object each, made once, also for the locations below that inherit it (pipeline A-02)."""
        for index, location in enumerate(self._site.locations):
            for number, module in enumerate(location.modules):
                if id(module) not in self._placed:
                    made = self._try(partial(self._module, module), "location", index, "modules", number)
                    self._placed[id(module)] = made

    def _location(self, at: str) -> Location:
        rules = effective(self._site, at)
        index = next((index for index, each in enumerate(self._site.locations) if each.at == at), None)
        headers = {name.lower(): value for name, value in self._server.headers.items()} | dict(rules.headers)
        return Location(
            at,
            headers=[encode_field(name, value) for name, value in headers.items()],
            body_limit=self._server.limits.body if rules.body is None else rules.body,
            access_log=rules.access_log is not False,
            modules=[hooks for each in rules.modules if (hooks := self._placed[id(each)]) is not None],
            where=self._where() if index is None else self._where("location", index),
        )


def _detect(application: object, reference: str) -> str:
    from penstock.pipeline_gateways.shapes import Shape, detect_shape

    shape = detect_shape(application, reference)
    if shape in (Shape.ASGI2, Shape.RSGI):
        raise ConfigurationError(
            [
                Problem(
                    f"{reference} is an {shape.value.upper()} application; Penstock serves ASGI 3, WSGI and functions"
                )
            ]
        )
    return str(shape.value)


def _call_factory(factory: Any, reference: str) -> object:
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise ConfigurationError(
            [Problem(f"the factory {reference} cannot be called without arguments: {error}")]
        ) from error
    except ValueError:
        pass  # written in C, without a signature
    try:
        return factory()
    except Exception as error:
        raise StartupError(f"the factory {reference} failed: {error}") from error
