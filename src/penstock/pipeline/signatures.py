"""What is called for others: how many arguments it takes, and that it can be called at all (pipeline A-09).

A wrong hook is a mistake at start-up, not in the first request.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

_ARGUMENTS: Final = ("no argument", "one argument, the context", "two arguments, the context and the step")


def check_arguments(module: str, call: object, count: int) -> None:
    """Raise TypeError unless `call` can be called with `count` arguments by position."""
    if not callable(call):
        raise TypeError(f"module {module}: {call!r} is not callable")
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):
        return  # written in C, without a signature
    try:
        signature.bind(*range(count))
    except TypeError as error:
        name = getattr(call, "__name__", None) or repr(call)
        raise TypeError(f"module {module}: {name} is called with {_ARGUMENTS[count]}: {error}") from None


def check_callable(what: str, callback: object) -> None:
    """Raise TypeError unless `callback`, which `what` was given, can be called."""
    if not callable(callback):
        raise TypeError(f"{what} takes what can be called, not {type(callback).__name__!r}")


def called(function: Callable[..., T], *arguments: object) -> T:
    """What `function` of somebody else gives, called on the way of a coroutine.

    PEP 479: StopIteration becomes a RuntimeError. Compiled, a coroutine would take it for its own end, and not fail at all.
    """
    try:
        return function(*arguments)
    except StopIteration as error:
        failure = RuntimeError(f"{getattr(function, '__qualname__', function)} raised StopIteration")
        failure.__cause__ = error
        raise failure from error
