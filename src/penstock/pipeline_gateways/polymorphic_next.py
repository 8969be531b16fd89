"""What a middleware of unknown shape is given as the application it wraps: it can be called in whatever way that is done."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, ClassVar

from penstock.errors import ContractError
from penstock.pipeline_gateways.shapes import Shape

Convert = Callable[[Shape], Any]


class PolymorphicNext:
    """`next(scope, receive, send)`, `next(environ, start_response)` or `next(context)`, as the caller likes it.

    What it leads to is converted when it is first called that way, by `convert(shape)`, and kept. `consumed` has the shapes
    that were asked for. It is no ASGI 2 application, although its call is no coroutine function: the mark says so.
    """

    __slots__ = ("_convert", "_found")

    _asgi_single_callable: ClassVar[bool] = True

    def __init__(self, convert: Convert) -> None:
        self._convert = convert
        self._found: dict[Shape, Any] = {}

    @property
    def consumed(self) -> tuple[Shape, ...]:
        """The shapes in which it was called so far."""
        return tuple(self._found)

    def __call__(self, *arguments: Any) -> Any:
        """Dispatch by the number of arguments. Raises ContractError for a call of no known shape."""
        count = len(arguments)
        if count == 3:
            return self.converted(Shape.ASGI3)(*arguments)
        if count == 2 and isinstance(arguments[0], dict) and "REQUEST_METHOD" in arguments[0]:
            return self.converted(Shape.WSGI)(*arguments)
        if count == 1 and isinstance(arguments[0], MutableMapping):
            return _Scoped(self.converted(Shape.ASGI3), arguments[0])
        if count == 1:
            return self.converted(Shape.NATIVE)(arguments[0])
        raise ContractError(
            f"the application was called with {count} arguments: ASGI takes (scope, receive, send), WSGI "
            "(environ, start_response), and a native one (context)"
        )

    def converted(self, shape: Shape) -> Any:
        """What it leads to, as an application of that shape."""
        found = self._found.get(shape)
        if found is None:
            found = self._found[shape] = self._convert(shape)
        return found


class _Scoped:
    """Called like an ASGI 2 application, with the scope first."""

    __slots__ = ("_application", "_scope")

    def __init__(self, application: Any, scope: MutableMapping[str, Any]) -> None:
        self._application = application
        self._scope = scope

    def __call__(self, receive: Any, send: Any) -> Awaitable[None]:
        result: Awaitable[None] = self._application(self._scope, receive, send)
        return result
