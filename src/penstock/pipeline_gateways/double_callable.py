"""ASGI 2 and ASGI 3 as each other: the same messages, called in two steps or in one."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, ClassVar


class Double:
    """An ASGI 2 application, called as ASGI 3 is. An error in the first step is one of the application."""

    __slots__ = ("__wrapped_app__",)

    __gateway__: ClassVar[str] = "asgi3"
    __signature_id__: ClassVar[str] = "asgi2"
    _asgi_single_callable: ClassVar[bool] = True

    def __init__(self, application: Any) -> None:
        self.__wrapped_app__ = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request, or the whole life of the application."""
        await self.__wrapped_app__(scope)(receive, send)


class Single:
    """An ASGI 3 application, called as ASGI 2 is."""

    __slots__ = ("__wrapped_app__",)

    __gateway__: ClassVar[str] = "asgi2"
    __signature_id__: ClassVar[str] = "asgi3"
    _asgi_double_callable: ClassVar[bool] = True

    def __init__(self, application: Any) -> None:
        self.__wrapped_app__ = application

    def __call__(self, scope: Any) -> SecondStep:
        """The first step."""
        return SecondStep(self.__wrapped_app__, scope)


class SecondStep:
    """What the first step returns."""

    __slots__ = ("_application", "_scope")

    def __init__(self, application: Any, scope: Any) -> None:
        self._application = application
        self._scope = scope

    def __call__(self, receive: Any, send: Any) -> Awaitable[None]:
        """The second step."""
        result: Awaitable[None] = self._application(self._scope, receive, send)
        return result
