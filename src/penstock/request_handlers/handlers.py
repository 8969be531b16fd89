"""Handlers that are objects: made once or for each request, or by a factory; and which of their methods answers."""

from __future__ import annotations

import errno
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn, Protocol

from penstock.errors import ConfigurationError, HTTPError, Problem
from penstock.pipeline.handler import entry_of
from penstock.pipeline.starting import call_action

if TYPE_CHECKING:
    from penstock.pipeline.context import Context
    from penstock.pipeline.handler import Handler

# The first that an object has answers: a handler that can wait is never made to block (pipeline H-11).
_METHODS: Final = ("handle_async", "handle", "__call__")


class HandlerFactory(Protocol):
    """What gives a handler for each request. One object serves the whole application (pipeline R-01).

    If it has `release(handler)`, plain or async, that is called when the request has left, whatever became of it.
    """

    def get(self, context: Context) -> object | Awaitable[object]:
        """The handler of this request, plain or async; None is answered with 404.

        FileNotFoundError and NotADirectoryError are answered with 404, a path that is too long with 414 (pipeline H-07).
        """


class Maker:
    """Makes what a reference names: an object of a class, or the object itself where it is no class."""

    __slots__ = ("_found", "_settings", "name")

    def __init__(self, found: object, settings: Mapping[str, Any], name: str) -> None:
        """Raises ConfigurationError for settings that the constructor does not take; nothing is constructed."""
        self._found = found
        self._settings = settings
        self.name = name
        if settings and not self.is_class:
            raise _mistake(name, "is no class, so there is nothing to give `settings` to")
        if isinstance(found, type):
            _check_arguments(found, settings, name)

    @property
    def is_class(self) -> bool:
        """Whether every call of `make` makes a new one."""
        return isinstance(self._found, type)

    def check_methods(self, *names: str, count: int = 1) -> None:
        """Raise ConfigurationError unless what is made has one of the methods, with `count` parameters of its own."""
        for name in names:
            method, bound = self._find_method(name)
            if method is not None:
                return _check_parameters(method, count + (not bound), f"{self.name}: {name}", count)
        wanted = " nor ".join(f"`{name}`" for name in names)
        raise _mistake(self.name, f"has neither {wanted}" if len(names) > 1 else f"has no {wanted}")

    def make(self) -> object:
        """A new object, or the one that is there."""
        return self._found(**self._settings) if isinstance(self._found, type) else self._found

    def _find_method(self, name: str) -> tuple[Any, bool]:
        """A method of what is made, and whether it is bound to its object already."""
        if not isinstance(self._found, type):
            return getattr(self._found, name, None), True
        for kind in self._found.__mro__[:-1]:
            if name in vars(kind):
                is_bound = isinstance(vars(kind)[name], staticmethod | classmethod)
                return getattr(self._found, name), is_bound
        return None, True


class Singleton:
    """One object for all requests, made when its application starts, before any of them (pipeline R-01, Z-10)."""

    __slots__ = ("_maker", "made")

    def __init__(self, maker: Maker) -> None:
        self._maker = maker
        self.made: Any = None

    async def start(self) -> None:
        """Make it, then call its `on_start`, else its `start`, if it has one. Raises what these raise."""
        made = self._maker.make()
        await _call_first(made, ("on_start", "start"))
        self.made = made

    async def stop(self) -> None:
        """Call its `on_stop`, else its `stop`, if it has one, and let go of it."""
        made, self.made = self.made, None
        await _call_first(made, ("on_stop", "stop"))


class SingletonHandler(Singleton):
    """A handler that answers all requests."""

    __slots__ = ("_call",)

    def __init__(self, maker: Maker) -> None:
        """Raises ConfigurationError for what is no handler."""
        super().__init__(maker)
        maker.check_methods(*_METHODS)
        self._call: Handler | None = None

    async def start(self) -> None:
        """As for any singleton."""
        await super().start()
        self._call = entry_of(self.made)

    def handle(self, context: Context) -> object:
        """What the handler returns."""
        assert self._call is not None
        return self._call(context)


class PerRequest:
    """Gives each request a handler of its own (pipeline R-02). `map` is the last step of MAP_HANDLER."""

    __slots__ = ("_maker",)

    def __init__(self, maker: Maker) -> None:
        """Raises ConfigurationError for what is no handler, or no class."""
        self._maker = maker
        if not maker.is_class:
            raise _mistake(maker.name, 'is no class: lifetime = "per_request" makes an object of it for each request')
        maker.check_methods(*_METHODS)

    def map(self, context: Context) -> None:
        """Make the handler; its `close` or `aclose`, if it has one, is called when the request has left."""
        handler = self._maker.make()
        context.rest.handler = handler
        release = getattr(handler, "aclose", None) or getattr(handler, "close", None)
        if release is not None:
            context.release_handler(handler, lambda _: release())


class FromFactory(Singleton):
    """Gives each request the handler that the application's one factory says. `map` is the last step of MAP_HANDLER."""

    __slots__ = ()

    def __init__(self, maker: Maker) -> None:
        """Raises ConfigurationError for what has no `get`."""
        super().__init__(maker)
        maker.check_methods("get")

    def map(self, context: Context) -> Awaitable[None] | None:
        """Get the handler, and see to its release. Raises HTTPError 404 or 414 where there is none for the path."""
        try:
            handler = self.made.get(context)
        except OSError as error:
            _refuse(error)
        if hasattr(handler, "__await__"):
            return self._map_later(context, handler)
        self._take(context, handler)
        return None

    async def _map_later(self, context: Context, pending: Awaitable[object]) -> None:
        try:
            handler = await pending
        except OSError as error:
            _refuse(error)
        self._take(context, handler)

    def _take(self, context: Context, handler: object) -> None:
        if handler is None:
            raise HTTPError(404)  # pipeline H-08: nobody comes to EXECUTE without a handler
        context.rest.handler = handler
        release = getattr(self.made, "release", None)
        if release is not None:
            context.release_handler(handler, release)


def handle_mapped(context: Context) -> object:
    """What the handler that MAP_HANDLER found for this request returns."""
    return entry_of(context.handler)(context)


def _refuse(error: OSError) -> NoReturn:
    """Answer for a factory that failed; its text, which may name a file, goes to the log only (pipeline H-07)."""
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        raise HTTPError(404) from error
    if error.errno == errno.ENAMETOOLONG:
        raise HTTPError(414) from error
    raise error


async def _call_first(owner: object, names: tuple[str, ...]) -> None:
    for name in names:
        action = getattr(owner, name, None)
        if action is not None:
            await call_action(action)
            return


def _check_arguments(kind: type, settings: Mapping[str, Any], name: str) -> None:
    try:
        inspect.signature(kind).bind(**settings)
    except TypeError as error:
        raise _mistake(name, f"cannot be constructed with these `settings`: {error}") from error
    except ValueError:
        pass  # written in C, without a signature


def _check_parameters(method: Callable[..., object], count: int, name: str, own: int) -> None:
    try:
        signature = inspect.signature(method)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(*range(count))
    except TypeError as error:
        told = "one argument, the context" if own == 1 else f"{own} arguments"
        raise _mistake(name, f"is called with {told}: {error}") from error


def _mistake(name: str, message: str) -> ConfigurationError:
    return ConfigurationError([Problem(f"{name} {message}")])
