"""Applications called with a context: an ASGI application that is, and a middleware (context, next) around one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

from penstock.errors import ContractError
from penstock.pipeline.context import Context
from penstock.pipeline.handler import respond
from penstock.pipeline_gateways.asgi import AsgiGateway
from penstock.pipeline_gateways.held_exchange import HeldExchange
from penstock.pipeline_gateways.hosted import HostedRequest


class AsgiAsNative:
    """An ASGI 3 application, called with a context: its answer is in the response when it has returned, unless it streams."""

    __slots__ = ("__wrapped_app__", "_gateway")

    __gateway__: ClassVar[str] = "native"
    __signature_id__: ClassVar[str] = "asgi3"

    def __init__(self, application: Any) -> None:
        self.__wrapped_app__ = application
        self._gateway = AsgiGateway(application)

    @property
    def __inner__(self) -> Any:
        """What has the lifespan."""
        return self.__wrapped_app__

    async def __call__(self, context: Context) -> None:
        """One request. Raises ContractError for an answer that it has not ended."""
        exchange = HeldExchange(context)
        scope = self._gateway.scope(context)
        worker_request = context.worker_request
        if isinstance(worker_request, HostedRequest):
            # What middleware around has put into the scope is for the application, too (middleware R-SG-22).
            known = worker_request.scope
            scope["root_path"] = known.get("root_path", "")
            scope = {**known, **scope}
        try:
            await self.__wrapped_app__(scope, exchange.receive, exchange.send)
        finally:
            exchange.end()
        exchange.judge("the ASGI application", may_be_silent=False)


class Answering:
    """An application (context) whose answer is in the response when it has returned, whatever it returns."""

    __slots__ = ("__wrapped_app__",)

    __gateway__: ClassVar[str] = "native"
    __signature_id__: ClassVar[str] = "native"

    def __init__(self, application: Any) -> None:
        self.__wrapped_app__ = application

    @property
    def __inner__(self) -> Any:
        """What has the lifespan."""
        return getattr(self.__wrapped_app__, "__inner__", None)

    async def __call__(self, context: Context) -> None:
        """One request."""
        application: Any = self.__wrapped_app__
        value = (application.invoke if callable(getattr(application, "invoke", None)) else application)(context)
        if hasattr(value, "__await__"):
            value = await value
        if value is not None:
            respond(context, value)


class AroundApplication:
    """A middleware (context, next) around `inner`, an application (context); itself one."""

    __slots__ = ("_around", "_inner", "_name")

    __gateway__: ClassVar[str] = "native"

    def __init__(self, around: Callable[[Any, Any], Any], inner: Answering, name: str) -> None:
        self._around = around
        self._inner = inner
        self._name = name

    @property
    def __inner__(self) -> Any:
        """What has the lifespan."""
        return self._inner.__inner__

    async def __call__(self, context: Context) -> None:
        """One request."""
        await self._around(context, _Next(context, self._inner, self._name).call)


class _Next:
    __slots__ = ("_context", "_inner", "_is_called", "_name")

    def __init__(self, context: Context, inner: Answering, name: str) -> None:
        self._context = context
        self._inner = inner
        self._name = name
        self._is_called = False

    def call(self) -> Awaitable[None]:
        """`next()`: the rest, once."""
        if self._is_called:
            raise ContractError(f"{self._name} called next twice")
        self._is_called = True
        return self._inner(self._context)
