"""Shape detection: what kind of application an object is, decided before the first request and never guessed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Any, Final

from penstock.errors import ConfigurationError, Problem


class Shape(StrEnum):
    """The shapes of applications (middleware section 15.1)."""

    ASGI3 = "asgi3"
    ASGI2 = "asgi2"
    WSGI = "wsgi"
    RSGI = "rsgi"
    NATIVE = "native"
    WEBSOCKET = "websocket"
    OWIN = "owin"


_NAMES: Final = {
    ("scope", "receive", "send"): Shape.ASGI3,
    ("environ", "start_response"): Shape.WSGI,
    ("scope", "proto"): Shape.RSGI,
    ("scope", "protocol"): Shape.RSGI,
    ("scope",): Shape.ASGI2,
    ("websocket",): Shape.WEBSOCKET,
    ("websocket", "context"): Shape.WEBSOCKET,
    ("environment",): Shape.OWIN,
    ("context",): Shape.NATIVE,
    ("ctx",): Shape.NATIVE,
}


def detect_shape(application: object, name: str) -> Shape:
    """The shape of `application`, which the operator calls `name`.

    In this order: the tag `__gateway__` ("asgi3", "wsgi" ...); the marks of asgiref; whether its call is a coroutine and how
    many parameters it requires, looking through partials, decorators, bound methods and `__call__`; the names of these.
    Raises ConfigurationError that lists the candidates when in doubt (middleware R-PY-02, R-PY-03).
    """
    if not callable(application):
        raise _refusal(f"{name} is {type(application).__name__!r}, which cannot be called: it is no application")
    tag = getattr(application, "__gateway__", None)
    if tag is not None:
        return _read_tag(tag, name)
    if getattr(application, "_asgi_single_callable", False):
        return Shape.ASGI3
    if getattr(application, "_asgi_double_callable", False):
        return Shape.ASGI2
    call = find_call(application)
    parameters = _required_parameters(call, name)
    by_name = _NAMES.get(tuple(parameters))
    return by_name or _by_count(call, len(parameters), inspect.isclass(application), name)


def _read_tag(tag: object, name: str) -> Shape:
    try:
        return Shape(str(tag).lower())
    except ValueError:
        known = ", ".join(shape.value for shape in Shape)
        raise _refusal(f"{name} has __gateway__ = {tag!r}, which is none of: {known}") from None


def find_call(application: Any) -> Callable[..., Any]:
    """The function, method or class that is called in the end, with what partials give it."""
    while True:
        if isinstance(application, partial):
            if inspect.isfunction(application.func) or inspect.ismethod(application.func):
                return application
            return partial(find_call(application.func), *application.args, **application.keywords)
        if inspect.isfunction(application) or inspect.ismethod(application) or inspect.isclass(application):
            return application
        if inspect.isbuiltin(application):
            return application
        application = application.__call__


def _required_parameters(call: Callable[..., Any], name: str) -> list[str]:
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):
        raise _refusal(
            f"{name} has no signature to read: name its shape with asgi = or wsgi = instead of app ="
        ) from None
    required = [
        each.name
        for each in signature.parameters.values()
        if each.default is each.empty and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]
    if not required and any(each.kind is each.VAR_POSITIONAL for each in signature.parameters.values()):
        raise _refusal(f"{name} takes any parameters: name its shape with asgi = or wsgi = instead of app =")
    return required


def _by_count(call: Callable[..., Any], count: int, is_class: bool, name: str) -> Shape:
    is_async = is_coroutine_function(call)
    if count == 3:
        return Shape.ASGI3
    if is_async and count in (1, 2):
        return Shape.RSGI if count == 2 else Shape.NATIVE
    if count == 2 and not is_class:
        return Shape.WSGI
    if count == 0 and not is_class:
        return Shape.NATIVE
    candidates = "ASGI 2 or a plain function" if count == 1 else "nothing that is known"
    raise _refusal(
        f"{name} takes {count} parameters: it may be {candidates}. ASGI 3 takes (scope, receive, send), "
        "WSGI (environ, start_response); say which with asgi = or wsgi =, or use --factory if it makes the application"
    )


def is_coroutine_function(call: Any) -> bool:
    """Whether calling it gives a coroutine, whatever decorators and partials are around it."""
    function: Any = call.func if isinstance(call, partial) else call
    return inspect.iscoroutinefunction(inspect.unwrap(function))


def _refusal(message: str) -> ConfigurationError:
    return ConfigurationError([Problem(message)])
