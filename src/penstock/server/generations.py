"""Generations of sites in one process: when the real path of an application's folder changes, new code takes over (pipeline E-02).

The request that meets the change is not executed by the old code: it waits until the new sites have started. Those that are
inside end where they are, and then the old sites stop. What cannot be exchanged without a new process - what is installed, the
site file itself - stays as it is; so does Penstock. In a worker a new process follows in any case: until then the old code serves
where the new one cannot, so that nobody is sent away.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable, Coroutine, Sequence
from types import ModuleType
from typing import Any

from penstock.errors import ConfigurationError, StartupError
from penstock.intake.gate import CHECK_INTERVAL
from penstock.intake.retired import Retired
from penstock.intake.runtime import Runtime
from penstock.intake.site import start_sites
from penstock.pipeline.site import PipelineSite
from penstock.pipeline.starting import FIRST_DELAY, LONGEST_DELAY
from penstock.server.moved_folders import (
    Move,
    check_renewable,
    find_moves,
    give_back,
    has_environment,
    real_paths,
    take_modules,
)

logger = logging.getLogger("penstock")


class Generations:
    """Watches `folders`; `compose` makes new sites from the same settings, `on_change` is told of them when they serve."""

    def __init__(
        self,
        folders: Sequence[str],
        compose: Callable[[], list[PipelineSite]],
        *,
        on_change: Callable[[list[PipelineSite]], None] = lambda sites: None,
        retries: bool = False,
    ) -> None:
        """`retries`: what fails to start later on is tried again, as at the first start."""
        self._known = real_paths(folders)
        self._compose = compose
        self._on_change = on_change
        self._retries = retries
        self._delay = FIRST_DELAY
        self._tasks: set[asyncio.Task[None]] = set()
        self._runtime: Runtime | None = None
        self._given_up: list[Move] = []
        self._again = 0.0
        self.is_renewing = False
        # Whether a supervisor, which hears of every move, replaces this process.
        self.has_successor = False

    def watch(self, runtime: Runtime, *, interval: float = CHECK_INTERVAL) -> None:
        """Look at the folders in front of a request of `runtime`, at most every `interval` seconds."""
        self._runtime = runtime
        runtime.on_recycle = self._advise
        if self._known:
            runtime.guard(self._look, interval=interval)

    async def stop(self) -> None:
        """Stop waiting for anything; the runtime stops the sites, old and new."""
        for task in tuple(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _look(self) -> None:
        moves = find_moves(self._known)
        if not moves or self._runtime is None or self._is_given_up(self._runtime, moves):
            return
        self.is_renewing = True
        self._runtime.gate.hold()
        self._runtime.recycle("; ".join(str(move) for move in moves))
        self._begin(self._renew(self._runtime, moves))

    def _advise(self, reason: str) -> None:
        if not self.is_renewing:
            logger.warning("this server is one process, which cannot replace itself: restart it (%s)", reason)

    async def _renew(self, runtime: Runtime, moves: list[Move]) -> None:
        taken = take_modules(moves)
        try:
            check_renewable(taken)
            sites = await asyncio.to_thread(self._compose_in_thread, asyncio.get_running_loop())
            await start_sites(sites)
        except Exception as error:
            self._restore(moves, taken)
            self._give_up(runtime, moves, error)
        except BaseException:
            self._restore(moves, taken)
            raise
        else:
            self._change(runtime, sites, moves)
        finally:
            self.is_renewing = False

    def _compose_in_thread(self, loop: asyncio.AbstractEventLoop) -> list[PipelineSite]:
        # In a thread, because requests inside go on meanwhile, and because Django refuses its database to code on a loop.
        asyncio.set_event_loop(loop)
        try:
            return self._compose()
        finally:
            asyncio.set_event_loop(None)

    def _change(self, runtime: Runtime, sites: list[PipelineSite], moves: list[Move]) -> None:
        for site in sites:
            site.starting.retries = self._retries
        self._known |= {move.folder: move.now for move in moves}
        self._delay = FIRST_DELAY
        retired = runtime.replace_sites(sites)
        self._on_change(sites)
        logger.info("new code serves from %s", ", ".join(move.now for move in moves))
        if has_environment(moves):
            logger.warning(
                "the virtual environment lies in what has moved: installed packages stay old until a restart"
            )
        runtime.let_in()
        self._begin(self._retire(runtime, retired))

    async def _retire(self, runtime: Runtime, retired: Retired) -> None:
        await runtime.stop_retired(retired)
        gc.unfreeze()  # what was made before the server was ready may be garbage now

    def _give_up(self, runtime: Runtime, moves: list[Move], error: Exception) -> None:
        places = ", ".join(move.now for move in moves)
        # What these two say needs no traceback of ours; theirs is that of the code which failed.
        cause = error.__cause__ if isinstance(error, (ConfigurationError, StartupError)) else error
        if self.has_successor:
            self._given_up, self._again = moves, runtime.loop.time() + self._delay
            text = "the new code in %s cannot serve in this process, the old one goes on until another worker takes over: %s"
            logger.warning(text, places, error, exc_info=cause)
            runtime.let_in()
        else:
            text = "the new code in %s does not start; requests are answered with 503, tried again in %g s; or restart the server: %s"
            logger.error(text, places, self._delay, error, exc_info=cause)
            runtime.turn_away("the new code does not start", self._delay)
        runtime.recycle_reasons.clear()
        self._delay = min(self._delay * 2, LONGEST_DELAY)

    def _is_given_up(self, runtime: Runtime, moves: list[Move]) -> bool:
        """Whether the old code serves on, for it is not time yet to try again."""
        return moves == self._given_up and runtime.loop.time() < self._again

    def _restore(self, moves: list[Move], taken: dict[str, ModuleType]) -> None:
        take_modules([Move(move.folder, move.now, move.now) for move in moves])
        give_back(taken)

    def _begin(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
