"""What the tests of the intake need: requests in memory, and sites that answer as they are told."""

import asyncio
from collections.abc import Callable, Sequence
from enum import IntEnum

from penstock.hosts.memory_host import MemoryRequest
from penstock.http.messages import ResponseHead
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import WorkerRequest
from penstock.settings import LimitSettings

Process = Callable[[WorkerRequest, Runtime], None]


def make_request(target: str = "/", *, host: str = "testserver", method: str = "GET") -> MemoryRequest:
    return MemoryRequest.make(method, target, [(b"host", host.encode())], b"", LimitSettings())


def answer(worker_request: WorkerRequest, runtime: Runtime, status: int = 200) -> None:
    """Answer a request and let it leave."""
    worker_request.send(ResponseHead(status, []), b"", False)
    runtime.leave(worker_request, status, [], True)


class FakeSite:
    """A site without a pipeline; it notes in `log` what happens to it."""

    def __init__(
        self, hosts: Sequence[str] = ("*",), *, log: list[str] | None = None, process: Process = answer
    ) -> None:
        self._hosts = tuple(hosts)
        self._process = process
        self.log = [] if log is None else log
        self.failure: Exception | None = None
        self.is_told = False
        self.inside: list[WorkerRequest] = []

    @property
    def hosts(self) -> Sequence[str]:
        return self._hosts

    async def start(self) -> None:
        self.log.append(f"start {self._hosts[0]}")
        if self.failure is not None:
            raise self.failure

    async def stop(self) -> None:
        self.log.append(f"stop {self._hosts[0]}")

    def announce_stop(self) -> None:
        self.is_told = True

    def process(self, worker_request: WorkerRequest, runtime: Runtime) -> None:
        self.inside.append(worker_request)
        self._process(worker_request, runtime)


def keep(worker_request: WorkerRequest, runtime: Runtime) -> None:
    """Do not answer yet."""


async def started(*sites: FakeSite, requests_inside: int = 1000, queue: int = 1000) -> Runtime:
    runtime = Runtime(sites, requests_inside=requests_inside, queue=queue, retry_after=7)
    await runtime.start()
    return runtime


class Stages(IntEnum):
    EXECUTE = 128


class Waits:
    """A request that waits, as a context would be."""

    stage = Stages.EXECUTE
    module = "shop"
    trace_id = "0" * 32

    def __init__(self, worker_request: WorkerRequest) -> None:
        self.worker_request = worker_request
        self.task: asyncio.Task[None] | None = None
        self.is_cut_off = False

    def cut_off(self) -> None:
        self.is_cut_off = True
