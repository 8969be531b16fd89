"""What changes between two settings, pool by pool: exactly the pools that are touched get new workers at a reload."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec import Struct

from penstock.settings.comparison import Difference, Pair, Place, differences, name_of_place, pairs, shown
from penstock.settings.model import AppSettings, LocationSettings, PoolSettings, Settings, SiteSettings

# The pool that serves all sites on the public sockets.
DEFAULT: Final = "default"

# Places below [server] that workers of every pool go by; all others are those of the default one,
_SHARED: Final = frozenset(
    {
        ("mode",),
        ("backlog",),
        ("loop",),
        ("start_failure",),
        ("verifier",),
        ("log", "level"),
        *[
            ("limits", key)
            for key in ("request_line", "header_section", "headers", "deadline", "form_fields", "form_memory")
        ],
        ("limits", "stuck_threads"),
        ("limits", "retry_after"),
    }
)
# except for what the supervisor alone goes by: `watch` from the reload on, the others from the next start.
_SUPERVISOR: Final = frozenset({"pid_file", "control", "watch"})
_AT_START: Final = frozenset({"pid_file", "control"})
# Places below [[site.location]] that an application goes by where it runs; the others were applied when it is asked.
_WITHIN: Final = frozenset(
    {
        ("limits", "deadline"),
        ("limits", "form_fields"),
        ("limits", "form_memory"),
        ("error_format",),
        ("websockets", "close_timeout"),
    }
)
# Keys of a [[pool]] that the default pool goes by, which asks it.
_ASKING: Final = frozenset({"connections", "queue", "read_timeout"})
# Keys of an application with a pool that mean nothing where it does not run.
_RUNNING: Final = frozenset({"asgi", "wsgi", "owin", "app", "factory", "root_path", "threads", "queue", "pathsend"})


class Change(Struct, frozen=True, kw_only=True):
    """One key, or one table of an array, that is not what it was.

    `where` is its place, such as server.limits.body or site[example.org].app[/api].threads; `before` and `after` are as in the site
    file, "" for what is not there, secrets hidden. `pools` are those it touches.
    """

    where: str
    before: str = ""
    after: str = ""
    pools: tuple[str, ...] = ()


class Changes(Struct, frozen=True, kw_only=True):
    """What changes, in the order of the models; `added` and `removed` are the names of whole pools.

    `opened` and `closed` are places to listen at, as `listen` has them; `supervisor` is what touches no worker.
    """

    changes: tuple[Change, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    opened: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    supervisor: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.changes)

    @property
    def default(self) -> tuple[Change, ...]:
        """What changes for the default pool."""
        return self.pools.get(DEFAULT, ())

    @property
    def pools(self) -> dict[str, tuple[Change, ...]]:
        """The pools that go on and are touched, the default one among them, with what changes for each."""
        names = dict.fromkeys(name for change in self.changes for name in change.pools)
        return {
            name: tuple(change for change in self.changes if name in change.pools)
            for name in names
            if name not in {*self.added, *self.removed}
        }

    @property
    def touched(self) -> tuple[str, ...]:
        """The pools that get new workers, are new, or go, the default one last."""
        names = {*self.pools, *self.added, *self.removed}
        return (*sorted(names - {DEFAULT}), *([DEFAULT] if DEFAULT in names else []))

    @property
    def needs_restart(self) -> tuple[str, ...]:
        """Where the supervisor is told what it does at its start only."""
        return tuple(change.where for change in self.supervisor if change.where.split(".")[1] in _AT_START)


def find_changes(before: Settings, after: Settings) -> Changes:
    """What a reload from `before` to `after` changes. Both were loaded: their paths are absolute.

    A pool is touched by its own table, by the applications that name it, and by the keys of [server] that its workers go by;
    the default one by everything else, and by where an application of another pool is.
    """
    old, new = ({pool.name for pool in each.pools} for each in (before, after))
    every = tuple(dict.fromkeys([pool.name for each in (after, before) for pool in each.pools]))
    changes = (
        *_of_server(before, after, every=(DEFAULT, *every)),
        *_of_pools(before.pools, after.pools),
        *_of_sites(before.sites, after.sites),
    )
    return Changes(
        changes=changes,
        added=tuple(name for name in every if name not in old),
        removed=tuple(name for name in every if name not in new),
        opened=_without(after.server.listen, before.server.listen),
        closed=_without(before.server.listen, after.server.listen),
        supervisor=tuple(change for change in changes if not change.pools),
    )


def _of_server(before: Settings, after: Settings, *, every: tuple[str, ...]) -> Iterator[Change]:
    for found in differences(before.server, after.server, ("server",)):
        inner = found.place[1:]
        touched = () if inner[0] in _SUPERVISOR else every if inner in _SHARED else (DEFAULT,)
        yield _change(found, touched)


def _of_pools(before: Sequence[PoolSettings], after: Sequence[PoolSettings]) -> Iterator[Change]:
    for pair in pairs(before, after, "pool"):
        place = ("pool", f"[{pair.name}]")
        for found in differences(pair.before, pair.after, place):
            asks = len(found.place) > len(place) and found.place[len(place)] in _ASKING
            yield _change(found, (DEFAULT,) if asks else (pair.name,))


def _of_sites(before: Sequence[SiteSettings], after: Sequence[SiteSettings]) -> Iterator[Change]:
    for pair in _sites(before, after):
        place = ("site", f"[{pair.name}]")
        if pair.before is None or pair.after is None:
            site = pair.after or pair.before
            yield _change(Difference(place, pair.before, pair.after), _pools_of(site.apps))
            continue
        for found in differences(pair.before, pair.after, place):
            key = found.place[len(place)]
            is_wide = key == "hosts" or (key == "location" and _is_within(found))
            if key != "app":
                apps = (*pair.before.apps, *pair.after.apps) if is_wide else ()
                yield _change(found, _pools_of(apps))
        yield from _of_apps(pair.before.apps, pair.after.apps, place=(*place, "app"))


def _of_apps(before: Sequence[AppSettings], after: Sequence[AppSettings], *, place: Place) -> Iterator[Change]:
    for pair in pairs(before, after, "app"):
        inner = (*place, f"[{pair.name}]")
        apps = [each for each in (pair.before, pair.after) if each is not None]
        runs_in = tuple(dict.fromkeys(app.pool or DEFAULT for app in apps))
        for found in differences(pair.before, pair.after, inner):
            key = found.place[len(inner)] if len(found.place) > len(inner) else ""
            if key in {"", "pool"}:
                yield _change(found, tuple(dict.fromkeys((DEFAULT, *runs_in))))
            else:
                touched = runs_in if key in _RUNNING else (DEFAULT,)
                yield _change(found, (DEFAULT, *touched) if _is_other_kind(found) else touched)


def _is_other_kind(found: Difference) -> bool:
    """Whether an application has become, or is no longer, one that no WebSocket reaches: so much is known where it is asked."""
    return found.place[-1] == "wsgi" and (found.before is None or found.after is None)


def _is_within(found: Difference) -> bool:
    """Whether it is a rule, or a location with a rule, that applications go by where they run."""
    inner = found.place[4:]
    if inner:
        return inner in _WITHIN
    location = found.before or found.after
    places = {each.place for each in differences(LocationSettings(at=location.at), location)}
    return not places.isdisjoint(_WITHIN)


def _sites(before: Sequence[SiteSettings], after: Sequence[SiteSettings]) -> list[Pair]:
    """The sites by their hosts; of those whose hosts have changed, the first one with the first one, and so on."""
    found = pairs(before, after, "site")
    both = [pair for pair in found if pair.before is not None and pair.after is not None]
    new = [pair for pair in found if pair.before is None]
    old = [pair for pair in found if pair.after is None]
    count = min(len(new), len(old))
    moved = [Pair(added.name, gone.before, added.after) for added, gone in zip(new, old, strict=False)]
    return [*both, *moved, *new[count:], *old[count:]]


def _pools_of(apps: Iterable[AppSettings]) -> tuple[str, ...]:
    return tuple(dict.fromkeys([DEFAULT, *[app.pool for app in apps if app.pool]]))


def _change(found: Difference, pools: tuple[str, ...]) -> Change:
    before, after = (shown(found.place, value) for value in (found.before, found.after))
    return Change(where=name_of_place(found.place), before=before, after=after, pools=pools)


def _without(places: Iterable[str], others: Iterable[Any]) -> tuple[str, ...]:
    known = set(others)
    return tuple(place for place in places if place not in known)
