"""The threads in which WSGI applications run: bounded, one hop in, answers handed back in batches."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections import deque
from queue import SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from penstock.errors import RequestRejected
from penstock.pipeline_gateways.wsgi_turns import INTERVAL, Turns, processor_time

if TYPE_CHECKING:
    from penstock.intake.stuck_threads import StuckThreads
    from penstock.pipeline_gateways.wsgi_exchange import WsgiExchange

logger: Final = logging.getLogger("penstock")

# Whenever a thread computes, the loop waits for its turn at the interpreter: by Python's default 5 ms each time. Measured with
# four threads that compute, an ASGI route asked 5 000 times a second answers 99 of 100 within 40 ms at 5 ms, 24 ms at 1 ms
# and 18 ms at 0.5 ms (uvicorn alone on that busy machine: 6 to 9 ms); shorter gains nothing, and the threads lose nothing.
SWITCH_INTERVAL: Final = 0.0005
# How long `stop` waits for threads that are still busy; the server has drained for its graceful timeout before.
_PATIENCE = 5.0
_GLANCE: Final = 0.005
_RETRY_AFTER: Final = ((b"retry-after", b"1"),)


class Worker:
    """One thread. `done` counts the requests it has finished with, close() included; it takes one only while `gate` is set.

    `left_at` is more than 0 when it was left behind in a request: what `done` will be when it comes back, and ends.
    """

    __slots__ = ("done", "gate", "left_at", "thread")

    def __init__(self) -> None:
        self.done = 0
        self.left_at = 0
        self.gate = Event()
        self.gate.set()
        self.thread: Thread | None = None


class ThreadPool:
    """At most `threads` threads, started when they are needed, and at most `queue` requests that wait for one."""

    __slots__ = (
        "_answers",
        "_arrived",
        "_capacity",
        "_done",
        "_is_looking",
        "_is_open",
        "_is_woken",
        "_limit",
        "_loop",
        "_queue",
        "_started",
        "_stuck",
        "_submitted",
        "_threads",
        "_turns",
        "_workers",
    )

    def __init__(self, threads: int, queue: int) -> None:
        self._threads = threads
        self._capacity = threads + queue
        self._queue: SimpleQueue[WsgiExchange | None] = SimpleQueue()
        self._answers: deque[WsgiExchange] = deque()
        self._is_woken = False
        self._arrived: list[WsgiExchange] = []
        self._workers: list[Worker] = []
        self._is_open = False
        self._started = 0
        self._submitted = 0
        self._done = 0
        self._stuck: StuckThreads | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._turns = Turns()
        self._is_looking = False
        self._limit = threads

    # -- on the loop -------------------------------------------------------------------------------------------------------

    def make_room(self, loop: asyncio.AbstractEventLoop) -> None:
        """Make sure that one more request fits, and start a thread for it if that helps.

        Raises RequestRejected (503) when too many wait already.
        """
        inside = self._submitted - self._done
        workers = self._workers
        if inside < self._capacity and (inside < len(workers) or len(workers) == self._threads):
            return
        self._done = sum([worker.done for worker in workers])
        inside = self._submitted - self._done
        if inside >= self._capacity:
            # A refusal, which is one line in the log: a traceback for each would be the end of a server that has too much to do.
            raise RequestRejected(503, "all threads of this application are busy", headers=_RETRY_AFTER)
        if inside >= len(workers) and len(workers) < self._threads:
            self._start_one(loop)

    def submit(self, exchange: WsgiExchange) -> None:
        """Queue `exchange`, for which room was made, for the next free thread.

        All that come in one turn of the loop are handed in together at its end: a thread that is woken in the middle takes the
        interpreter from the loop for every single request, which costs a quarter of the processor time.
        """
        self._submitted += 1
        if not self._arrived:
            assert self._loop is not None
            self._loop.call_soon(self._hand_in)
        self._arrived.append(exchange)

    def _hand_in(self) -> None:
        arrived, self._arrived = self._arrived, []
        put = self._queue.put
        for exchange in arrived:
            put(exchange)

    def replace(self, worker: Worker, doing: str, stuck: StuckThreads) -> None:
        """The thread of `worker` is stuck in the request `doing`: leave it behind, another takes its place (pipeline T-03)."""
        if worker not in self._workers or worker.thread is None or self._loop is None:
            return
        self._workers.remove(worker)
        worker.left_at = worker.done + 1
        self._forget(worker.left_at)
        self._stuck = stuck
        stuck.add(worker.thread, doing)
        # Not at once: it would take a request whose time is over, too, and is about to be told so.
        self._loop.call_soon(self._fill_place)

    def _fill_place(self) -> None:
        if self._is_open and self._loop is not None and len(self._workers) < self._threads:
            try:
                self._start_one(self._loop)
            except RuntimeError as error:
                logger.error("no thread takes the place of the one that is stuck: %s", error)
        self._let_take(self._limit)

    def _come_back(self, worker: Worker, queue: SimpleQueue[WsgiExchange | None]) -> None:
        # It may have been finishing just when it was counted.
        if queue is self._queue:
            self._forget(worker.done - worker.left_at)
        if self._stuck is not None and worker.thread is not None:
            self._stuck.discard(worker.thread)

    def _forget(self, done: int) -> None:
        # What a thread has finished that is no longer looked at.
        self._submitted -= done
        self._done = sum([worker.done for worker in self._workers])

    async def stop(self) -> None:
        """Let the threads finish what is queued and end; those that are stuck are left behind, which is logged."""
        self._hand_in()
        self._let_take(self._threads)
        workers, self._workers = self._workers, []
        if not workers:
            return
        queue, self._queue = self._queue, SimpleQueue()
        self._is_open = False
        self._submitted = self._done = 0
        for _ in workers:
            queue.put(None)
        give_switch_interval_back()
        seconds = 0.0
        while _count_alive(workers) and seconds < _PATIENCE:
            await asyncio.sleep(_GLANCE)
            seconds += _GLANCE
        stuck = _count_alive(workers)
        if stuck:
            logger.warning("%d WSGI threads are still busy after %g s: left behind", stuck, _PATIENCE)

    def _start_one(self, loop: asyncio.AbstractEventLoop) -> None:
        worker = Worker()
        if len(self._workers) >= self._limit:
            worker.gate.clear()
        self._started += 1
        name = f"penstock-wsgi-{self._started}"
        worker.thread = Thread(target=self._work, args=(worker, self._queue), name=name, daemon=True)
        worker.thread.start()
        if not self._is_open:
            self._is_open = True
            self._loop = loop
            take_switch_interval()
        self._workers.append(worker)

    def _collect(self) -> None:
        # The flag falls first: what is posted from now on wakes the loop again, which has other things to do in between.
        self._is_woken = False
        answers = self._answers
        for _ in range(len(answers)):
            answers.popleft().settle()

        self._judge_turns()

    def _judge_turns(self) -> None:
        if self._threads == 1 or self._loop is None or not self._turns.is_due(self._loop.time()):
            return
        used = processor_time([worker.thread for worker in self._workers if worker.thread is not None])
        inside = self._submitted - sum([worker.done for worker in self._workers])
        limit = self._turns.judge(self._loop.time(), self._limit, used, threads=self._threads, inside=inside)
        if limit != self._limit:
            self._let_take(limit)

    def _let_take(self, limit: int) -> None:
        """Let the first `limit` threads take requests; the others finish what they have and wait."""
        self._limit = limit
        for number, worker in enumerate(self._workers):
            if number < limit:
                worker.gate.set()
            else:
                worker.gate.clear()
        if limit < self._threads and not self._is_looking:
            self._look_again()

    def _look_again(self) -> None:
        # The one that takes requests may itself be waiting for something: then nobody would come by to look.
        self._is_looking = self._limit < self._threads
        if self._is_looking and self._loop is not None:
            self._judge_turns()
            self._loop.call_later(INTERVAL, self._look_again)

    # -- in the threads ------------------------------------------------------------------------------------------------------

    def post(self, exchange: WsgiExchange) -> None:
        """Have the loop settle `exchange`; one wake serves all that are posted until it comes."""
        self._answers.append(exchange)
        if not self._is_woken:
            self._is_woken = True
            assert self._loop is not None
            try:
                self._loop.call_soon_threadsafe(self._collect)
            except RuntimeError:
                pass  # the loop is closed: a thread that was left behind has nobody to tell

    def _tell(self, worker: Worker, queue: SimpleQueue[WsgiExchange | None]) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._come_back, worker, queue)
        except RuntimeError:
            pass  # the loop is closed: a thread that was left behind has nobody to tell

    def _work(self, worker: Worker, queue: SimpleQueue[WsgiExchange | None]) -> None:
        yield_to_loop()
        gate = worker.gate
        while (exchange := queue.get()) is not None:
            exchange.run(worker)
            exchange = None  # an idle thread keeps no request alive
            if worker.left_at:
                self._tell(worker, queue)
                return
            if not gate.is_set():
                gate.wait()


_users = 0
_usual_interval = 0.0


def yield_to_loop() -> None:
    """The calling thread no longer pushes the loop off its processor when it wakes (Linux `SCHED_BATCH`; its share stays).

    Measured with 32 connections: 0.15 instead of 0.45 context switches a request, and a tenth less processor time.
    """
    if sys.platform == "linux":
        try:
            os.sched_setscheduler(0, os.SCHED_BATCH | os.SCHED_RESET_ON_FORK, os.sched_param(0))
        except OSError:
            pass  # a sandbox may forbid it; it is a matter of speed


def take_switch_interval() -> None:
    """From now on threads take turns after SWITCH_INTERVAL: a thread that computes holds the loop up for no longer."""
    global _users, _usual_interval
    if _users == 0:
        _usual_interval = sys.getswitchinterval()
        sys.setswitchinterval(min(SWITCH_INTERVAL, _usual_interval))
    _users += 1


def give_switch_interval_back() -> None:
    """The last of those who took it restores what was before."""
    global _users
    _users -= 1
    if _users == 0:
        sys.setswitchinterval(_usual_interval)


def _count_alive(workers: list[Worker]) -> int:
    return sum([worker.thread is not None and worker.thread.is_alive() for worker in workers])
