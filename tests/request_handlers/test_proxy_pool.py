"""Connections to one backend: kept, bounded, waited for in order, given up when they are idle for too long."""

import asyncio

import pytest

from penstock.server import open_client
from tests.pipeline.subject import LOOPS, run
from tests.pipeline_gateways.wsgi_subject import wait_until
from tests.request_handlers.proxy_subject import OK, Backend, Conversation, logged, proxy_site, proxying, quiet, saying


def gated(gate: asyncio.Event, seen: list[bytes]) -> object:
    """Answers with the target when the gate is open, and notes the order in which it was asked."""

    async def script(conversation: Conversation) -> None:
        while True:
            target = (await conversation.head()).split(b" ")[1]
            seen.append(target)
            await gate.wait()
            await conversation.say(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(target), target))

    return script


@pytest.mark.parametrize("loop", LOOPS)
def test_connections_are_bounded_and_waited_for_in_order(loop: str) -> None:
    async def journey() -> None:
        gate, seen = asyncio.Event(), list[bytes]()
        async with proxying(gated(gate, seen), connections=2) as (client, backend):  # type: ignore[arg-type]
            requests = [client.open("GET", f"/{number}") for number in range(10)]
            await wait_until(lambda: len(seen) == 2)
            assert backend.connections == 2
            gate.set()
            for number, request in enumerate(requests):
                await request.wait_finished()
                assert b"".join(request.pieces) == b"/%d" % number
            assert sorted(seen[:2]) == [b"/0", b"/1"]
            assert seen[2:] == [b"/%d" % number for number in range(2, 10)]
            assert backend.connections == 2

    run(journey, loop)


def test_503_when_too_many_wait_or_for_too_long() -> None:
    async def journey() -> None:
        gate = asyncio.Event()
        keys = {"connections": 1, "queue": 1, "connect_timeout": 0.1}
        async with proxying(gated(gate, []), **keys) as (client, backend):  # type: ignore[arg-type]
            inside = client.open("GET", "/inside")
            await wait_until(lambda: backend.heads)
            waiting = client.open("GET", "/waiting")
            with logged() as lines:
                refused = await client.get("/refused")
                await waiting.wait_finished()
            assert (refused.status, refused.headers["retry-after"]) == (503, "1")
            assert waiting.response_head is not None
            assert waiting.response_head.status == 503
            assert "1 requests wait for a connection already" in lines[0]
            assert "no connection became free within 0.1 s" in lines[1]
            gate.set()
            await inside.wait_finished()
            assert (await client.get("/again")).status == 200

    run(journey)


@pytest.mark.parametrize("loop", LOOPS)
def test_whoever_waits_and_leaves_gives_the_place_back(loop: str) -> None:
    async def journey() -> None:
        gate, seen = asyncio.Event(), list[bytes]()
        async with proxying(gated(gate, seen), connections=1) as (client, _):  # type: ignore[arg-type]
            requests = [client.open("GET", f"/{number}") for number in range(3)]
            await wait_until(lambda: seen)
            requests[1].disconnect()
            gate.set()
            for request in requests:
                await request.wait_finished()
            assert b"".join(requests[2].pieces) == b"/2"
            assert (await client.get("/3")).body == b"/3"

    run(journey, loop)


def test_a_broken_connection_makes_room_for_another() -> None:
    async def journey() -> None:
        async with proxying(saying(then="close"), connections=1, retries=0) as (client, backend):
            answers = await asyncio.gather(*[client.get("/") for _ in range(5)])
            assert [each.status for each in answers] == [502] * 5
            assert backend.connections == 5

    run(journey)


@pytest.mark.parametrize(("keep_alive", "connections"), [(0, 3), (4.0, 1)])
def test_idle_connections_are_kept_or_not(keep_alive: float, connections: int) -> None:
    async def journey() -> None:
        async with proxying(saying(OK), keep_alive=keep_alive) as (client, backend):
            for _ in range(3):
                assert (await client.get("/")).body == b"ok"
            assert backend.connections == connections

    run(journey)


def test_an_idle_connection_is_given_up_in_time() -> None:
    async def journey() -> None:
        async with proxying(saying(OK), keep_alive=0.05) as (client, backend):
            assert (await client.get("/")).body == b"ok"
            await backend.ended.wait()

    run(journey)


def test_a_connection_that_the_backend_closes_while_idle_is_not_used_again() -> None:
    async def journey() -> None:
        async with proxying(saying(OK, then="close"), retries=0) as (client, backend):
            for _ in range(3):
                assert (await client.post("/")).body == b"ok"
                await backend.ended.wait()
                backend.ended.clear()
                for _ in range(5):
                    await asyncio.sleep(0)
            assert backend.connections == 3

    run(journey)


def test_the_stop_drops_what_is_open() -> None:
    async def journey() -> None:
        backend = Backend(saying(OK))
        async with backend:
            async with open_client(proxy_site(backend), server=quiet()) as client:
                await client.get("/")
            await backend.ended.wait()

    run(journey)


def test_a_unix_socket_is_a_backend_too(tmp_path: object) -> None:
    async def journey() -> None:
        async with Backend(saying(OK), path=f"{tmp_path}/s") as backend:
            async with open_client(proxy_site(backend, host="backend"), server=quiet()) as client:
                for _ in range(3):
                    assert (await client.get("/")).body == b"ok"
            assert backend.connections == 1
            assert b"\r\nhost: localhost\r\n" in backend.heads[0]

    run(journey)
