"""Path templates and mounts: which target answers a path (a route, else the longest mount, else the files, else nobody)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")

_SLASHES: Final = re.compile("/{2,}")
_PLACEHOLDER: Final = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(?::(int|path))?\}")


class Template:
    """A path template such as "/hello/{name}", "/items/{number:int}" or "/docs/{rest:path}"."""

    __slots__ = ("_integers", "_pattern", "is_literal", "names", "text")

    def __init__(self, text: str) -> None:
        """Raises ValueError for a template that is none."""
        self.text = text
        placeholders = list(_PLACEHOLDER.finditer(text))
        self.names = tuple(found[1] for found in placeholders)
        self._integers = frozenset(found[1] for found in placeholders if found[2] == "int")
        literal = _PLACEHOLDER.sub("", text)
        if not text.startswith("/") or "{" in literal or "}" in literal or len(set(self.names)) != len(self.names):
            raise ValueError(f"{text!r} is no path template: write /hello/{{name}}, /{{number:int}} or /{{rest:path}}")
        self.is_literal = not placeholders
        self._pattern = re.compile(_to_expression(text, placeholders))

    def match(self, path: str) -> dict[str, Any] | None:
        """The values of the placeholders, or None when `path` does not fit."""
        found = self._pattern.fullmatch(path)
        if found is None:
            return None
        values: dict[str, Any] = found.groupdict()
        for name in self._integers:
            values[name] = int(values[name])
        return values


def _to_expression(text: str, placeholders: Sequence[re.Match[str]]) -> str:
    parts = []
    end = 0
    for found in placeholders:
        kind = {"int": "[0-9]{1,18}", "path": ".+"}.get(found[2] or "", "[^/]+")
        parts += [re.escape(text[end : found.start()]), f"(?P<{found[1]}>{kind})"]
        end = found.end()
    return "(?s:" + "".join([*parts, re.escape(text[end:])]) + ")"


class Prefixes(Generic[T]):
    """Values by path prefix, segment-wise: "/admin" covers "/admin" and "/admin/x", never "/administrator"."""

    __slots__ = ("_by_prefix",)

    def __init__(self, pairs: Sequence[tuple[str, T]]) -> None:
        self._by_prefix = {prefix.rstrip("/"): value for prefix, value in pairs}

    def find(self, path: str) -> T | None:
        """The value of the longest prefix that covers `path`, or None."""
        prefixes = self._by_prefix
        end = len(path)
        while end >= 0:
            found = prefixes.get(path[:end])
            if found is not None:
                return found
            end = path.rfind("/", 0, end)
        return None


def with_single_slashes(path: str) -> str:
    """`path` as the rules of locations see it: "//admin" is what many applications take for "/admin" (bad-input row 82)."""
    return _SLASHES.sub("/", path) if "//" in path else path
