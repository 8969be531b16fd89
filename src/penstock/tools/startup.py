"""This file is what is printed when the server is ready: one line with the address, and for a site what is where."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import penstock
from penstock.server.site_lines import only_shape, site_lines
from penstock.tools.target import Kind, kind_of

if TYPE_CHECKING:
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
    yield first_line(
        target, server.addresses, shape=only_shape(server.sites) if kind_of(target) is not Kind.SITE_FILE else ""
    )
    if kind_of(target) is Kind.SITE_FILE:
        yield from site_lines(server.sites)


def first_line(target: str, addresses: Sequence[str], *, shape: str = "", workers: int = 0) -> str:
    """What is served, and where; `shape` is what was detected, `workers` how many processes there are, if there are several."""
    what = f"{target} ({shape})" if shape else target
    many = f" with {workers} workers" if workers > 1 else ""
    return f"penstock {penstock.__version__} serving {what} at {', '.join(addresses)}{many}"
