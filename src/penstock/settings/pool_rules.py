"""What must hold between pools, the applications that name them, and the keys that say how workers live."""

from collections.abc import Callable, Container, Iterator, Sequence

from penstock.settings.accounts import judge_group, judge_user
from penstock.settings.catalog import label
from penstock.settings.names import suggest
from penstock.settings.positions import KeyPath
from penstock.settings.shape import Report, Table

# Python with Penstock, before any application is imported, holds 29 MB, in 34 MB of address space: with less, a worker
# never starts, or is replaced at once.
LEAST_MEMORY = 64_000_000
LEAST_RESIDENT = 32_000_000
LEAST_OPEN_FILES = 64


class PoolRules:
    """The judge of pools in a tree whose shape was judged before; keys that were refused there are absent here.

    `where(path)` is the place of a key, for "another one is at ..."; `refused` has the paths of those absent keys.
    """

    def __init__(self, report: Report, where: Callable[[KeyPath], str], *, refused: Container[KeyPath]) -> None:
        self._report = report
        self._where = where
        self._refused = refused

    def judge(self, tree: Table) -> None:
        """Report everything that is wrong between keys."""
        server: Table = tree.get("server", {})
        sites: Sequence[Table] = tree.get("site", [])
        pools: Sequence[Table] = tree.get("pool", [])
        self._judge_requests(server)
        self._judge_health(server.get("health", {}), sites)
        self._judge_recycle(server.get("recycle", {}), path=("server", "recycle"))
        self._judge_names(pools)
        for index, pool in enumerate(pools):
            self._judge_pool(pool, path=("pool", index))
        self._judge_uses(pools, sites)

    def _judge_requests(self, server: Table) -> None:
        recycle: Table = server.get("recycle", {})
        if server.get("max_requests") and recycle.get("requests"):
            place = self._where(("server", "recycle", "requests"))
            told = f"max_requests is the older name of requests in [server.recycle], at {place}: leave one of them out"
            self._report(("server", "max_requests"), told)

    def _judge_health(self, health: Table, sites: Sequence[Table]) -> None:
        live, ready = health.get("live"), health.get("ready")
        if live and live == ready:
            told = f'ready: "{ready}" is live, too: a server that drains is alive and not ready, so take two paths'
            self._report(("server", "health", "ready"), told)
        for key in ("live", "ready"):
            if text := health.get(key):
                for place in _places_at(text, sites):
                    told = f'{key}: "{text}" has a {label(place[:4])}, at {self._where(place)}: only one can answer'
                    self._report(("server", "health", key), told)

    def _judge_recycle(self, recycle: Table, *, path: KeyPath) -> None:
        memory = recycle.get("memory", 0)
        if 0 < memory < LEAST_RESIDENT:
            told = f"memory: a new worker holds more than {memory} bytes, and would be replaced at once"
            self._report((*path, "memory"), f"{told}: write {LEAST_RESIDENT:_} or more, or 0 for never")
        for key in ("schedule", "preload"):
            seen: set[str] = set()
            for index, text in enumerate(recycle.get(key, [])):
                if text and text in seen:
                    self._report((*path, key, index), f'{key} has "{text}" twice')
                seen.add(text)

    def _judge_names(self, pools: Sequence[Table]) -> None:
        seen: dict[str, KeyPath] = {}
        for index, pool in enumerate(pools):
            path: KeyPath = ("pool", index, "name")
            if "name" in pool and (first := seen.setdefault(pool["name"], path)) != path:
                self._report(path, f'the name "{pool["name"]}" belongs to another [[pool]], at {self._where(first)}')

    def _judge_pool(self, pool: Table, *, path: KeyPath) -> None:
        if pool.get("start") == "always" and pool.get("idle"):
            told = 'idle stops the workers of a pool that starts on demand: leave it out, or start = "always"'
            self._report((*path, "idle"), told)
        for key, least, why in _LEAST:
            if 0 < pool.get(key, 0) < least:
                self._report((*path, key), f"{key}: {pool[key]} is {why}: write {least:_} or more, or 0 for no limit")
        for key, judge in (("user", judge_user), ("group", judge_group)):
            if pool.get(key) and (problem := judge(pool[key])):
                self._report((*path, key), f"{key}: {problem}")
        recycle: Table = pool.get("recycle", {})
        self._judge_recycle(recycle, path=(*path, "recycle"))
        if (
            recycle.get("jitter")
            and not recycle.get("requests")
            and (*path, "recycle", "requests") not in self._refused
        ):
            self._report((*path, "recycle", "jitter"), "jitter is added to requests, and there is none")

    def _judge_uses(self, pools: Sequence[Table], sites: Sequence[Table]) -> None:
        names = {pool["name"]: index for index, pool in enumerate(pools) if "name" in pool}
        uses = list(self._uses(sites))
        for name, path in uses:
            if name and name not in names and not self._has_refused_name(pools):
                self._report(path, _no_pool(name, list(names)))
        if not any(name is None for name, _ in uses):
            for name in names.keys() - {name for name, _ in uses}:
                told = (
                    f'no [[site.app]] runs in the pool "{name}": write pool = "{name}" there, or leave this table out'
                )
                self._report(("pool", names[name]), told)

    def _uses(self, sites: Sequence[Table]) -> Iterator[tuple[str | None, KeyPath]]:
        """The pool of each application that has one, None where it was refused; and its path."""
        for number, site in enumerate(sites):
            for index, app in enumerate(site.get("app", [])):
                path: KeyPath = ("site", number, "app", index, "pool")
                if path in self._refused or path[:4] in self._refused or path[:2] in self._refused:
                    yield None, path
                elif app.get("pool"):
                    yield app["pool"], path

    def _has_refused_name(self, pools: Sequence[Table]) -> bool:
        return any(("pool", index, "name") in self._refused for index in range(len(pools)))


_LEAST = (
    ("memory", LEAST_MEMORY, "too little address space for Python to start in"),
    ("open_files", LEAST_OPEN_FILES, "too few open files for a worker to start with"),
)


def _places_at(path: str, sites: Sequence[Table]) -> Iterator[KeyPath]:
    for number, site in enumerate(sites):
        for kind in ("route", "app", "proxy"):
            for index, each in enumerate(site.get(kind, [])):
                if each.get("at") == path:
                    yield ("site", number, kind, index, "at")


def _no_pool(name: str, names: Sequence[str]) -> str:
    if name == "default":
        return 'pool: "default" is where an application runs that names none: leave pool out'
    advice = suggest(name, names) or f': write one with name = "{name}", or leave pool out'
    return f'pool: there is no [[pool]] "{name}"{advice}'
