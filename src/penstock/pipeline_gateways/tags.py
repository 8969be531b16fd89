"""Tags: what an object is, said where it cannot be told from how it looks; `wsgi(x)`, `around(x)` and so on (middleware 15.2)."""

from __future__ import annotations

from typing import Any


class Tagged:
    """`candidate`, called as it is, and marked with what it is: an application of that shape, or a middleware for them."""

    __slots__ = ("__gateway__", "__gateway_name__", "candidate")

    def __init__(self, candidate: Any, gateway: str) -> None:
        self.candidate = candidate
        self.__gateway__ = gateway
        self.__gateway_name__ = str(getattr(candidate, "__qualname__", type(candidate).__qualname__))

    def __call__(self, *arguments: Any, **settings: Any) -> Any:
        """Call what is tagged."""
        return self.candidate(*arguments, **settings)


def asgi3(candidate: Any) -> Tagged:
    """An ASGI 3 application, or a middleware for them."""
    return Tagged(candidate, "asgi3")


def asgi2(candidate: Any) -> Tagged:
    """An ASGI 2 application, or a middleware for them."""
    return Tagged(candidate, "asgi2")


def wsgi(candidate: Any) -> Tagged:
    """A WSGI application, or a middleware for them."""
    return Tagged(candidate, "wsgi")


def native(candidate: Any) -> Tagged:
    """An application (context), or a middleware for them."""
    return Tagged(candidate, "native")


def factory(candidate: Any) -> Tagged:
    """A middleware that is given the application and returns another, of whatever shape that turns out to be."""
    return Tagged(candidate, "factory")


def around(candidate: Any) -> Tagged:
    """A middleware (context, next)."""
    return Tagged(candidate, "around")
