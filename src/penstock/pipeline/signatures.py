"""How many arguments a hook takes: a wrong one is a mistake at start-up, not in the first request (pipeline A-09)."""

from __future__ import annotations

import inspect
from typing import Final

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
