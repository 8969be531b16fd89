"""The threads of one function: bounded, started when they are needed; one that is stuck is left behind and another takes its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context as Variables
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Final

from penstock.errors import ContractError

# How long `stop` waits for threads that are still busy: their requests have had the graceful timeout, and are cut off.
_PATIENCE: Final = 1.0
_GLANCE: Final = 0.005


class Job:
    """One call of a function, and the future that the loop waits for."""

    __slots__ = ("_claim", "call", "done", "error", "has_ended", "is_abandoned", "result", "variables", "worker")

    def __init__(self, call: Callable[[], object], variables: Variables, done: asyncio.Future[object]) -> None:
        self.call = call
        self.variables = variables
        self.done = done
        self.has_ended = False
        self.is_abandoned = False
        self.result: object = None
        self.error: BaseException | None = None
        self.worker: Worker | None = None
        self._claim = Lock()

    def take(self) -> bool:
        """Whether it has not begun yet; only the first who asks is told so, whichever thread that is."""
        return self._claim.acquire(blocking=False)

    def run(self) -> None:
        """Call the function, in its thread."""
        try:
            self.result = self.variables.run(self.call)
        except BaseException as error:
            self.error = error
        self.has_ended = True

    def settle(self) -> None:
        """Resolve the future, on the loop; whoever waited may have given up."""
        if self.done.done():
            return
        if self.error is None:
            self.done.set_result(self.result)
            return
        error, self.error = self.error, None
        # The one a future cannot carry; the other would end the server, and nobody's Ctrl-C comes to these threads.
        if isinstance(error, (StopIteration, KeyboardInterrupt)):
            failure = ContractError(f"a function raised {type(error).__name__}, which is not for requests")
            failure.__cause__ = error
            error = failure
        self.done.set_exception(error)


class Worker:
    """One thread. It ends when it `is_left_behind`."""

    __slots__ = ("is_left_behind", "job", "thread")

    def __init__(self) -> None:
        self.job: Job | None = None
        self.is_left_behind = False
        self.thread: Thread = Thread()


class FunctionThreads:
    """At most `threads` threads take jobs in the order in which they came. Used on the loop."""

    __slots__ = ("_jobs", "_loop", "_on_return", "_queue", "_started", "_threads", "_workers")

    def __init__(self, threads: int, on_return: Callable[[Thread], None]) -> None:
        """`on_return` is called on the loop with a thread that was left behind and has ended."""
        self._threads = threads
        self._on_return = on_return
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self._workers: set[Worker] = set()
        self._jobs = 0
        self._started = 0
        self._loop = asyncio.get_running_loop()

    @property
    def jobs(self) -> int:
        """How many wait or run."""
        return self._jobs

    def submit(self, call: Callable[[], object], variables: Variables) -> Job:
        """Call `call()` in a thread, in those context variables; the job's `done` is resolved on the loop."""
        job = Job(call, variables, self._loop.create_future())
        self._jobs += 1
        if self._jobs > len(self._workers) and len(self._workers) < self._threads:
            self._start_one()
        self._queue.put(job)
        return job

    def abandon(self, job: Job) -> Thread | None:
        """Nobody waits for `job` any more. The thread that is stuck in it, if there is one; another then takes its place."""
        job.done.cancel()
        job.is_abandoned = True
        self._jobs -= 1
        if job.take():
            return None  # it never begins
        worker = job.worker
        if job.has_ended or worker is None or worker.job is not job or worker not in self._workers:
            return None  # it has just ended
        worker.is_left_behind = True
        self._workers.discard(worker)
        if self._jobs > len(self._workers):
            self._start_one()
        return worker.thread

    async def stop(self) -> int:
        """Let the threads finish what is queued and end. How many were still busy after some seconds, and are left behind."""
        workers = tuple(self._workers)
        self._workers.clear()
        for _ in workers:
            self._queue.put(None)
        seconds = 0.0
        while (busy := sum(worker.thread.is_alive() for worker in workers)) and seconds < _PATIENCE:
            await asyncio.sleep(_GLANCE)
            seconds += _GLANCE
        return busy

    def _start_one(self) -> None:
        self._started += 1
        worker = Worker()
        name = f"penstock-function-{self._started}"
        worker.thread = Thread(target=self._work, args=(worker,), name=name, daemon=True)
        self._workers.add(worker)
        worker.thread.start()

    def _work(self, worker: Worker) -> None:
        while (job := self._queue.get()) is not None:
            job.worker = worker
            worker.job = job
            if job.take():
                job.run()
                self._tell(self._finish, job)
            worker.job = job = None  # an idle thread keeps no request alive
            if worker.is_left_behind:
                self._tell(self._on_return, worker.thread)
                return

    def _finish(self, job: Job) -> None:
        if not job.is_abandoned:
            self._jobs -= 1
            job.settle()

    def _tell(self, what: Callable[[Any], None], argument: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(what, argument)
        except RuntimeError:
            pass  # the loop is closed: a thread that was left behind has nobody to tell
