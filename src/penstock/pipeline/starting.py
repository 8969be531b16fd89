"""Starting: modules and applications of a site, started once in order and stopped in reverse, only what has started."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Sequence

from penstock.errors import StartupError
from penstock.pipeline.module import Action

logger = logging.getLogger("penstock")


class Part:
    """What is started and stopped as one: a module, or what answers. `name` is for messages."""

    __slots__ = ("name", "start_actions", "stop_actions")

    def __init__(self, name: str, start_actions: Sequence[Action], stop_actions: Sequence[Action]) -> None:
        self.name = name
        self.start_actions = tuple(start_actions)
        self.stop_actions = tuple(stop_actions)


class Starting:
    """The life of the parts of one site."""

    __slots__ = ("_started", "parts")

    def __init__(self, parts: Sequence[Part]) -> None:
        """`parts` are started in this order."""
        self.parts = tuple(parts)
        self._started: list[Action] = []

    async def start(self) -> None:
        """Start all parts. Raises StartupError after stopping those that had started (pipeline A-04)."""
        for part in self.parts:
            try:
                for action in part.start_actions:
                    await _call(action)
            except BaseException as error:
                await self.stop()
                if isinstance(error, StartupError) or not isinstance(error, Exception):
                    raise
                failure = StartupError(f"{part.name} failed to start: {error}")
                failure.__cause__ = error  # mypyc drops the cause of "raise ... from ..."
                raise failure from error
            self._started += part.stop_actions

    async def stop(self) -> None:
        """Stop what has started, in reverse order; a failure is logged and harms no other (pipeline A-06, A-08)."""
        while self._started:
            action = self._started.pop()
            try:
                await _call(action)
            except Exception:
                logger.exception("failed to stop")


async def _call(action: Action) -> None:
    result = action()
    if inspect.isawaitable(result):
        await result
