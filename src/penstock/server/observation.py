"""Who writes down what was answered: the access log, fed by the runtime and flushed by a timer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from penstock.intake.worker_request import WorkerRequest
from penstock.settings import LogSettings

if TYPE_CHECKING:
    from penstock.pipeline_modules.access_log import AccessLogFile

Record = Callable[[WorkerRequest, int, list[tuple[bytes, bytes]]], None]


class Observation:
    """The access log of a process; nothing at all when it is off, so that it costs nothing."""

    def __init__(self, settings: LogSettings, loop: asyncio.AbstractEventLoop) -> None:
        """Raises ConfigurationError when the format or the file is not to be had."""
        self._loop = loop
        self._handle: asyncio.TimerHandle | None = None
        self._log: AccessLogFile | None = None
        self.record: Record | None = None
        if settings.access:
            from penstock.pipeline_modules.access_log import open_access_log

            self._log = open_access_log(settings.access_file, settings.access_format, where="access log")
            self.record = _recorder(self._log.write, loop.time)

    def start(self) -> None:
        """Begin to flush."""
        if self._log is not None:
            self._flush()

    def reopen(self) -> None:
        """Go on in new files of the same names: the old ones were moved. Those of `--log-config`, too."""
        from penstock.server.log_config import reopen_log_files

        reopen_log_files()
        if self._log is not None:
            self._log.reopen()

    def close(self) -> None:
        """Write what is left."""
        if self._handle is not None:
            self._handle.cancel()
        if self._log is not None:
            self._log.close()

    def _flush(self) -> None:
        from penstock.pipeline_modules.access_log import FLUSH_INTERVAL

        if self._log is not None:
            self._log.flush()
            self._handle = self._loop.call_later(FLUSH_INTERVAL, self._flush)


def _recorder(write: Callable[..., None], clock: Callable[[], float]) -> Record:
    time_of_day = time.time

    def record(worker_request: WorkerRequest, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        head = worker_request.head
        write(
            (
                worker_request.client,
                head.method,
                head.target,
                head.version,
                status,
                worker_request.bytes_sent,
                clock() - worker_request.started,
                head.headers,
                headers,
                time_of_day(),
                "",
            )
        )

    return record
