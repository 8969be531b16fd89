"""Whether everything the site file refers to can be imported: the part of a check that runs the site's own code."""

from collections.abc import Callable, Iterator

from penstock.errors import ConfigurationError, Problem, StartupError
from penstock.settings.catalog import label
from penstock.settings.model import ModuleSettings, Settings, SiteSettings
from penstock.settings.positions import KeyPath
from penstock.settings.references import importable, load_reference


def check_references(settings: Settings, *, where: Callable[[KeyPath], str] | None = None) -> list[Problem]:
    """Import every module, function and application that is named, with `app_dirs` in front of the import path.

    Returns a problem for each one whose module is missing, fails while it is imported, or lacks the attribute.
    `where` gives the place of a key (`SiteFile.where`); without it the table is named.
    """
    problems: list[Problem] = []
    with importable(settings.server.app_dirs):
        for path, reference in references_of(settings):
            place = where(path) if where is not None else label(path[:-1])
            try:
                load_reference(reference)
            except ConfigurationError as error:
                problems += [Problem(f"{path[-1]}: {problem.message}", place) for problem in error.problems]
            except StartupError as error:
                problems.append(Problem(f"{path[-1]}: {error}", place))
    return problems


def references_of(settings: Settings) -> Iterator[tuple[KeyPath, str]]:
    """Every import reference of the site file, with the path of its key."""
    for number, site in enumerate(settings.sites):
        yield from _of_site(site, path=("site", number))


def _of_site(site: SiteSettings, *, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    yield from _of_modules(site.modules, path=(*path, "module"))
    for index, route in enumerate(site.routes):
        yield (*path, "route", index, "function"), route.function
    for index, app in enumerate(site.apps):
        for kind, reference in (("asgi", app.asgi), ("wsgi", app.wsgi), ("app", app.app)):
            if reference is not None:
                yield (*path, "app", index, kind), reference
    for index, location in enumerate(site.locations):
        yield from _of_modules(location.modules, path=(*path, "location", index, "modules"))


def _of_modules(modules: tuple[ModuleSettings, ...], *, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    for index, module in enumerate(modules):
        yield (*path, index, "use"), module.use
