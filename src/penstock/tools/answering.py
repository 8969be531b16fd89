"""This file is what would answer a path, found with the pipeline's own matching and without importing what would answer."""

from collections.abc import Iterator
from dataclasses import dataclass

from penstock.pipeline.routes import Prefixes, Template
from penstock.settings import AppSettings, BackendSettings, RouteSettings, SiteSettings


@dataclass(frozen=True, slots=True)
class Answer:
    """What answers, why, and what it is told, as names and texts."""

    what: str
    why: str
    details: tuple[tuple[str, str], ...] = ()


def answer_to(site: SiteSettings, path: str, *, method: str) -> Answer:
    """What answers `path` on `site`: a route, else the longest mount, else a file below root, else nothing."""
    fitting = [(route, values) for route in site.routes if (values := Template(route.at).match(path)) is not None]
    # A template without parameters goes before those with some, whatever their order in the file.
    fitting.sort(key=lambda pair: "{" in pair[0].at)
    for route, values in fitting:
        if not route.answered_methods or method in route.answered_methods:
            return _by_route(route, values)
    if fitting:
        allowed = dict.fromkeys(name for route, _ in fitting for name in route.answered_methods)
        return Answer("405", f"a route fits, but it answers to {', '.join(allowed)}")
    mounts: list[AppSettings | BackendSettings] = [*site.apps, *site.proxies]
    mount = Prefixes([(each.at, each) for each in mounts]).find(path)
    if isinstance(mount, BackendSettings):
        return _by_proxy(mount, path)
    if mount is not None:
        return _by_mount(mount, path)
    if site.root:
        return Answer(
            f"files of {site.root}", "no route and no application covers the path", tuple(_file_details(site))
        )
    return Answer("404", "no route and no application covers the path, and the site has no root")


def needs_of(answer: Answer) -> str:
    """The right that a location must grant it: "read" for files, "script" for what runs code, "" for a refusal."""
    if answer.what in ("404", "405"):
        return ""
    return "read" if answer.what.startswith("files of ") else "script"


def _by_route(route: RouteSettings, values: dict[str, object]) -> Answer:
    details = [("with", f"{name} = {value!r}") for name, value in values.items()]
    if route.status is None:
        details.append(("runs", "on the event loop" if not route.threads else f"in {threads_text(route.threads)}"))
    return Answer(route.label, f"the route {route.at}", (*details, *_route_details(route)))


def _route_details(route: RouteSettings) -> Iterator[tuple[str, str]]:
    """What the route says of itself, where it is not as usual."""
    if route.handler or route.factory:
        made = "by its factory" if route.factory else "once" if route.lifetime == "singleton" else "for each request"
        yield "lifetime", f"the handler is made {made}"
    if route.preloads:
        yield "preload", "the body is read before it is called"
    if route.subprotocols:
        yield "speaks", f"{', '.join(route.subprotocols)}: the first that the client offers"
    if route.allow_anonymous:
        yield "allows", "everybody, whatever authorization says (allow_anonymous)"
    if route.cancel_on_disconnect:
        yield "cancels", "when the client leaves (cancel_on_disconnect)"


def _by_mount(app: AppSettings, path: str) -> Answer:
    prefix = app.root_path + app.at.rstrip("/")
    rest = path[len(app.at.rstrip("/")) :]
    if app.asgi is not None:
        told = f"root_path {prefix!r}, path {app.root_path + path!r}"
    elif app.wsgi is not None:
        told = f"SCRIPT_NAME {prefix!r}, PATH_INFO {rest!r}"
    elif app.owin is not None:
        told = f"owin.RequestPathBase {prefix!r}, owin.RequestPath {rest!r}"
    else:
        told = f"that it is mounted at {prefix!r}"
    return Answer(
        app_text(app), f"the longest mount that covers the path is {app.at}", (("is told", told), *_app_details(app))
    )


def _by_proxy(proxy: BackendSettings, path: str) -> Answer:
    asked = (path[len(proxy.at.rstrip("/")) :] or "/") if proxy.strip_prefix else path
    details = [("asks for", asked)]
    if proxy.allow_anonymous:
        details.append(("allows", "everybody, whatever authorization says (allow_anonymous)"))
    return Answer(proxy.label, f"the longest mount that covers the path is {proxy.at}", tuple(details))


def _app_details(app: AppSettings) -> Iterator[tuple[str, str]]:
    if app.pool:
        yield "runs", f"in processes of its own, those of the pool {app.pool}"
    if app.allow_anonymous:
        yield "allows", "everybody, whatever authorization says (allow_anonymous)"


def _file_details(site: SiteSettings) -> Iterator[tuple[str, str]]:
    if site.files.default_documents:
        yield "folders", f"answer with {' or '.join(site.files.default_documents)}"
    if site.files.fallback:
        yield "fallback", f"{site.files.fallback} for unknown paths, to clients that accept text/html"


def app_text(app: AppSettings) -> str:
    """One application: its shape where the settings say it, its reference, its threads, its pool."""
    pool = f" in the pool {app.pool}" if app.pool else ""
    if app.asgi is not None:
        return f"ASGI application {app.asgi}{pool}"
    if app.wsgi is not None:
        # The pool may say how many threads.
        return (
            f"WSGI application {app.wsgi}{pool}"
            if pool
            else f"WSGI application {app.wsgi} ({threads_text(app.threads)})"
        )
    return f"OWIN application {app.owin}{pool}" if app.owin is not None else f"application {app.app}{pool}"


def threads_text(threads: int) -> str:
    """How many threads, in words."""
    if threads == 0:
        return "on the loop"
    return "1 thread" if threads == 1 else f"{threads} threads"


def answers_of(site: SiteSettings) -> Iterator[tuple[str, str]]:
    """Where and what: each route, each mount, and the files."""
    for route in site.routes:
        yield route.at, route.label
    for app in site.apps:
        yield app.at, app_text(app)
    for proxy in site.proxies:
        yield proxy.at, proxy.label
    if site.root:
        yield "/", f"files of {site.root}"
