"""`@on`, `@after` and `@around`: a module may name its stages where its methods stand, instead of in `attach` (pipeline A-09)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

from penstock.pipeline.module import Hooks
from penstock.pipeline.stages import Stage, stage_named

F = TypeVar("F", bound=Callable[..., Any])

_MARKS: Final = "__penstock_marks__"


class _Mark(NamedTuple):
    kind: str
    stage: Stage
    last: Stage
    priority: int


def on(stage: Stage | str, *, priority: int = 0) -> Callable[[F], F]:
    """The method is a hook of `stage`, as by `Hooks.on`. Raises ValueError for an unknown name."""
    return _marker(_Mark("on", stage_named(stage), stage_named(stage), priority))


def after(stage: Stage | str, *, priority: int = 0) -> Callable[[F], F]:
    """The method is a hook behind `stage`, as by `Hooks.after`. Raises ValueError for an unknown name."""
    return _marker(_Mark("after", stage_named(stage), stage_named(stage), priority))


def around(first: Stage | str, last: Stage | str) -> Callable[[F], F]:
    """The method gives a context manager for the stages from `first` to `last`, as by `Hooks.around`."""
    return _marker(_Mark("around", stage_named(first), stage_named(last), 0))


def attach_decorated(module: object, hooks: Hooks) -> bool:
    """Subscribe the decorated methods of `module` in the order in which they stand. Whether there were any."""
    found = False
    for kind in reversed(type(module).__mro__):
        for name, member in vars(kind).items():
            if getattr(type(module), name, None) is not member:
                continue  # a subclass has put another in its place
            for mark in getattr(member, _MARKS, ()):
                _subscribe(hooks, mark, getattr(module, name))
                found = True
    return found


def attach_module(module: Any, hooks: Hooks) -> None:
    """Let `module` subscribe: its decorated methods, then what its `attach` says. AttributeError when it has neither."""
    if not attach_decorated(module, hooks) or hasattr(module, "attach"):
        module.attach(hooks)


def _marker(mark: _Mark) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        setattr(function, _MARKS, (*getattr(function, _MARKS, ()), mark))
        return function

    return decorate


def _subscribe(hooks: Hooks, mark: _Mark, method: Callable[..., Any]) -> None:
    if mark.kind == "on":
        hooks.on(mark.stage, method, priority=mark.priority)
    elif mark.kind == "after":
        hooks.after(mark.stage, method, priority=mark.priority)
    else:
        hooks.around(mark.stage, mark.last, method)
