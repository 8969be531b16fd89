"""Verifier: in a debug mode, names module and stage of what breaks the rules of steps and yet mostly works (pipeline M-08).

It tells of four things: a write behind END, work on the response from a foreign thread, a task that outlived the stage it was
begun in, and a completion that is called twice. Each is an error in the log; while the request is inside, it fails, too.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import ContractError
from penstock.http.headers import Headers
from penstock.pipeline.error_report import describe
from penstock.pipeline.response import ContextResponse
from penstock.pipeline.response_headers import ResponseHeaders
from penstock.pipeline.stages import Stage
from penstock.pipeline.step import Call, Step

if TYPE_CHECKING:
    from penstock.pipeline.context import Context

logger = logging.getLogger("penstock")


class Acting:
    """Who is at work: a module at a stage; and the tasks that were begun meanwhile."""

    __slots__ = ("module", "stage", "tasks")

    def __init__(self, module: str, stage: Stage) -> None:
        self.module = module
        self.stage = stage
        self.tasks: list[asyncio.Task[Any]] = []

    def __str__(self) -> str:
        return f"{self.module} at {self.stage.name}"


_acting: Final[ContextVar[Acting | None]] = ContextVar("penstock_acting", default=None)


class Verifier:
    """Watches every request of a site."""

    __slots__ = ("_threads",)

    def __init__(self) -> None:
        # Who began a thread, by its number: a thread does not inherit context variables.
        self._threads: dict[int, Acting] = {}

    def take_in(self, context: Context) -> None:
        """Watch a request that has just come in."""
        loop = context.runtime.loop
        if loop.get_task_factory() is None:
            loop.set_task_factory(_make_task)
        context.rest.verifier = self
        context.response = VerifiedResponse(context, partial(self._verify, context))

    def wrap(self, step: Step, call: Call) -> Call:
        """`call`, watched."""

        def verified(context: Context) -> Any:
            self._check_outlived(context, step)
            acting = Acting(step.module or "the pipeline", step.stage)
            known = threading.enumerate()
            token = _acting.set(acting)
            try:
                result = call(context)
            finally:
                _acting.reset(token)
                self._note_threads(known, acting)
            if result is not None and hasattr(result, "__await__"):
                return self._await(context, result, acting)
            _keep(context, acting)
            return result

        return verified

    def on_repeat(self, context: Context) -> Callable[[], None]:
        """What a completion of the running step calls when it is completed a second time."""
        who = f"{context.module} at {context.stage.name}"
        return partial(_tell, context, f"{who} has called its completion twice")

    async def _await(self, context: Context, result: Awaitable[Any], acting: Acting) -> None:
        known = threading.enumerate()
        token = _acting.set(acting)
        try:
            await result
        finally:
            _acting.reset(token)
            self._note_threads(known, acting)
        _keep(context, acting)

    def _note_threads(self, known: list[threading.Thread], acting: Acting) -> None:
        begun = [thread.ident for thread in threading.enumerate() if thread not in known and thread.ident is not None]
        if begun:
            alive = {thread.ident for thread in threading.enumerate()}
            # The system gives the number of a thread that has ended to another one.
            self._threads = {number: who for number, who in self._threads.items() if number in alive}
            self._threads.update(dict.fromkeys(begun, acting))

    def _check_outlived(self, context: Context, step: Step) -> None:
        rest = context.rest
        for acting in tuple(rest.outstanding or ()):
            if acting.stage is step.stage:
                continue
            rest.outstanding = [each for each in rest.outstanding or () if each is not acting]
            if not all(task.done() for task in acting.tasks):
                message = f"{acting} began a task that outlived its stage: await it, or begin it by context.start"
                _tell(context, message)
                context.fail(ContractError(message))

    def _verify(self, context: Context, is_over: bool, what: str) -> None:
        number = threading.get_ident()
        is_foreign = number not in (context.runtime.thread, context.rest.thread)
        if not is_foreign and not is_over:
            return
        who = _acting.get() or self._threads.get(number)
        if is_over:
            _tell(context, f"{who or 'somebody unknown'} {what} behind END")
            return  # what it called raises
        who = who or Acting(context.module, context.stage)
        message = f"{who} {what} from a foreign thread: hand the result over by context.completion()"
        _tell(context, message)
        raise ContractError(message)


class VerifiedResponse(ContextResponse):
    """A response that says who changes it when they must not."""

    __slots__ = ("_verify",)

    def __init__(self, context: Context, verify: Callable[[bool, str], None]) -> None:
        super().__init__(context)
        self.is_special = True
        self._verify = verify

    @property
    def headers(self) -> Headers:
        """As `Response.headers`."""
        self._verify(self.context is None, "asks for the headers of the response")
        return ResponseHeaders(self)

    def check_not_started(self) -> None:
        """As `ChangeableHead.check_not_started`."""
        self._verify(self.context is None, "changes the head of the response")
        super().check_not_started()

    def _begin_writing(self) -> None:
        self._verify(self.context is None, "writes to the response")
        super()._begin_writing()


def _make_task(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
    task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **options)
    acting = _acting.get()
    if acting is not None:
        acting.tasks.append(task)
    return task


def _keep(context: Context, acting: Acting) -> None:
    # What an application begins is its own: it may go on behind its answer.
    if acting.tasks and not (acting.stage is Stage.EXECUTE and context.exchange is not None):
        rest = context.rest
        rest.outstanding = [*(rest.outstanding or ()), acting]


def _tell(context: Context, message: str) -> None:
    logger.error("verifier: %s, in %s", message, describe(context))
