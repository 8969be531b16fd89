"""Branches of a chain: what answers below a path prefix, or when a predicate says so (middleware section 3)."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, ClassVar
from urllib.parse import quote

from penstock.pipeline_gateways.asgi import AsgiGateway
from penstock.pipeline_gateways.lifespan import Lifespan

Scope = MutableMapping[str, Any]


def judge_prefix(path: object) -> str:
    """The prefix of a `map`. Raises TypeError for what is no text, ValueError for one that is no prefix (R-MP-01)."""
    if not isinstance(path, str):
        raise TypeError(f"map() takes a path prefix such as '/api', not {path!r}")
    if not path.startswith("/"):
        raise ValueError(f"{path!r} is no path prefix: it begins with a slash, as in '/api'")
    if path.endswith("/"):
        raise ValueError(f"{path!r} ends with a slash: a prefix is '/api', and below it are '/api' and '/api/x'")
    return path


class Branch:
    """An application of a chain that answers some of its requests, with a life of its own."""

    __slots__ = ("_gateway", "_lifespan", "application")

    def __init__(self, application: Any, name: str) -> None:
        self.application = application
        self._gateway = AsgiGateway(application)
        self._lifespan = Lifespan(self._gateway, name)

    async def start(self) -> None:
        """Raises StartupError."""
        await self._lifespan.start()

    async def stop(self) -> None:
        """Failures are logged."""
        await self._lifespan.stop()

    def scope(self, scope: Scope) -> dict[str, Any]:
        """A copy of `scope`, with what the application has set up at its start."""
        copied = dict(scope)
        if self._gateway.state:
            copied["state"] = {**copied.get("state", {}), **self._gateway.state}
        return copied


class BranchSource:
    """A branch for each application that is built of a chain. The first is made at once, so that what is wrong shows (R-MP-02)."""

    __slots__ = ("_build", "_first", "_is_building", "_name")

    def __init__(self, build: Callable[[], Any], name: str) -> None:
        """Raises what `build()` raises."""
        self._build = build
        self._name = name
        self._is_building = False
        self._first: Branch | None = Branch(build(), name)

    def take(self) -> Branch:
        """The first, and from then on one made anew. Raises ValueError for builders in a circle, and what building raises."""
        first, self._first = self._first, None
        if first is not None:
            return first
        if self._is_building:
            raise ValueError(f"{self._name} leads back to the builder that it belongs to")
        self._is_building = True
        try:
            return Branch(self._build(), self._name)
        finally:
            self._is_building = False


class Branching:
    """The middleware of `map` and `map_when`, around what is asked otherwise."""

    __slots__ = ("_branch", "_choose", "_following")

    __gateway__: ClassVar[str] = "asgi3"
    _asgi_single_callable: ClassVar[bool] = True

    def __init__(self, following: Any, branch: Branch, choose: Any) -> None:
        """`choose(branch, scope)` gives the scope for the branch, or None where it does not answer; or an awaitable of that."""
        self._following = following
        self._branch = branch
        self._choose = choose

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        """One request, or the whole life of both."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
            return
        chosen = self._choose(self._branch, scope)
        if hasattr(chosen, "__await__"):
            chosen = await chosen
        if chosen is None:
            await self._following(scope, receive, send)
        else:
            await self._branch.application(chosen, receive, send)

    async def _live(self, scope: Scope, receive: Any, send: Any) -> None:
        life = _Life(self._branch, receive, send)
        await self._following(scope, life.receive, life.send)


class _Life:
    """The branch starts before what follows it, and stops behind it."""

    __slots__ = ("_branch", "_receive", "_send")

    def __init__(self, branch: Branch, receive: Any, send: Any) -> None:
        self._branch = branch
        self._receive = receive
        self._send = send

    async def receive(self) -> Any:
        message = await self._receive()
        if message["type"] == "lifespan.startup":
            await self._branch.start()
        return message

    async def send(self, message: Any) -> None:
        if message["type"].startswith("lifespan.shutdown"):
            await self._branch.stop()
        await self._send(message)


class ByPrefix:
    """Chooses by the path: whole segments, in capitals or not (middleware R-MP-03)."""

    __slots__ = ("_prefix",)

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix

    def __call__(self, branch: Branch, scope: Scope) -> dict[str, Any] | None:
        """The scope with the prefix, as configured, in its root_path; it is a copy, so that nothing has to be restored."""
        root: str = scope.get("root_path", "")
        path: str = scope["path"]
        below = path.removeprefix(root)
        size = len(self._prefix)
        if below[:size].lower() != self._prefix.lower() or below[size : size + 1] not in ("", "/"):
            return None
        copied = branch.scope(scope)
        copied["root_path"] = root + self._prefix
        if below[:size] != self._prefix or not path.startswith(root):
            copied["path"] = root + self._prefix + below[size:]
            copied["raw_path"] = quote(copied["path"]).encode("ascii")
        return copied


class ByPredicate:
    """Chooses by `predicate(scope)`, plain or async; the path stays as it is (middleware R-MP-08)."""

    __slots__ = ("_predicate",)

    def __init__(self, predicate: Callable[[Scope], Any]) -> None:
        self._predicate = predicate

    def __call__(self, branch: Branch, scope: Scope) -> Any:
        """A scope, None, or an awaitable of one of them."""
        answer = self._predicate(scope)
        if hasattr(answer, "__await__"):
            return self._await(answer, branch, scope)
        return branch.scope(scope) if answer else None

    async def _await(self, answer: Any, branch: Branch, scope: Scope) -> dict[str, Any] | None:
        return branch.scope(scope) if await answer else None
