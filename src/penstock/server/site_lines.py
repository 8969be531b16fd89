"""What is served where, in lines for people, made from what runs: shapes that were not said were detected."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.pipeline.site import PipelineSite


def site_lines(sites: Sequence[PipelineSite]) -> Iterator[str]:
    """A line for each thing that answers; the host names where there are several sites, or not all are answered."""
    for site in sites:
        yield from _lines_of(site, is_named=len(sites) > 1 or site.hosts != ("*",))


def only_shape(sites: Sequence[PipelineSite]) -> str:
    """The first word of what the only thing there is says of itself: ASGI, WSGI, function, files."""
    (site,) = sites
    (what,) = [*site.mounts, *([site.files] if site.files else [])]
    return what.name.partition(" ")[0]


def _lines_of(site: PipelineSite, *, is_named: bool) -> Iterator[str]:
    targets = [*site.routes, *site.mounts, *([site.files] if site.files else [])]
    width = max((len(each.at) for each in targets), default=0)
    if is_named:
        yield f"  {', '.join(site.hosts)}"
    for each in targets:
        yield f"  {each.at:{width}}  {each.name}"
