"""This file is what is printed when the server is ready: one line with the address, and for a site what is where."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import penstock
from penstock.tools.target import Kind, kind_of

if TYPE_CHECKING:
    from penstock.pipeline.site import PipelineSite
    from penstock.server import Server


def version_line() -> str:
    """Penstock's version and Python's."""
    import platform

    return f"penstock {penstock.__version__} ({platform.python_implementation()} {platform.python_version()})"


def announce(target: str, server: "Server") -> None:
    """Print what is served where: one line, and for a site one more for each thing in it."""
    for line in ready_lines(target, server):
        print(line, flush=True)


def ready_lines(target: str, server: "Server") -> Iterator[str]:
    """The start-up lines, made from what runs: shapes that were not said were detected."""
    addresses = ", ".join(server.addresses)
    kind = kind_of(target)
    what = target if kind is Kind.SITE_FILE else f"{target} ({_shape(server)})"
    yield f"penstock {penstock.__version__} serving {what} at {addresses}"
    if kind is Kind.SITE_FILE:
        for site in server.sites:
            yield from _site_lines(site, is_named=len(server.sites) > 1 or site.hosts != ("*",))


def _shape(server: "Server") -> str:
    """The first word of what the only thing there is says of itself: ASGI, WSGI, function, files."""
    (site,) = server.sites
    (what,) = [*site.mounts, *([site.files] if site.files else [])]
    return what.name.partition(" ")[0]


def _site_lines(site: "PipelineSite", *, is_named: bool) -> Iterator[str]:
    targets = [*site.routes, *site.mounts, *([site.files] if site.files else [])]
    width = max((len(each.at) for each in targets), default=0)
    if is_named:
        yield f"  {', '.join(site.hosts)}"
    for each in targets:
        yield f"  {each.at:{width}}  {each.name}"
