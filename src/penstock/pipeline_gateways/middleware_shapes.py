"""Shape detection of middleware: what is given an application and becomes one, decided before the first request."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from functools import partial
from typing import Any, Final

from penstock.errors import ConfigurationError
from penstock.pipeline_gateways.middleware_errors import AmbiguousSignature, UnsupportedMiddleware
from penstock.pipeline_gateways.shapes import Shape, detect_shape, find_call, is_coroutine_function

_APPLICATIONS: Final = {
    ("scope", "receive", "send"): "ASGI 3",
    ("environ", "start_response"): "WSGI",
    ("scope", "proto"): "RSGI",
    ("scope", "protocol"): "RSGI",
    ("context",): "native",
    ("ctx",): "native",
    ("environment",): "OWIN",
}
_TAGS: Final = "asgi3(x), asgi2(x), wsgi(x), native(x), factory(x) or around(x)"
# Stands for the application that is wrapped while only the number of arguments is asked.
_NEXT: Final = object()


class Form(Enum):
    """The forms of middleware (middleware section 15.2)."""

    CLASS = "class"
    FACTORY = "factory"
    INSTANCE = "instance"
    AROUND = "around"
    GENERATOR = "generator"


class Middleware:
    """One middleware, and what it is made with. `consumes` is the signature of what it wraps; None: it shows when it is made.

    A signature is a `Shape`, or a text of somebody's own.
    """

    __slots__ = ("arguments", "candidate", "consumes", "form", "is_used", "name", "settings")

    def __init__(
        self,
        candidate: Any,
        form: Form,
        *,
        name: str,
        consumes: str | None,
        arguments: Sequence[Any] = (),
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.candidate = candidate
        self.form = form
        self.name = name
        self.consumes = consumes
        self.arguments = tuple(arguments)
        self.settings = dict(settings or {})
        self.is_used = False

    @property
    def is_around(self) -> bool:
        """Whether it is called with the request's context, and not made around an application."""
        return self.form is Form.AROUND or self.form is Form.GENERATOR

    def make(self, following: Any) -> Any:
        """What it makes of the application `following`. Raises what it raises, TypeError where it gives None.

        An instance is initialised once: RuntimeError for the second time (middleware R-AB-06).
        """
        if self.form is Form.INSTANCE:
            if self.is_used:
                raise RuntimeError(f"{self.name} is one object, and belongs to a chain already: use its class")
            self.is_used = True
            self.candidate.initialize(following, *self.arguments, **self.settings)
            return self.candidate
        made = self.candidate(following, *self.arguments, **self.settings)
        if made is None:
            raise TypeError(f"{self.name} made None of the application that it was given")
        return made

    def around(self) -> Callable[[Any, Any], Any]:
        """`(context, next)`, with what it was registered with."""
        if not self.arguments and not self.settings:
            found: Callable[[Any, Any], Any] = self.candidate
            return found
        return _Bound(self.candidate, self.arguments, self.settings)


class _Bound:
    __slots__ = ("_arguments", "_call", "_settings")

    def __init__(self, call: Any, arguments: Sequence[Any], settings: Mapping[str, Any]) -> None:
        self._call = call
        self._arguments = tuple(arguments)
        self._settings = dict(settings)

    def __call__(self, *given: Any) -> Any:
        return self._call(*given, *self._arguments, **self._settings)


