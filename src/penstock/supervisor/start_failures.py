"""Why a worker did not get ready, as what the command line shows and as what the log says."""

from __future__ import annotations

from penstock.errors import ConfigurationError, PenstockError, Problem, StartupError
from penstock.supervisor.messages import Failed
from penstock.supervisor.worker_process import WorkerProcess, end_text


class StartFailed(PenstockError):
    """A worker did not get ready; `failure` is what it said of it, None when it said nothing."""

    def __init__(self, text: str, failure: Failed | None = None) -> None:
        super().__init__(text)
        self.failure = failure

    def for_operator(self) -> ConfigurationError | StartupError:
        """The error that the same mistake raises in a server without workers."""
        failure = self.failure
        if failure is None:
            return StartupError(str(self))
        if failure.problems:
            return ConfigurationError([Problem(message, where) for message, where in failure.problems])
        return StartupError(failure.traceback.rstrip())


def failure_of(worker: WorkerProcess) -> StartFailed:
    """That of a worker which has ended before it was ready."""
    failure = worker.failure
    if failure is None:
        return StartFailed(f"{worker} {end_text(worker.exit_code)} before it was ready")
    problems = "\n".join([str(Problem(message, where)) for message, where in failure.problems])
    return StartFailed(f"{worker} failed to start:\n{failure.traceback.rstrip() or problems}", failure)


def in_a_line(text: str) -> str:
    """The beginning, and the end of a traceback, which says what it was."""
    first, *more = text.splitlines()
    return f"{first} {more[-1]}" if more else first
