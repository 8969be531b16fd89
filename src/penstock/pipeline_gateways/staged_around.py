"""A middleware that is an asynchronous generator (context): its one `yield` is where the rest of the request passes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from penstock.errors import ContractError


class Generating:
    """It as (context, next). What fails behind it is thrown in at the yield; what it does not let out again has been handled."""

    __slots__ = ("_function", "_name")

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self._function = function
        self._name = name

    async def __call__(self, context: Any, following: Callable[[], Awaitable[None]]) -> None:
        """Raises ContractError when it yields more than once; one that does not yield has not let the request on."""
        generator = self._function(context)
        try:
            await generator.__anext__()
        except StopAsyncIteration:
            return
        try:
            await following()
        except Exception as error:
            await self._end(generator, error)
        else:
            await self._end(generator, None)

    async def _end(self, generator: Any, error: Exception | None) -> None:
        try:
            if error is None:
                await generator.__anext__()
            else:
                await generator.athrow(error)
        except StopAsyncIteration:
            return
        await generator.aclose()
        raise ContractError(f"{self._name} yielded twice: the rest of a request passes once")