def detect_middleware(
    candidate: Any,
    arguments: Sequence[Any] = (),
    settings: Mapping[str, Any] | None = None,
    *,
    name: str = "",
    consumes: str | None = None,
) -> Middleware:
    """What kind of middleware `candidate` is, which will be made with `arguments` and `settings`.

    In this order: the tag `__gateway__`; carriers with `cls`, `args` and `kwargs`; classes; objects with `initialize`; then by
    how it is called and how many parameters it requires. Raises UnsupportedMiddleware for what is none (and for an
    application, which `run` takes), AmbiguousSignature where it cannot be told, TypeError where it cannot be called with
    what it is given (middleware R-PY-01 to R-PY-04).
    """
    given = dict(settings or {})
    if candidate is None:
        raise TypeError("the middleware is None")
    name = name or name_of(candidate)
    carried = getattr(candidate, "cls", None)
    if inspect.isclass(carried) and hasattr(candidate, "kwargs") and not inspect.isclass(candidate):
        extra = (*getattr(candidate, "args", ()), *arguments)
        return detect_middleware(carried, extra, {**candidate.kwargs, **given}, name=name, consumes=consumes)
    tag = getattr(candidate, "__gateway__", None)
    if tag is not None:
        return _by_tag(str(tag).lower(), candidate, arguments, given, name=name, consumes=consumes)
    if inspect.isclass(candidate):
        _bind(candidate, arguments, given, name=name)
        shape = consumes or _shape_of_instances(candidate, name)
        return Middleware(candidate, Form.CLASS, name=name, consumes=shape, arguments=arguments, settings=given)
    if callable(getattr(candidate, "initialize", None)):
        _bind(candidate.initialize, arguments, given, name=f"{name}.initialize")
        shape = consumes or detect_application(candidate, name)
        return Middleware(candidate, Form.INSTANCE, name=name, consumes=shape, arguments=arguments, settings=given)
    if not callable(candidate):
        raise UnsupportedMiddleware(
            f"{name} is a {type(candidate).__name__!r}, which is no middleware: that is a class or a function that is given "
            "an application, or a coroutine function (context, next)"
        )
    return _by_call(candidate, arguments, given, name=name, consumes=consumes)


def detect_application(application: Any, name: str) -> Shape:
    """As `detect_shape`, for Python code: raises AmbiguousSignature that lists the candidates and the tags."""
    if callable(getattr(application, "invoke", None)) and not inspect.isclass(application):
        return Shape.NATIVE
    try:
        return detect_shape(application, name)
    except ConfigurationError as error:
        message = error.problems[0].message.partition("; say which with")[0].partition(": name its shape")[0]
        failure = AmbiguousSignature(f"{message}; a tag says which: {_TAGS}")
    raise failure


def name_of(candidate: Any) -> str:
    """What messages and descriptions call a middleware or an application."""
    while isinstance(candidate, partial):
        candidate = candidate.func
    found = getattr(candidate, "__gateway_name__", None) or getattr(candidate, "__qualname__", None)
    text = str(found or type(candidate).__qualname__)
    return text.rpartition("<locals>.")[2]


# -- one step each -------------------------------------------------------------------------------------------------------


def _by_tag(
    tag: str,
    candidate: Any,
    arguments: Sequence[Any],
    settings: Mapping[str, Any],
    *,
    name: str,
    consumes: str | None,
) -> Middleware:
    if tag == "around":
        return Middleware(
            candidate, Form.AROUND, name=name, consumes=Shape.NATIVE, arguments=arguments, settings=settings
        )
    known = [shape.value for shape in Shape]
    if tag != "factory" and tag not in known:
        raise UnsupportedMiddleware(
            f"{name} has __gateway__ = {tag!r}, which is none of: around, factory, {', '.join(known)}"
        )
    form = Form.CLASS if inspect.isclass(candidate) else Form.FACTORY
    shape = consumes or (None if tag == "factory" else Shape(tag))
    return Middleware(candidate, form, name=name, consumes=shape, arguments=arguments, settings=settings)


