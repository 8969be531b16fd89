"""WSGI on the loop, `threads = 0`: what is different from threads."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

from tests.pipeline_gateways.wsgi_subject import OK, TEXT, Closing, Environ, Start, ask, open_wsgi


def test_the_application_runs_in_the_loop_s_own_thread() -> None:
    def application(environ: Environ, start_response: Start) -> list[bytes]:
        start_response(OK, TEXT)
        return [threading.current_thread().name.encode()]

    assert ask(application, threads=0).body == threading.main_thread().name.encode()


def test_the_whole_body_is_there_before_it_is_called() -> None:
    order: list[str] = []

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(3):
            await asyncio.sleep(0)
            order.append("piece")
            yield b"x"

    def application(environ: Environ, start_response: Start) -> list[bytes]:
        order.append("call")
        start_response(OK, TEXT)
        return [environ["wsgi.input"].read()]

    assert ask(application, method="POST", body=pieces(), threads=0).body == b"xxx"
    assert order == ["piece", "piece", "piece", "call"]


def test_others_have_their_turn_between_two_pieces() -> None:
    order: list[str] = []

    def application(environ: Environ, start_response: Start) -> Iterator[bytes]:
        start_response(OK, TEXT)
        for _ in range(3):
            order.append(environ["QUERY_STRING"])
            yield b"piece"

    async def journey() -> None:
        async with open_wsgi(application, threads=0) as client:
            requests = [client.open("GET", f"/?{number}") for number in (1, 2)]
            for request in requests:
                await request.wait_finished()

    asyncio.run(journey())
    assert order == ["1", "2", "1", "2", "1", "2"]


def test_a_client_that_leaves_ends_the_iteration_and_closes_once() -> None:
    result = Closing(iter(lambda: b"again", b""))

    def application(environ: Environ, start_response: Start) -> Closing:
        start_response(OK, TEXT)
        return result

    async def journey() -> None:
        async with open_wsgi(application, threads=0) as client:
            request = client.open("GET", "/")
            await asyncio.sleep(0)
            request.disconnect()
            await request.wait_finished()

    asyncio.run(journey())
    assert result.closed == 1


def test_a_hard_stop_closes_once() -> None:
    result = Closing(iter(lambda: b"again", b""))

    def application(environ: Environ, start_response: Start) -> Closing:
        start_response(OK, TEXT)
        return result

    async def journey() -> None:
        async with open_wsgi(application, threads=0) as client:
            request = client.open("GET", "/")
            await asyncio.sleep(0)
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            assert request.is_aborted

    asyncio.run(journey())
    assert result.closed == 1


def test_pep_479_an_application_that_raises_stop_iteration_behind_a_body_has_failed() -> None:
    async def pieces() -> AsyncIterator[bytes]:
        await asyncio.sleep(0)
        yield b"x"

    def application(environ: Environ, start_response: Start) -> list[bytes]:
        raise StopIteration

    found = ask(application, method="POST", body=pieces(), threads=0)
    assert (found.status, found.is_aborted) == (500, False)
