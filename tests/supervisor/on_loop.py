"""This file is how a coroutine function is a test: it runs on an event loop of its own."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, ParamSpec

P = ParamSpec("P")


def on_loop(test: Callable[P, Awaitable[Any]]) -> Callable[P, None]:
    """Run `test` with asyncio.run."""

    @wraps(test)
    def run(*arguments: P.args, **named: P.kwargs) -> None:
        async def call() -> None:
            await test(*arguments, **named)

        asyncio.run(call())

    return run
