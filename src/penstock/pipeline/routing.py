"""Routing: what answers a method and a path - a route, else the longest mount, else the files, else nobody (pipeline H-02, H-03)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from penstock.errors import ConfigurationError, HTTPError, Problem
from penstock.pipeline.routes import Prefixes
from penstock.pipeline.target import Target

if TYPE_CHECKING:
    from penstock.pipeline.context import Context

Answering = tuple[Target, "dict[str, Any] | None"]

_METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")


class Routing:
    """The targets of a site, by path."""

    __slots__ = ("_literal_routes", "_mounts", "_nothing", "_refusals", "_templates", "targets")

    def __init__(self, routes: Sequence[Target], mounts: Sequence[Target], files: Target | None) -> None:
        """`routes` come in the order in which they are tried; those without a placeholder come before the others."""
        self._literal_routes: dict[str, list[Target]] = {}
        for route in routes:
            if route.template is not None and route.template.is_literal:
                self._literal_routes.setdefault(route.template.text, []).append(route)
        self._templates = [each for each in routes if each.template is not None and not each.template.is_literal]
        self._mounts = Prefixes([(mount.at, mount) for mount in mounts])
        # Where there are no files: 404.
        self._nothing = files or Target("nothing", "/", _answer_not_found, needs="")
        self._refusals: dict[tuple[str, ...], Target] = {}
        self.targets = (*routes, *mounts, self._nothing)

    def find(self, method: str, path: str) -> Answering:
        """What answers, and the values of its template."""
        if path == "*":
            return self._refusal(_METHODS), None  # the server itself
        allowed: list[str] = []
        for route, values in self._matching(path):
            if not route.methods or method in route.methods:
                return route, values
            allowed += route.methods
        if allowed:
            return self._refusal(tuple(dict.fromkeys([*allowed, "OPTIONS"]))), None
        return self._mounts.find(path) or self._nothing, None

    def find_page(self, path: str) -> Answering:
        """What answers GET of `path`, for an error page. Raises ConfigurationError when it is nothing (pipeline X-07)."""
        target, values = self.find("GET", path)
        if not target.needs:
            raise ConfigurationError([Problem(f"error page {path}: nothing on this site answers GET {path}")])
        return target, values

    def _matching(self, path: str) -> list[Answering]:
        literal = self._literal_routes.get(path)
        matching: list[Answering] = [(route, None) for route in literal or ()]
        for route in self._templates:
            values = None if route.template is None else route.template.match(path)
            if values is not None:
                matching.append((route, values))
        return matching

    def _refusal(self, allowed: tuple[str, ...]) -> Target:
        if allowed not in self._refusals:
            self._refusals[allowed] = Target("method not allowed", "/", _answer_not_allowed(allowed), needs="")
        return self._refusals[allowed]


def _answer_not_found(context: Context) -> None:
    raise HTTPError(404)


def _answer_not_allowed(allowed: tuple[str, ...]) -> Callable[[Context], None]:
    allow = ", ".join(allowed)

    def answer(context: Context) -> None:
        if context.request.method == "OPTIONS":
            context.response.status = 204
            context.response.headers["allow"] = allow
            return
        raise HTTPError(405, f"this path answers to {allow}", headers=((b"allow", allow.encode("ascii")),))

    return answer
