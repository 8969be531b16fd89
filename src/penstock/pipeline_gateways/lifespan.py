"""The lifespan of an ASGI application: one task for its whole life, started and stopped with the site."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any, Final

from penstock.errors import StartupError
from penstock.pipeline.signatures import called

if TYPE_CHECKING:
    from penstock.pipeline_gateways.asgi import AsgiGateway

logger = logging.getLogger("penstock")

# Seconds in which an application answers `lifespan.shutdown`; uvicorn waits for ever.
STOP_TIMEOUT: Final = 10.0
# Seconds in which its task ends, when it should have.
_LAST_WORDS: Final = 1.0


class Lifespan:
    """Runs the `lifespan` scope of the application behind `gateway` and gives the gateway the state it sets up."""

    __slots__ = (
        "_error",
        "_events",
        "_gateway",
        "_has_failed",
        "_name",
        "_started",
        "_stop_timeout",
        "_stopped",
        "_supported",
        "_task",
    )

    def __init__(self, gateway: AsgiGateway, name: str, *, stop_timeout: float = STOP_TIMEOUT) -> None:
        """`name` is for messages; `stop_timeout` in seconds."""
        self._gateway = gateway
        self._name = name
        self._events: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._has_failed = False
        self._error: Exception | None = None
        self._supported = True
        self._stop_timeout = stop_timeout
        self._started: asyncio.Future[str | None]
        self._stopped: asyncio.Future[str | None]

    async def start(self) -> None:
        """Wait for `lifespan.startup.complete`. Raises StartupError when the application says it failed.

        An application that raises, or returns, on the lifespan scope before it answers does not support it and is served.
        """
        loop = asyncio.get_running_loop()
        self._started = loop.create_future()
        self._stopped = loop.create_future()
        self._forget()
        state: dict[str, Any] = {}
        self._events.put_nowait({"type": "lifespan.startup"})
        self._task = loop.create_task(self._run(state))
        failure = await self._started
        if failure is not None:
            # Frameworks send the failure and then raise its cause, which says more than the message.
            await asyncio.wait((self._task,), timeout=_LAST_WORDS)
            await _end_task(self._task)
            error = StartupError(f"{self._name} failed to start: {failure}")
            error.__cause__ = self._error  # mypyc drops the cause of "raise ... from ..."
            raise error
        if self._supported:
            self._gateway.state = state

    def _forget(self) -> None:
        # It may be tried again after it has failed (pipeline A-05): then nothing is left of the last time. On its own, because
        # to the compiler what one function has set to None stays None in it.
        self._events = asyncio.Queue()
        self._has_failed = False
        self._error = None
        self._supported = True

    async def stop(self) -> None:
        """Send `lifespan.shutdown` and wait until the application has answered; a failure, or none in time, is logged."""
        if self._task is None or self._task.done() or not self._supported:
            return
        self._events.put_nowait({"type": "lifespan.shutdown"})
        await asyncio.wait((self._stopped,), timeout=self._stop_timeout)
        if not self._stopped.done():
            logger.error("%s did not answer lifespan.shutdown within %g s: cut off", self._name, self._stop_timeout)
        elif (failure := self._stopped.result()) is not None:
            logger.error("%s failed to stop: %s", self._name, failure)
        await _end_task(self._task)

    async def _run(self, state: dict[str, Any]) -> None:
        scope: dict[str, Any] = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": state}
        try:
            await called(self._gateway.application, scope, self._receive, self._send)
        except Exception as error:
            self._end(error)
        except BaseException:
            self._end(None)
            raise
        else:
            self._end(None)

    async def _receive(self) -> MutableMapping[str, Any]:
        return await self._events.get()

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        kind = message["type"]
        if kind == "lifespan.startup.complete":
            self._resolve(self._started, None)
        elif kind == "lifespan.startup.failed":
            self._has_failed = True
            self._resolve(self._started, str(message.get("message", "")) or "it said lifespan.startup.failed")
        elif kind == "lifespan.shutdown.complete":
            self._resolve(self._stopped, None)
        elif kind == "lifespan.shutdown.failed":
            self._resolve(self._stopped, str(message.get("message", "")) or "it said lifespan.shutdown.failed")
        else:
            raise RuntimeError(f"{kind!r} is no message of the lifespan protocol")

    def _end(self, error: Exception | None) -> None:
        if not self._started.done():
            # ASGI lifespan: an exception before the answer means that the application does not know the protocol.
            self._supported = False
            logger.debug("%s does not support the lifespan protocol: %r", self._name, error)
            self._started.set_result(None)
        elif self._has_failed:
            self._error = error
        elif error is not None and not self._stopped.done():
            logger.error("the lifespan of %s ended with an error", self._name, exc_info=error)
        self._resolve(self._stopped, None)

    def _resolve(self, future: asyncio.Future[str | None], failure: str | None) -> None:
        if not future.done():
            future.set_result(failure)


async def _end_task(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait((task,), timeout=_LAST_WORDS)
