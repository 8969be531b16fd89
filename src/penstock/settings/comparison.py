"""Two models of one kind side by side: which keys differ, where they stand, and their values as text without secrets."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import FieldInfo, fields

from penstock.http.redaction import REDACTED, is_secret

Place = tuple[str, ...]

# RFC 3986 section 3.2.1: the user and the password of a URL.
_USER: Final = re.compile(r"://[^/@\s]*@")
# Tables of which no value is shown: a password may stand behind any name, as in DATABASE_URL.
_HIDDEN: Final = ("environment",)
# Tables whose keys are the user's own: their names say whether they are secret. None of ours is: the `key` of [server.tls] is a path.
_FREE: Final = ("settings", "headers", "request_headers", "response_headers")
# Of an array of tables, what tells its elements apart.
_IDENTITIES: Final[dict[str, Callable[[Any], str]]] = {
    "pool": lambda pool: pool.name,
    "site": lambda site: ",".join(site.hosts),
    "app": lambda app: app.at,
    "proxy": lambda proxy: proxy.at,
    "location": lambda location: location.at,
    "trace": lambda trace: trace.at,
    "route": lambda route: " ".join((*route.answered_methods, route.at)),
    "module": lambda module: module.name or module.use,
    "modules": lambda module: module.name or module.use,
    "middleware": lambda each: each.name or each.use,
    "errors": lambda page: ",".join(str(status) for status in page.status),
}
# The order of these elements is the order in which they take part.
_ORDERED: Final = ("module", "modules", "middleware", "errors", "trace")


class Difference(NamedTuple):
    """One key, or one element of an array of tables, that is not what it was; None is "not there"."""

    place: Place
    before: Any
    after: Any


class Pair(NamedTuple):
    """An element of an array of tables before and after, and what it is called there; None where it was not, or is not."""

    name: str
    before: Any
    after: Any


def differences(before: Any, after: Any, place: Place = ()) -> Iterator[Difference]:
    """Every key below `place` that differs, in the order of the model. `before` and `after` are values of one key."""
    if before == after:
        return
    if isinstance(before, Struct) and isinstance(after, Struct):
        for field in _fields_of(type(before)):
            yield from differences(getattr(before, field.name), getattr(after, field.name), (*place, field.encode_name))
    elif isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            yield from differences(before.get(name), after.get(name), (*place, name))
    elif place and place[-1] in _IDENTITIES and _are_tables(before) and _are_tables(after):
        yield from _of_elements(before, after, place)
    else:
        yield Difference(place, before, after)


def pairs(before: Sequence[Any], after: Sequence[Any], key: str) -> list[Pair]:
    """The elements of the array of tables `key`, paired by what tells them apart; what is gone comes last."""
    old, new = _named(before, key), _named(after, key)
    return [Pair(name, old.get(name), each) for name, each in new.items()] + [
        Pair(name, each, None) for name, each in old.items() if name not in new
    ]


def name_of_place(place: Place) -> str:
    """`("server", "limits", "body")` -> server.limits.body, `("site", "[a.b]", "root")` -> site[a.b].root."""
    return ".".join(place).replace(".[", "[")


def shown(place: Place, value: Any) -> str:
    """A value as it stands in the site file, without what it leaves at its default, and without secrets; "" for None."""
    from penstock.settings.reference import toml_value

    return "" if value is None else toml_value(_shown(place, value))


def _of_elements(before: Sequence[Any], after: Sequence[Any], place: Place) -> Iterator[Difference]:
    found = pairs(before, after, place[-1])
    for pair in found:
        yield from differences(pair.before, pair.after, (*place, f"[{pair.name}]"))
    common = {pair.name for pair in found if pair.before is not None and pair.after is not None}
    old, new = ([name for name in _named(each, place[-1]) if name in common] for each in (before, after))
    if place[-1] in _ORDERED and old != new:
        yield Difference((*place, "[order]"), old, new)


def _named(elements: Sequence[Any], key: str) -> dict[str, Any]:
    """The elements by their names; the second one of a name is "name#2"."""
    named: dict[str, Any] = {}
    for each in elements:
        name = base = _IDENTITIES[key](each)
        number = 1
        while name in named:
            number += 1
            name = f"{base}#{number}"
        named[name] = each
    return named


def _are_tables(value: Any) -> bool:
    return isinstance(value, tuple) and all(isinstance(each, Struct) for each in value)


def _shown(place: Place, value: Any) -> Any:
    if _is_secret(place):
        return REDACTED
    if isinstance(value, Struct):
        return {
            field.encode_name: _shown((*place, field.encode_name), getattr(value, field.name))
            for field in _fields_of(type(value))
            if getattr(value, field.name) != _default_of(field)
        }
    if isinstance(value, dict):
        return {name: _shown((*place, name), inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(place, each) for each in value]
    if isinstance(value, str):
        return _USER.sub(f"://{REDACTED}@", value)
    return value if isinstance(value, bool | int | float) else str(value)


def _is_secret(place: Place) -> bool:
    if any(name in _HIDDEN for name in place[:-1]):
        return True
    start = next((index for index, name in enumerate(place) if name in _FREE), len(place))
    return any(is_secret(name.lower().encode()) for name in place[start + 1 :])


def _default_of(field: FieldInfo) -> Any:
    if field.required:
        return None
    factory: Any = field.default_factory
    return factory() if callable(factory) else field.default


@cache
def _fields_of(model: type[Struct]) -> tuple[FieldInfo, ...]:
    return fields(model)
