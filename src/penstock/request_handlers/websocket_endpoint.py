"""A coroutine function as what answers a path: the handshake is accepted, and the function is given the socket."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import ConfigurationError, Problem
from penstock.request_sockets.options import AcceptOptions

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.pipeline.handler import Handler
    from penstock.request_sockets.websocket import WebSocket

_SOCKET: Final = "websocket"
_CONTEXT: Final = "context"


class _Call:
    """How a function is called: the socket by name or as the first argument, the rest by name."""

    __slots__ = ("_by_name", "_function", "_routed", "_wants_context")

    def __init__(
        self, function: Callable[..., Any], *, by_name: bool, wants_context: bool, routed: Sequence[str]
    ) -> None:
        self._function = function
        self._by_name = by_name
        self._wants_context = wants_context
        self._routed = tuple(routed)

    def endpoint(self, context: Context) -> Callable[[WebSocket], Awaitable[object]]:
        """What is called with the socket of this request, when it is there."""
        function = self._function
        values = context.route_values or {}
        arguments: dict[str, Any] = {name: values[name] for name in self._routed}
        if self._wants_context:
            arguments[_CONTEXT] = context
        if self._by_name:
            return lambda socket: function(**{_SOCKET: socket}, **arguments)
        if not arguments:
            return function
        return lambda socket: function(socket, **arguments)


def websocket_handler(
    function: object, names: Sequence[str] = (), *, subprotocols: Sequence[str] = (), label: str = ""
) -> Handler:
    """A handler that accepts the WebSocket of a request and leaves it to `function` when the pipeline has ended.

    The function is given the socket as its parameter `websocket`, or as its first one, and by name whatever it asks for of
    `context` and the route's values `names`. It is called as `await function(...)`. The first of `subprotocols` that is
    offered is agreed to. Raises ConfigurationError for what cannot be called like that; `label` is what the operator calls it.
    """
    call = _read_signature(function, names, label or getattr(function, "__qualname__", repr(function)))
    options = [AcceptOptions(name) for name in subprotocols]

    def handle(context: Context) -> None:
        context.accept_websocket(call.endpoint(context), _choose(context, options))

    return handle


def _choose(context: Context, options: Sequence[AcceptOptions]) -> AcceptOptions | None:
    # RFC 6455 section 4.2.2: when none of those offered is spoken here, none is agreed to.
    offered = context.websockets.requested_protocols if options else None
    return next((each for each in options if each.subprotocol in offered), None) if offered else None


def _read_signature(function: object, names: Sequence[str], label: str) -> _Call:
    if not callable(function):
        raise _mistake(label, f"is {type(function).__name__!r}, which cannot be called: name a coroutine function")
    _check_kind(function, label)
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        raise _mistake(label, "cannot be called with a WebSocket: it has no signature") from None
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters)
    named = {each.name: each for each in parameters if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)}
    by_name = _find_place(parameters, names, label, takes_any=takes_any)
    others = list(named.values())
    if by_name:
        others = [each for each in others if each.name != _SOCKET]
    elif others and parameters[0].name in named:
        others = others[1:]
    _check_others(others, names, label)
    wanted = {each.name for each in others if each.kind is not each.POSITIONAL_ONLY}
    return _Call(
        function,
        by_name=by_name,
        wants_context=_CONTEXT in wanted and _CONTEXT not in names,
        routed=[name for name in names if name in wanted or (takes_any and name != _SOCKET)],
    )


def _find_place(parameters: Sequence[inspect.Parameter], names: Sequence[str], label: str, *, takes_any: bool) -> bool:
    """Whether the socket is given by name; False: as the first argument. Raises ConfigurationError where it has no place."""
    if _SOCKET in names:
        raise _mistake(
            label, f"has a route with {{{_SOCKET}}}: that is the name of the socket, call the value differently"
        )
    if any(
        each.name == _SOCKET and each.kind in (each.KEYWORD_ONLY, each.POSITIONAL_OR_KEYWORD) for each in parameters
    ):
        return True
    first = parameters[0] if parameters else None
    takes_one = first is not None and first.kind not in (first.KEYWORD_ONLY, first.VAR_KEYWORD)
    if first is not None and takes_one and first.name not in (_CONTEXT, *names):
        return False
    if takes_any and not takes_one:
        return True
    raise _mistake(label, f"has no place for the socket: give it a parameter called {_SOCKET!r}")


def _check_others(others: Sequence[inspect.Parameter], names: Sequence[str], label: str) -> None:
    known = {_CONTEXT, *names}
    for each in others:
        if each.kind is each.POSITIONAL_ONLY and each.default is each.empty:
            raise _mistake(label, f"takes {each.name!r} by position only; only the socket is given like that")
    missing = [each.name for each in others if each.name not in known and each.default is each.empty]
    if {"receive", "send"} <= set(missing):
        raise _mistake(label, "looks like an ASGI application: mount it under [[site.app]] with asgi =")
    if missing:
        wanted = ", ".join(map(repr, missing))
        raise _mistake(label, f"wants {wanted}, but there are only: {', '.join(sorted({_SOCKET, *known}))}")


def _check_kind(function: Any, label: str) -> None:
    """A function that is not `async` may still return something that can be awaited; what cannot is refused here."""
    called = inspect.unwrap(function.func if isinstance(function, partial) else function)
    if not inspect.isroutine(called) and not inspect.isclass(called):
        called = type(called).__call__
    if inspect.isasyncgenfunction(called) or inspect.isgeneratorfunction(called):
        raise _mistake(label, "has a `yield` in it, so it cannot be awaited: send with `await websocket.send(...)`")
    if inspect.isclass(called) and not hasattr(called, "__await__"):
        raise _mistake(label, "is a class, and what it makes cannot be awaited: name a coroutine function")


def _mistake(label: str, message: str) -> ConfigurationError:
    return ConfigurationError([Problem(f"{label} {message}")])
