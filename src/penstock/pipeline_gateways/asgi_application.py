"""An ASGI application of ours as other people's code wants to see it: marked as ASGI 3, whatever inspection says of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, ClassVar, Final

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Call = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]

# Where a scope says what a branch that has come to its end is to do, if that is not 404 (middleware R-SG-36).
AT_THE_END: Final = "penstock.at_the_end"


class Application:
    """Calls `call(scope, receive, send)`. Compiled functions are no coroutine functions to `inspect`: the marks say what it is."""

    __slots__ = ("_call",)

    # asgiref's mark, and ours
    _asgi_single_callable: ClassVar[bool] = True
    __gateway__: ClassVar[str] = "asgi3"

    def __init__(self, call: Call) -> None:
        self._call = call

    def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> Awaitable[None]:
        """One request, or the whole life of the application."""
        return self._call(scope, receive, send)
