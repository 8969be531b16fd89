"""What an object that serves all requests keeps of single ones, found by looking into it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from penstock.hosts.memory_host import MemoryRequest
from penstock.pipeline.context import Context
from penstock.pipeline.request import Request
from penstock.pipeline.response import Response

OF_A_REQUEST: Final = (Context, Request, Response, MemoryRequest)
_MOST: Final = 10_000  # objects
_DEEPEST: Final = 5


def kept_now(subject: object, mark: str) -> list[str]:
    """What `subject` holds of the one request inside that is marked with `mark`, in an attribute of its own.

    A collection is no finding here: that of the requests now inside may be meant.
    """
    found = []
    for name, value in _attributes(subject):
        if isinstance(value, OF_A_REQUEST):
            found.append(f"the {type(value).__name__} of a request in self.{name}")
        elif isinstance(value, str | bytes) and mark in _text(value):
            found.append(f"{_text(value)[:60]!r}, which belongs to a request, in self.{name}")
    return found


def kept_for_ever(subject: object) -> list[str]:
    """What `subject` still holds of requests that have all left, however deep."""
    found: list[str] = []
    seen: set[int] = set()
    for name, value in _attributes(subject):
        kinds = {type(each).__name__ for each in _below(value, seen) if isinstance(each, OF_A_REQUEST)}
        found += [f"the {kind} of a request that has left, below self.{name}" for kind in sorted(kinds)]
    return found


def _below(value: object, seen: set[int]) -> Iterable[object]:
    waiting: deque[tuple[object, int]] = deque([(value, 0)])
    while waiting and len(seen) < _MOST:
        each, depth = waiting.popleft()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        if depth < _DEEPEST and not isinstance(each, (*OF_A_REQUEST, type, str, bytes, int, float)):
            waiting += [(below, depth + 1) for below in _parts(each)]


def _parts(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list | tuple | set | frozenset | deque):
        return list(value)
    return [part for _, part in _attributes(value)]


def _attributes(subject: object) -> list[tuple[str, Any]]:
    names = [*getattr(subject, "__dict__", {})]
    for kind in type(subject).__mro__:
        slots = vars(kind).get("__slots__", ())
        names += [slots] if isinstance(slots, str) else list(slots)
    return [(name, getattr(subject, name)) for name in names if hasattr(subject, name) and not name.startswith("__")]


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
