"""One request between a thread and the loop: leaving, late reads and late writes."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

from penstock.errors import ClientGone
from tests.pipeline_gateways.wsgi_subject import OK, TEXT, Closing, Environ, Start, open_wsgi, wait_until


def test_middleware_15_4_d_a_client_that_leaves_stops_the_iteration_and_closes_once_in_the_same_thread() -> None:
    threads: set[str] = set()
    left = threading.Event()

    def pieces() -> Iterator[bytes]:
        threads.add(threading.current_thread().name)
        yield b"one"
        left.wait(10)
        while True:
            yield b""

    class Remembering(Closing):
        def close(self) -> None:
            super().close()
            threads.add(threading.current_thread().name)

    result = Remembering(pieces())

    def application(environ: Environ, start_response: Start) -> Any:
        start_response(OK, TEXT)
        return result

    async def journey() -> None:
        async with open_wsgi(application, threads=1) as client:
            request = client.open("GET", "/")
            await wait_until(lambda: request.pieces)
            request.disconnect()
            left.set()
            await request.wait_finished()

    asyncio.run(journey())
    assert (result.closed, threads) == (1, {"penstock-wsgi-1"})


def test_write_to_a_client_that_left_is_an_os_error() -> None:
    caught: list[BaseException] = []
    left = threading.Event()

    def application(environ: Environ, start_response: Start) -> list[bytes]:
        write = start_response(OK, TEXT)
        write(b"one")
        left.wait(10)
        try:
            for _ in range(100):
                write(b"x" * 65_536)
        except OSError as error:
            caught.append(error)
        return []

    _leave_behind_the_first_piece(application, left)
    assert [type(error) for error in caught] == [ClientGone]


def test_middleware_15_4_3_reading_when_the_client_left_is_an_os_error() -> None:
    caught: list[BaseException] = []
    entered = threading.Event()

    def application(environ: Environ, start_response: Start) -> list[bytes]:
        entered.set()
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            caught.append(error)
            raise
        return []

    async def journey() -> None:
        async with open_wsgi(application, threads=1) as client:
            request = client.open("POST", "/", body=_never())
            await wait_until(entered.is_set)
            request.disconnect()
            await request.wait_finished()
            if request.feeding is not None:
                request.feeding.cancel()

    asyncio.run(journey())
    assert [type(error) for error in caught] == [ClientGone]


def test_reading_behind_the_answer_is_an_os_error_and_never_hangs() -> None:
    caught: list[BaseException] = []

    class Late:
        def __init__(self, environ: Environ) -> None:
            self.environ = environ

        def __iter__(self) -> Iterator[bytes]:
            return iter([b"body"])

        def close(self) -> None:
            try:
                self.environ["wsgi.input"].read()
            except OSError as error:
                caught.append(error)

    def application(environ: Environ, start_response: Start) -> Any:
        start_response(OK, [("Content-Length", "4")])
        return Late(environ)

    async def journey() -> None:
        async with open_wsgi(application, threads=1) as client:
            request = client.open("POST", "/", body=_never())
            await request.wait_finished()
            assert request.pieces == [b"body"]
            if request.feeding is not None:
                request.feeding.cancel()

    asyncio.run(journey())
    assert [type(error) for error in caught] == [ClientGone]


def test_an_application_may_read_and_answer_by_turns() -> None:
    def application(environ: Environ, start_response: Start) -> Iterator[bytes]:
        start_response(OK, TEXT)
        for line in environ["wsgi.input"]:
            yield line.upper()

    async def lines() -> Any:
        for number in range(5):
            await asyncio.sleep(0)
            yield b"line %d\n" % number

    async def journey() -> None:
        async with open_wsgi(application, threads=1) as client:
            answer = await client.request("POST", "/", body=lines())
            assert answer.pieces == [b"LINE %d\n" % number for number in range(5)]

    asyncio.run(journey())


def test_a_hard_stop_lets_waiting_threads_go() -> None:
    caught: list[BaseException] = []
    entered = threading.Event()

    def application(environ: Environ, start_response: Start) -> list[bytes]:
        entered.set()
        try:
            environ["wsgi.input"].read()
        except OSError as error:
            caught.append(error)
        return []

    async def journey() -> None:
        async with open_wsgi(application, threads=1) as client:
            request = client.open("POST", "/", body=_never())
            await wait_until(entered.is_set)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await request.wait_finished()

    asyncio.run(journey())
    assert [type(error) for error in caught] == [ClientGone]


async def _never() -> Any:
    await asyncio.Event().wait()
    yield b""


def _leave_behind_the_first_piece(application: Callable[..., Any], left: threading.Event) -> None:
    async def journey() -> None:
        async with open_wsgi(application, threads=1) as client:
            request = client.open("GET", "/")
            await wait_until(lambda: request.pieces)
            request.disconnect()
            left.set()
            await request.wait_finished()

    asyncio.run(journey())
