"""This file is what is printed when the server is ready: one line with the address, and for a site what is where."""

from collections.abc import Iterator, Sequence

import penstock
from penstock.settings import AppSettings, Settings, SiteSettings


def version_line() -> str:
    """Penstock's version and Python's."""
    import platform

    return f"penstock {penstock.__version__} ({platform.python_implementation()} {platform.python_version()})"


def ready_line(what: str, addresses: Sequence[str]) -> str:
    """One line that says what is served, and at which addresses (as URLs)."""
    return f"penstock {penstock.__version__} serving {what} at {', '.join(addresses)}"


def site_lines(settings: Settings) -> Iterator[str]:
    """For each site what answers where, as aligned columns."""
    for site in settings.sites:
        rows = list(answers_of(site))
        width = max((len(at) for at, _ in rows), default=0)
        if len(settings.sites) > 1 or site.hosts != ("*",):
            yield f"  {', '.join(site.hosts)}"
        for at, what in rows:
            yield f"  {at:{width}}  {what}"


def app_text(app: AppSettings) -> str:
    """One application: its shape where the settings say it, its reference, its threads."""
    if app.asgi is not None:
        return f"ASGI application {app.asgi}"
    if app.wsgi is not None:
        return f"WSGI application {app.wsgi} ({threads_text(app.threads)})"
    return f"application {app.app}"


def threads_text(threads: int) -> str:
    """How many threads, in words."""
    if threads == 0:
        return "on the loop"
    return "1 thread" if threads == 1 else f"{threads} threads"


def answers_of(site: SiteSettings) -> Iterator[tuple[str, str]]:
    """Where and what: each route, each mount, and the files."""
    for route in site.routes:
        yield route.at, f"function {route.function}"
    for app in site.apps:
        yield app.at, app_text(app)
    if site.root:
        yield "/", f"files of {site.root}"
