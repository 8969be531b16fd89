"""What must hold between several keys: one kind of application, no clashes, and hosts that lead to one site."""

from collections.abc import Callable, Container, Iterator, Sequence
from typing import Any

from penstock.settings.names import join_choices
from penstock.settings.positions import KeyPath
from penstock.settings.shape import Report, Table
from penstock.settings.templates import shape_of

KINDS = ("asgi", "wsgi", "app")
WSGI_ONLY = ("threads", "queue")
ASGI_ONLY = ("pathsend",)


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
        self._judge_hosts(sites)
        for number, site in enumerate(sites):
            path: KeyPath = ("site", number)
            for index, app in enumerate(site.get("app", [])):
                self._judge_app(app, path=(*path, "app", index))
            self._judge_mounts(site, "app", path=path)
            self._judge_mounts(site, "location", path=path)
            self._judge_routes(site.get("route", []), path=(*path, "route"))
            for index, location in enumerate(site.get("location", [])):
                self._judge_headers(location, path=(*path, "location", index))

    def _judge_headers(self, table: Table, *, path: KeyPath) -> None:
        # RFC 9110 section 5.1: field names are case-insensitive
        seen: dict[str, str] = {}
        for name in table.get("headers", {}):
            first = seen.setdefault(name.lower(), name)
            if first != name:
                self._report((*path, "headers", name), f'headers has "{name}" and "{first}", which are one header')

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
        kinds = [kind for kind in KINDS if kind in app]
        if any((*path, kind) in self._refused for kind in KINDS) or path in self._refused:
            return
        if not kinds:
            self._report(path, f"[[site.app]] needs exactly one of {join_choices(KINDS)}")
        if len(kinds) > 1:
            both = join_choices(kinds).replace(" or ", " and ")
            self._report((*path, kinds[1]), f"[[site.app]] has {both}; it needs exactly one of {join_choices(KINDS)}")
        if len(kinds) != 1:
            return
        for kind, foreign in (("asgi", WSGI_ONLY), ("wsgi", ASGI_ONLY)):
            for key in foreign if kinds == [kind] else ():
                if key in app:
                    other = "WSGI" if kind == "asgi" else "ASGI"
                    self._report((*path, key), f'"{key}" is for {other} applications, and this is {kind.upper()}')

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
            place: KeyPath = (*path, index, "at")
            if "at" not in route or (*path, index, "methods") in self._refused:
                continue
            for method in _methods_of(route):
                first = seen.setdefault((shape_of(route["at"]), method), place)
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
    methods = [method for method in dict.fromkeys(route.get("methods", ["GET"])) if method]
    return [*methods, "HEAD"] if "GET" in methods and "HEAD" not in methods else methods
