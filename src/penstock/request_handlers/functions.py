"""Plain functions as handlers: what a function asks for by the names of its parameters, it is given."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

from penstock.errors import ConfigurationError, Problem
from penstock.pipeline.context import Context
from penstock.pipeline.handler import Handler

_GIVEN = ("context", "request", "response")


def function_handler(function: Callable[..., object], names: Sequence[str] = ()) -> Handler:
    """A handler that calls `function` with the route's values `names`, and `context`, `request` or `response` if it asks.

    Plain or async. Raises ConfigurationError when the function asks for something that nobody has.
    """
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        raise ConfigurationError(
            [Problem(f"{function!r} cannot be called as a handler: it has no signature")]
        ) from None
    takes_any = any(each.kind is each.VAR_KEYWORD for each in parameters)
    named = [each for each in parameters if each.kind not in (each.VAR_KEYWORD, each.VAR_POSITIONAL)]
    _check(function, named, names)
    wanted = {each.name for each in named}
    given = [name for name in _GIVEN if name in wanted and name not in names]
    routed = [name for name in names if takes_any or name in wanted]
    if not given and not routed:
        return lambda context: function()
    if given == ["context"] and not routed:
        return lambda context: function(context=context)
    return _call_with(function, given, routed)


def _call_with(function: Callable[..., object], given: Sequence[str], routed: Sequence[str]) -> Handler:
    def handle(context: Context) -> object:
        arguments: dict[str, Any] = {name: context if name == "context" else getattr(context, name) for name in given}
        values = context.route_values or {}
        for name in routed:
            arguments[name] = values[name]
        return function(**arguments)

    return handle


def _check(function: Callable[..., object], parameters: Sequence[inspect.Parameter], names: Sequence[str]) -> None:
    known = {*_GIVEN, *names}
    problems = []
    for each in parameters:
        if each.kind is each.POSITIONAL_ONLY:
            problems.append(f"its parameter {each.name!r} can be given by position only; a handler gets them by name")
        elif each.name not in known and each.default is each.empty:
            problems.append(f"it wants {each.name!r}, but there are only: {', '.join(sorted(known))}")
    if problems:
        name = getattr(function, "__qualname__", repr(function))
        raise ConfigurationError([Problem(f"function {name}: {problem}") for problem in problems])
