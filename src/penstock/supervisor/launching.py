"""Launcher: makes the processes of workers: their sockets, their environment, what they are told first."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from penstock.intake.metadata import derive_key
from penstock.supervisor.generation import DEFAULT, Generation
from penstock.supervisor.messages import Start
from penstock.supervisor.slots import Listening
from penstock.supervisor.systemd import child_environment
from penstock.supervisor.worker_process import WorkerProcess


class Launcher:
    """Starts the workers of all pools. `sockets(pool, slot, count)` are those that a worker of the pool accepts on."""

    def __init__(
        self,
        sockets: Callable[[str, int, int], Sequence[Listening]],
        *,
        places: Callable[[], dict[str, str]],
        log_config: str = "",
    ) -> None:
        """`places` says where each pool listens."""
        self.sockets = sockets
        # It signs what is told to pools.
        self.key = secrets.token_hex(32)
        self._places = places
        self._log_config = log_config
        self._numbers = itertools.count(1)
        self.last_number = 0

    def go_on(self, key: str, number: int) -> None:
        """Go on behind an earlier program of this process, with its key, and numbers behind `number`."""
        self.key, self.last_number = key, number
        self._numbers = itertools.count(number + 1)

    async def launch(
        self,
        pool: str,
        slot: int,
        count: int,
        generation: Generation,
        *,
        unavailable: str = "",
        retry_after: int = 0,
        requests: int = 0,
    ) -> WorkerProcess:
        """A process for one of `count` slots, that was told what to serve. Raises OSError when it cannot be started."""
        listening = self.sockets(pool, slot, count)
        start = Start(
            settings=generation.encoded,
            sockets=tuple([each.place for each in listening]),
            pool=pool,
            slot=slot,
            generation=generation.number,
            key=self.key if pool == DEFAULT else derive_key(bytes.fromhex(self.key), pool).hex(),
            places=self._places() if pool == DEFAULT else {},
            requests=requests,
            unavailable=unavailable,
            retry_after=retry_after,
            log_config=self._log_config,
        )
        self.last_number = next(self._numbers)
        worker = WorkerProcess(
            self.last_number,
            pool=pool,
            slot=slot,
            generation=generation.number,
            requests=requests,
            is_stand_in=bool(unavailable),
        )
        await worker.launch(
            start, [each.socket for each in listening], **_options(generation, pool, is_own=bool(unavailable))
        )
        return worker


def _options(generation: Generation, name: str, *, is_own: bool) -> dict[str, Any]:
    """How `WorkerProcess.launch` starts it. A stand-in runs with our own Python, and as we do."""
    pool = generation.terms(name).pool
    if pool is None or is_own:
        return {"environment": child_environment()}
    from penstock.supervisor.process_limits import launch_options

    options = launch_options(pool)
    return {**options, "environment": child_environment(options["environment"])}
