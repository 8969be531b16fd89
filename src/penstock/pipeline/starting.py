"""Starting: modules and applications of a site, started once in order and stopped in reverse, only what has started."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable, Sequence
from math import ceil
from typing import TYPE_CHECKING, Final

from penstock.errors import RequestRejected, StartupError
from penstock.pipeline.module import Action
from penstock.pipeline.signatures import called

if TYPE_CHECKING:
    from penstock.pipeline.context import Context

logger = logging.getLogger("penstock")

# Seconds until what failed to start is tried again: 10, 20, 40 and so on, at most 300 (pipeline A-05).
FIRST_DELAY: Final = 10.0
LONGEST_DELAY: Final = 300.0


class Part:
    """What is started and stopped as one: a module, or what answers. `name` is for messages.

    `is_for_all`: without it nothing of the site may be served, as without a module. `reason` says why it last failed.
    """

    __slots__ = (
        "delay",
        "due",
        "is_for_all",
        "is_started",
        "name",
        "reason",
        "start_actions",
        "started_actions",
        "stop_actions",
        "tries",
    )

    def __init__(
        self, name: str, start_actions: Sequence[Action], stop_actions: Sequence[Action], *, is_for_all: bool = False
    ) -> None:
        self.name = name
        self.start_actions = tuple(start_actions)
        self.stop_actions = tuple(stop_actions)
        self.is_for_all = is_for_all
        self.is_started = False
        self.started_actions = 0  # of `start_actions`: one that has succeeded is not called again
        self.tries = 0
        self.delay = FIRST_DELAY
        self.due = 0.0
        self.reason = ""

    async def start(self) -> None:
        """Call the start actions that have not succeeded yet; raises what they raise."""
        self.tries += 1
        for action in self.start_actions[self.started_actions :]:
            await call_action(action)
            self.started_actions += 1
        self.is_started = True


class Starting:
    """The life of the parts of one site.

    With `retries`, a part whose start fails is FAILED: it serves nobody, and is tried again after a while; otherwise the first
    failure keeps the site from starting. `on_change` is called when what may be served has changed. `call_later` sets a timer.
    """

    __slots__ = ("_started", "_tasks", "_timers", "blocked_by", "call_later", "on_change", "parts", "retries")

    def __init__(self, parts: Sequence[Part], on_change: Callable[[], None]) -> None:
        """`parts` are started in this order: modules before what answers."""
        self.parts = tuple(parts)
        self.on_change = on_change
        self.retries = False
        self.call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle] | None = None
        self.blocked_by: Part | None = None
        self._started: list[Action] = []
        self._timers: dict[Part, asyncio.TimerHandle] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Start all parts. Raises StartupError after stopping those that had started, unless it `retries` (pipeline A-04)."""
        # Compiled by mypyc, a coroutine that waits inside `except` and raises again breaks when it is cancelled.
        failure: BaseException | None = None
        try:
            await self._start_from(0)
        except BaseException as error:
            failure = error
        if failure is not None:
            await self.stop()
            raise failure

    async def stop(self) -> None:
        """Stop what has started, in reverse order; a failure is logged and harms no other (pipeline A-06, A-08)."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        for task in tuple(self._tasks):
            task.cancel()
            await asyncio.wait((task,))
        while self._started:
            action = self._started.pop()
            try:
                await call_action(action)
            except Exception:
                logger.exception("failed to stop")

    def find_failed(self, part: Part | None) -> Part | None:
        """What keeps `part`, or None for what needs no start, from being served now."""
        if self.blocked_by is not None:
            return self.blocked_by
        return part if part is not None and part.reason and not part.is_started else None

    async def _start_from(self, at: int) -> None:
        # A module that fails holds up what comes behind it; an application that fails harms no other.
        for part in self.parts[at:]:
            if not await self._start_one(part) and part.is_for_all:
                self.blocked_by = part
                return

    async def _start_one(self, part: Part) -> bool:
        try:
            await part.start()
        except Exception as error:
            failure = _as_startup_error(part, error)
            if not self.retries:
                raise failure from failure.__cause__
            self._fail(part, failure)
            return False
        self._started += part.stop_actions
        return True

    def _fail(self, part: Part, failure: StartupError) -> None:
        part.reason = str(failure)
        text = "%s; %s answered with 503, tried again in %g s (try %d)"
        what = "the whole site is" if part.is_for_all else "its requests are"
        logger.error(text, failure, what, part.delay, part.tries, exc_info=failure.__cause__ or failure)
        loop = asyncio.get_running_loop()
        part.due = loop.time() + part.delay
        call_later = self.call_later or loop.call_later
        self._timers[part] = call_later(part.delay, lambda: self._try_again(part))
        part.delay = min(part.delay * 2, LONGEST_DELAY)

    def _try_again(self, part: Part) -> None:
        self._timers.pop(part, None)
        task = asyncio.get_running_loop().create_task(self._retry(part))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _retry(self, part: Part) -> None:
        if not await self._start_one(part):
            return
        logger.info("%s has started, at try %d", part.name, part.tries)
        if self.blocked_by is part:
            await self._start_from(self.parts.index(part) + 1)
            if self.blocked_by is part:
                self.blocked_by = None
        self.on_change()


def refuse_for(part: Part) -> Callable[[Context], None]:
    """The step that answers, in place of `part`, with 503: when it is tried again is told, why it failed is not."""

    def refuse(context: Context) -> None:
        seconds = max(1, ceil(part.due - context.runtime.loop.time()))
        reason = f"{part.reason}; tried again in {seconds} s"
        raise RequestRejected(503, "", reason=reason, headers=((b"retry-after", b"%d" % seconds),))

    return refuse


def _as_startup_error(part: Part, error: Exception) -> StartupError:
    if isinstance(error, StartupError):
        return error
    failure = StartupError(f"{part.name} failed to start: {error}")
    failure.__cause__ = error  # mypyc drops the cause of "raise ... from ..."
    return failure


async def call_action(action: Callable[[], object]) -> None:
    """Call an action, plain or async, to its end."""
    result = called(action)
    if inspect.isawaitable(result):
        await result
