"""What must hold between several keys: one kind of answer, no clashes, and hosts that lead to one site."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from penstock.settings.model import AppSettings, ErrorSettings, RouteSettings
from penstock.settings.names import join_choices
from penstock.settings.positions import KeyPath
from penstock.settings.shape import Report, Table
from penstock.settings.statuses import statuses_of
from penstock.settings.templates import shape_of

# Of these keys, a table has exactly one.
ONE_OF: Mapping[type[Struct], tuple[str, ...]] = {
    AppSettings: ("asgi", "wsgi", "owin", "app"),
    RouteSettings: ("function", "handler", "factory", "status", "websocket"),
    ErrorSettings: ("file", "function", "path"),
}
# Headers that belong to one connection, or say where a body ends: nobody sets them by hand (RFC 9110 section 7.6.1).
_OWN_HEADERS = {
    "connection": "it is the connection's own",
    "content-length": "it says where a body ends",
    "expect": "it is between the client and this server",
    "host": "the key host says which it is",
    "keep-alive": "it is the connection's own",
    "te": "it is the connection's own",
    "trailer": "it says what follows a body",
    "transfer-encoding": "it says where a body ends",
    "upgrade": "the key websockets allows it",
}
WSGI_ONLY = ("threads", "queue")
ASGI_ONLY = ("pathsend",)
# Keys of a route that mean something with some kinds of answer only.
_ROUTE_KEYS = {
    "methods": ("function", "handler", "factory", "status"),
    "subprotocols": ("websocket",),
    "lifetime": ("handler",),
    "settings": ("handler", "factory"),
    "threads": ("function", "handler", "factory"),
    "preload": ("function", "handler", "factory"),
    "cancel_on_disconnect": ("function", "handler", "factory"),
}


class Rules:
    """The judge of a tree whose shape was judged before; keys that were refused there are absent here.

    `where(path)` is the place of a key, for "another one is at ..."; `refused` has the paths of those absent keys.
    """

    def __init__(self, report: Report, where: Callable[[KeyPath], str], *, refused: Container[KeyPath]) -> None:
        self._report = report
        self._where = where
        self._refused = refused

    def judge(self, tree: Table) -> None:
        """Report everything that is wrong between keys."""
        sites: Sequence[Table] = tree.get("site", [])
        self._judge_headers(tree.get("server", {}), path=("server",))
        self._judge_fastcgi(tree.get("server", {}))
        self._judge_hosts(sites)
        for number, site in enumerate(sites):
            path: KeyPath = ("site", number)
            for index, app in enumerate(site.get("app", [])):
                self._judge_app(app, path=(*path, "app", index))
            for index, proxy in enumerate(site.get("proxy", [])):
                self._judge_proxy(proxy, path=(*path, "proxy", index))
            self._judge_mounts(site, "app", path=path)
            self._judge_mounts(site, "proxy", path=path)
            self._judge_shared_mounts(site, path=path)
            self._judge_mounts(site, "location", path=path)
            self._judge_routes(site.get("route", []), path=(*path, "route"))
            for index, location in enumerate(site.get("location", [])):
                self._judge_headers(location, path=(*path, "location", index))
                self._judge_origins(location.get("websockets", {}), path=(*path, "location", index, "websockets"))
                self._judge_stages(location.get("middleware", []), path=(*path, "location", index, "middleware"))
                for number, page in enumerate(location.get("errors", [])):
                    place: KeyPath = (*path, "location", index, "errors", number)
                    self._judge_page(page, path=place)
            for index, trace in enumerate(site.get("trace", [])):
                self._judge_trace(trace, path=(*path, "trace", index))

    def _judge_fastcgi(self, server: Table) -> None:
        """A place for web servers is of no use where none of them is trusted: whoever may connect says who the client is."""
        trusted = server.get("proxy", {}).get("trusted")
        if trusted is None or "*" in trusted:
            return
        for index, text in enumerate(server.get("listen", [])):
            is_unix = text.startswith("fcgi+unix:")
            if (is_unix and "unix:" not in trusted) or (text.startswith("fcgi://") and not set(trusted) - {"unix:"}):
                told = 'add "unix:"' if is_unix else "add the address of the web server"
                advice = f"{told} to trusted in [server.proxy]"
                self._report(("server", "listen", index), f'"{text}" would turn every web server away: {advice}')

    def _judge_headers(self, table: Table, *, path: KeyPath) -> None:
        # RFC 9110 section 5.1: field names are case-insensitive
        seen: dict[str, str] = {}
        for name in table.get("headers", {}):
            first = seen.setdefault(name.lower(), name)
            if first != name:
                self._report((*path, "headers", name), f'headers has "{name}" and "{first}", which are one header')

    def _judge_origins(self, table: Table, *, path: KeyPath) -> None:
        origins = table.get("origins", [])
        if "*" in origins and len(origins) > 1:
            self._report((*path, "origins"), 'origins has "*", which is any page: leave out "*", or the others')
        elif origins and "*" not in origins and table.get("same_origin"):
            told = "same_origin refuses every page but those of this host, also the others in origins"
            self._report((*path, "same_origin"), f"{told}: leave it out, and name this host among origins")

    def _judge_hosts(self, sites: Sequence[Table]) -> None:
        seen: dict[str, KeyPath] = {}
        for host, path in self._hosts_of(sites):
            first = seen.setdefault(host.lower(), path)
            if first == path:
                continue
            if first[:2] == path[:2]:
                self._report(path, f'hosts has "{host}" twice')
            else:
                advice = ": say which hosts each [[site]] answers for" if host == "*" else ""
                self._report(path, f'the host "{host}" belongs to another [[site]], at {self._where(first)}{advice}')

    def _judge_app(self, app: Table, *, path: KeyPath) -> None:
        found = self._find_kind(app, AppSettings, "[[site.app]]", path=path)
        if found is None or found == "app":
            return
        for owner, keys in (("wsgi", WSGI_ONLY), ("asgi", ASGI_ONLY)):
            for key in keys if found != owner else ():
                if key in app:
                    told = f'"{key}" is for {owner.upper()} applications, and this is {found.upper()}'
                    self._report((*path, key), told)

    def _judge_proxy(self, proxy: Table, *, path: KeyPath) -> None:
        seen: set[str] = set()
        for index, backend in enumerate(proxy.get("to", [])):
            if backend and backend in seen:
                self._report((*path, "to", index), f'to has "{backend}" twice')
            seen.add(backend)
        if proxy.get("ca") and not any(backend.startswith("https://") for backend in seen):
            self._report((*path, "ca"), 'ca is for backends that are asked by TLS: there is no "https://" in to')
        for key in ("request_headers", "response_headers"):
            first: dict[str, str] = {}
            for name in proxy.get(key, {}):
                reason = _OWN_HEADERS.get(name.lower(), "")
                if reason and not (key == "response_headers" and name.lower() == "host"):
                    self._report((*path, key, name), f'{key} has "{name}", which cannot be set: {reason}')
                elif first.setdefault(name.lower(), name) != name:
                    told = f'{key} has "{name}" and "{first[name.lower()]}", which are one header'
                    self._report((*path, key, name), told)

    def _judge_shared_mounts(self, site: Table, *, path: KeyPath) -> None:
        """An application and a proxy at one place: only one can answer."""
        apps = {app["at"]: index for index, app in enumerate(site.get("app", [])) if "at" in app}
        for index, proxy in enumerate(site.get("proxy", [])):
            if proxy.get("at") in apps:
                place = self._where((*path, "app", apps[proxy["at"]], "at"))
                told = f'"{proxy["at"]}" has an [[site.app]], at {place}: only one can answer'
                self._report((*path, "proxy", index, "at"), told)

    def _find_kind(self, table: Table, model: type[Struct], label: str, *, path: KeyPath) -> str | None:
        """The one key of several that `table` has; None where it is not one, which is reported."""
        choices = ONE_OF[model]
        kinds = [kind for kind in choices if kind in table]
        if any((*path, kind) in self._refused for kind in choices) or path in self._refused:
            return None
        if not kinds:
            self._report(path, f"{label} needs exactly one of {join_choices(choices)}")
        if len(kinds) > 1:
            both = join_choices(kinds).replace(" or ", " and ")
            self._report((*path, kinds[1]), f"{label} has {both}; it needs exactly one of {join_choices(choices)}")
        return kinds[0] if len(kinds) == 1 else None

    def _judge_route(self, route: Table, *, path: KeyPath) -> None:
        found = self._find_kind(route, RouteSettings, "[[site.route]]", path=path)
        for key, kinds in _ROUTE_KEYS.items() if found else ():
            if key in route and found not in kinds:
                self._report((*path, key), f'"{key}" goes with {join_choices(kinds)}, and this is a {found}')
        if route.get("cancel_on_disconnect") and route.get("threads"):
            self._report(
                (*path, "cancel_on_disconnect"), "a thread cannot be cancelled: leave out threads, or this key"
            )
        if route.get("threads") and route.get("preload") is False:
            self._report((*path, "preload"), "a thread cannot read the body: leave out threads, or this key")
        offered: set[str] = set()
        for index, name in enumerate(route.get("subprotocols", [])):
            if name and name in offered:
                self._report((*path, "subprotocols", index), f'subprotocols has "{name}" twice')
            offered.add(name)

    def _judge_stages(self, middleware: Sequence[Table], *, path: KeyPath) -> None:
        for index, each in enumerate(middleware):
            if each.get("stage", "").lower() == "begin":
                told = "the location is found behind BEGIN: name it in [[site.middleware]], or take authenticate"
                self._report((*path, index, "stage"), told)

    def _judge_page(self, page: Table, *, path: KeyPath) -> None:
        self._find_kind(page, ErrorSettings, "[[site.location.errors]]", path=path)
        for index, spec in enumerate(page.get("status", [])):
            if spec != "" and min(statuses_of([spec]), default=400) < 400:  # "" was refused
                told = "errors are answers from 400 to 599"
                self._report((*path, "status", index), f"status: {spec} is no error: {told}")

    def _judge_trace(self, trace: Table, *, path: KeyPath) -> None:
        if trace.get("status") == [] and not trace.get("slower_than") and (*path, "slower_than") not in self._refused:
            self._report(path, "[[site.trace]] traces nothing: give it status or slower_than")

    def _judge_mounts(self, site: Table, key: str, *, path: KeyPath) -> None:
        seen: dict[str, KeyPath] = {}
        for index, mount in enumerate(site.get(key, [])):
            place: KeyPath = (*path, key, index, "at")
            if "at" in mount and (first := seen.setdefault(mount["at"], place)) != place:
                told = f'"{mount["at"]}" has another [[site.{key}]], at {self._where(first)}'
                self._report(place, told if key == "location" else f"{told}: only one can answer")

    def _judge_routes(self, routes: Sequence[Table], *, path: KeyPath) -> None:
        seen: dict[tuple[str, str], KeyPath] = {}
        for index, route in enumerate(routes):
            self._judge_route(route, path=(*path, index))
            place: KeyPath = (*path, index, "at")
            if "at" not in route or (*path, index, "methods") in self._refused:
                continue
            for method in _methods_of(route):
                shape = shape_of(route["at"])
                first = seen.get((shape, "*")) or seen.setdefault((shape, method), place)
                if first != place:
                    told = f'{method} "{route["at"]}" has another [[site.route]], at {self._where(first)}'
                    self._report(place, f"{told}: only one can answer")
                    break

    def _hosts_of(self, sites: Sequence[Table]) -> Iterator[tuple[str, KeyPath]]:
        for number, site in enumerate(sites):
            path: KeyPath = ("site", number, "hosts")
            if path in self._refused or path[:2] in self._refused:
                continue
            for index, host in enumerate(site.get("hosts", ["*"])):
                if host:
                    yield host, (*path, index)


def _methods_of(route: dict[str, Any]) -> Sequence[str]:
    if "websocket" in route:
        return ["GET"]
    given = route.get("methods", ["*"] if "status" in route else ["GET"])
    methods = [method for method in dict.fromkeys(given) if method]
    return [*methods, "HEAD"] if "GET" in methods and "HEAD" not in methods else methods
