"""Whether everything the site file refers to can be imported: the part of a check that runs the site's own code."""

import os
from collections.abc import Iterator, Mapping

from penstock.errors import ConfigurationError, StartupError
from penstock.settings.loader import SiteFile, draft_of
from penstock.settings.pool_check import broken_pools, references_of_pool
from penstock.settings.positions import KeyPath
from penstock.settings.references import importable, load_reference
from penstock.settings.shape import Table


def check_site_file(path: str | os.PathLike[str], environ: Mapping[str, str] | None = None) -> SiteFile:
    """Load a site file and import every module, function and application it names, with `app_dirs` in front of the import path.

    Raises `ConfigurationError` with all mistakes at once, in the order of the file: also a reference whose module is
    missing, fails while it is imported, or lacks the attribute. Applications of a pool are imported by the pool's own Python,
    in a process of its own.
    """
    draft = draft_of(path, environ)
    for place, message in (*_broken_references(draft.tree), *broken_pools(draft.tree)):
        draft.report(place, message)
    return SiteFile(draft.path, draft.settings(), draft.where)


def references_of(tree: Table) -> Iterator[tuple[KeyPath, str]]:
    """Every import reference of a judged tree, with the path of its key."""
    for number, site in enumerate(tree.get("site", [])):
        path: KeyPath = ("site", number)
        yield from _of_tables(site, "module", keys=("use",), path=path)
        yield from _of_tables(site, "middleware", keys=("use",), path=path)
        if site.get("builder"):
            yield (*path, "builder"), site["builder"]
        yield from _of_tables(site, "route", keys=("function", "handler", "factory", "websocket"), path=path)
        yield from _of_tables(site, "app", keys=("asgi", "wsgi", "owin", "app"), path=path)
        for index, location in enumerate(site.get("location", [])):
            yield from _of_tables(location, "modules", keys=("use",), path=(*path, "location", index))
            yield from _of_tables(location, "middleware", keys=("use",), path=(*path, "location", index))
            yield from _of_tables(location, "errors", keys=("function",), path=(*path, "location", index))


def _broken_references(tree: Table) -> Iterator[tuple[KeyPath, str]]:
    names = [pool.get("name", "") for pool in tree.get("pool", [])]
    elsewhere = {each.path for name in names for each in references_of_pool(tree, name)}
    with importable(tree["server"]["app_dirs"]):
        for path, reference in references_of(tree):
            if path in elsewhere:
                continue
            try:
                load_reference(reference)
            except ConfigurationError as error:
                yield path, f"{path[-1]}: {error.problems[0].message}"
            except StartupError as error:
                yield path, f"{path[-1]}: {error}"


def _of_tables(owner: Table, name: str, *, keys: tuple[str, ...], path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    for index, table in enumerate(owner.get(name, [])):
        for key in keys:
            if table.get(key):
                yield (*path, name, index, key), table[key]
