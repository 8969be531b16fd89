"""Pieces on their way: the bound on what a slow client has not read, in bytes that are counted."""

import asyncio
import threading
from collections.abc import Awaitable, Iterator
from typing import Any

from penstock.hosts.memory_host import MemoryRequest
from penstock.http.messages import ResponseHead
from penstock.pipeline_gateways.wsgi_stream import HIGH_WATER
from tests.pipeline_gateways.wsgi_subject import OK, TEXT, Environ, Start, open_wsgi, wait_until

PIECE = b"x" * 4096


class SlowRequest:
    """A client that reads one piece whenever `read` is called."""

    def __init__(self, request: MemoryRequest) -> None:
        self.request = request
        self.paused: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.request, name)

    def send(self, head: ResponseHead | None, body: bytes, more: bool) -> Awaitable[None] | None:
        self.request.send(head, body, more)
        if not more:
            return None
        self.paused = asyncio.get_running_loop().create_future()
        return self.paused

    def read(self) -> None:
        self.paused.set_result(None)


def test_middleware_15_4_b_a_slow_client_blocks_the_generator() -> None:
    made: list[int] = []
    made_some = threading.Semaphore(0)

    def application(environ: Environ, start_response: Start) -> Iterator[bytes]:
        start_response(OK, TEXT)
        for number in range(40):
            made.append(number)
            made_some.release()
            yield PIECE

    most = HIGH_WATER // len(PIECE) + 2  # one is with the client, one on the bound

    async def journey() -> SlowRequest:
        async with open_wsgi(application, threads=1) as client:
            request = _open_slow(client)
            for _ in range(most):
                await asyncio.to_thread(made_some.acquire)
            assert not await asyncio.to_thread(made_some.acquire, timeout=0.05)
            assert len(made) == most
            while not request.has_sent_all:
                if not request.paused.done():
                    request.read()
                await asyncio.sleep(0.0005)
            return request

    request = asyncio.run(journey())
    assert request.pieces == [PIECE] * 40


def test_a_thread_that_waits_for_a_slow_client_is_let_go_at_a_hard_stop() -> None:
    caught: list[BaseException] = []

    def application(environ: Environ, start_response: Start) -> list[bytes]:
        write = start_response(OK, TEXT)
        try:
            while True:
                write(PIECE)
        except OSError as error:
            caught.append(error)
        return []

    async def journey() -> None:
        async with open_wsgi(application, threads=1) as client:
            request = _open_slow(client)
            await wait_until(lambda: request.pieces)
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
            await request.wait_finished()

    asyncio.run(journey())
    assert len(caught) == 1


def _open_slow(client: Any) -> SlowRequest:
    request = SlowRequest(MemoryRequest.make("GET", "/", [(b"host", b"testserver")], b"", client._limits))
    client.runtime.process(request)
    return request