def _by_call(
    candidate: Any, arguments: Sequence[Any], settings: Mapping[str, Any], *, name: str, consumes: str | None
) -> Middleware:
    call = find_call(candidate)
    required = _required(call, name)
    if _is_generator(call):
        if len(required) - len(arguments) - len(set(settings).intersection(required)) != 1:
            raise TypeError(f"{name}{_signature_text(call)} is a generator, and is called with (context) alone")
        return Middleware(
            candidate, Form.GENERATOR, name=name, consumes=Shape.NATIVE, arguments=arguments, settings=settings
        )
    kind = _APPLICATIONS.get(tuple(required))
    if kind is not None and not arguments and not settings:
        raise _application(name, kind)
    if is_coroutine_function(call):
        return _by_coroutine(candidate, required, arguments, settings, name=name)
    if len(required) == 2 and required[1] in ("next", "call_next") and not arguments and not settings:
        raise AmbiguousSignature(
            f"{name}{_signature_text(call)} is not async: it may be `async def`, to run around the rest of a request, or a "
            f"factory that needs one more argument; a tag says which: {_TAGS}"
        )
    _bind(candidate, arguments, settings, name=name)
    return Middleware(candidate, Form.FACTORY, name=name, consumes=consumes, arguments=arguments, settings=settings)


def _by_coroutine(
    candidate: Any, required: Sequence[str], arguments: Sequence[Any], settings: Mapping[str, Any], *, name: str
) -> Middleware:
    left = [each for each in required if each not in settings]
    count = len(left) - len(arguments)
    if count == 2:
        return Middleware(
            candidate, Form.AROUND, name=name, consumes=Shape.NATIVE, arguments=arguments, settings=settings
        )
    if count in (1, 3):
        raise _application(name, "ASGI 3" if count == 3 else "native")
    raise AmbiguousSignature(
        f"{name} is async and takes {count} parameters: (context, next) would run around the rest of a request, and "
        f"(scope, receive, send) is an application; a tag says which: {_TAGS}"
    )


def _application(name: str, kind: str) -> UnsupportedMiddleware:
    return UnsupportedMiddleware(f"{name} looks like an application ({kind}), and is no middleware: use run()")


def _bind(call: Any, arguments: Sequence[Any], settings: Mapping[str, Any], *, name: str) -> None:
    try:
        signature = inspect.signature(call)
    except ValueError:
        raise AmbiguousSignature(f"{name} has no signature to read; a tag says what it is: {_TAGS}") from None
    if not signature.parameters:
        raise TypeError(f"{name}() takes no application: a middleware is given the one that it wraps")
    try:
        signature.bind(_NEXT, *arguments, **settings)
    except TypeError as error:
        given = ", ".join(["the application", *[repr(each) for each in arguments], *[f"{key}=" for key in settings]])
        raise TypeError(f"{name}{signature} cannot be called with ({given}): {error}") from None


def _required(call: Any, name: str) -> list[str]:
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):
        raise AmbiguousSignature(f"{name} has no signature to read; a tag says what it is: {_TAGS}") from None
    return [
        each.name
        for each in signature.parameters.values()
        if each.default is each.empty and each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
    ]


def _signature_text(call: Any) -> str:
    return str(inspect.signature(call))


def _is_generator(call: Any) -> bool:
    function: Any = call.func if isinstance(call, partial) else call
    return inspect.isasyncgenfunction(inspect.unwrap(function))


def _shape_of_instances(kind: Any, name: str) -> Shape:
    """The shape that the instances of a class have, which nobody has made yet."""
    tag = getattr(kind, "__gateway__", None)
    if tag is not None:
        return Shape(str(tag).lower())
    call = kind.__dict__.get("__call__") or getattr(kind, "__call__", None)  # noqa: B004 - of its instances, not of itself
    if not inspect.isfunction(call) and not isinstance(call, (partial, staticmethod)):
        call = next((each.__dict__["__call__"] for each in kind.__mro__ if "__call__" in each.__dict__), None)
    if call is None or kind.__call__ is type.__call__:
        if callable(getattr(kind, "invoke", None)):
            return Shape.NATIVE
        raise UnsupportedMiddleware(
            f"the instances of {name} cannot be called: a middleware is an application around another"
        )
    return detect_application(partial(call, None), name)
