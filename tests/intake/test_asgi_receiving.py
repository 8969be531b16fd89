"""This file is the test of requests by `receive`: who asks, bodies with several readers and limits, and clients that leave."""

import asyncio

import pytest

from penstock import ClientGone, RequestRejected
from penstock.http.messages import ResponseHead
from penstock.intake.asgi_receiving import HIGH_WATER
from penstock.intake.asgi_request import AsgiRequest
from tests.intake.asgi_server import AsgiServer, Pairs, ask

COMES: Pairs = [(b"transfer-encoding", b"chunked")]
WAITS: Pairs = [(b"content-length", b"5"), (b"expect", b"100-continue")]


async def read(request: AsgiRequest) -> bytes:
    pieces = []
    while (piece := request.take()) != b"":
        if piece is None:
            await request.wait_body()
        else:
            pieces.append(piece)
    return b"".join(pieces)


async def rest() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class TestWhoAsks:
    def test_what_the_scope_says(self) -> None:
        async def journey() -> None:
            request = ask(AsgiServer(), scheme="https", client=("203.0.113.7", 4711), server=("/run/x.sock", None))
            assert (request.scheme, request.client, request.server) == (
                "https",
                ("203.0.113.7", 4711),
                ("/run/x.sock", None),
            )
            request = ask(AsgiServer(), scheme="wss", client=None, server=None)
            assert (request.scheme, request.client, request.server) == ("https", None, None)

        asyncio.run(journey())


class TestBody:
    def test_without_a_body_nothing_is_received(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server)
            await request.wait_body()
            assert (request.take(), server.received, server.most_receivers) == (b"", 0, 0)

        asyncio.run(journey())

    def test_pieces_and_empty_messages(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            for piece in (b"one", b"", b"two"):
                server.put_body(piece, more=True)
            server.put("http.request")  # the last one may say nothing at all
            assert await read(ask(server, headers=COMES)) == b"onetwo"

        asyncio.run(journey())

    def test_several_readers_and_one_receiver(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server, headers=COMES)
            request.on_disconnect(lambda: None)
            readers = [asyncio.ensure_future(request.wait_body()) for _ in range(3)]
            await rest()
            readers[0].cancel()
            server.put_body(b"piece", more=False)
            await asyncio.wait(readers)
            assert (request.take(), request.take(), server.most_receivers) == (b"piece", b"", 1)

        asyncio.run(journey())

    def test_what_nobody_reads_is_not_received(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server, headers=COMES)
            for _ in range(10):
                server.put_body(b"x" * HIGH_WATER, more=True)
            await rest()
            assert server.received == 0
            request.on_disconnect(lambda: None)  # to notice the client, so much is read as on an own socket
            await rest()
            assert server.received == 1
            assert len(request.take() or b"") == HIGH_WATER
            await rest()
            assert server.received == 2

        asyncio.run(journey())

    def test_rfc9110_section_10_1_1_a_client_that_waits_is_told_to_go_on_by_who_reads(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server, headers=WAITS)
            request.on_disconnect(lambda: None)
            await rest()
            assert server.receivers == 0
            waiting = asyncio.ensure_future(request.wait_body())
            await rest()
            assert server.receivers == 1
            server.put_body(b"hello", more=False)
            await waiting
            assert request.take() == b"hello"

        asyncio.run(journey())


class TestLimits:
    def test_rfc9110_section_15_5_14_announced(self) -> None:
        async def journey() -> None:
            with pytest.raises(RequestRejected) as caught:
                ask(AsgiServer(), headers=[(b"content-length", b"11")]).limit_body(10)
            assert caught.value.status == 413

        asyncio.run(journey())

    def test_rfc9110_section_15_5_14_grown(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server, headers=COMES)
            request.limit_body(10)
            for _ in range(100):
                server.put_body(b"12345", more=True)
            with pytest.raises(RequestRejected) as caught:
                await read(request)
            assert (caught.value.status, server.received) == (413, 3)
            await request.wait_body()  # there is something to say: the same again
            with pytest.raises(RequestRejected):
                request.take()

        asyncio.run(journey())

    def test_a_limit_that_comes_too_late(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server, headers=COMES)
            server.put_body(b"x" * 11, more=True)
            await request.wait_body()
            with pytest.raises(RequestRejected):
                request.limit_body(10)

        asyncio.run(journey())


class TestLeaving:
    def test_in_the_middle_of_the_body(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server, headers=COMES)
            told: list[int] = []
            request.on_disconnect(lambda: told.append(1))
            server.put_body(b"half", more=True)
            server.leave()
            await rest()
            assert (request.is_disconnected, told) == (True, [1])
            assert request.take() == b"half"
            with pytest.raises(ClientGone):
                request.take()

        asyncio.run(journey())

    def test_behind_the_body(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server, headers=COMES)
            server.put_body(b"all", more=False)
            assert await read(request) == b"all"
            told: list[int] = []
            request.on_disconnect(lambda: told.append(1))
            server.leave()
            await rest()
            assert (request.is_disconnected, told, request.take()) == (True, [1], b"")

        asyncio.run(journey())

    def test_a_server_that_fails_to_receive_has_no_client(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server, headers=COMES)

            async def fail() -> dict[str, object]:
                raise RuntimeError("no")

            broken = AsgiRequest({"type": "http"}, fail, server.send, head=request.head)
            await broken.wait_body()
            with pytest.raises(ClientGone):
                broken.take()

        asyncio.run(journey())

    def test_released_in_the_middle(self) -> None:
        async def journey() -> None:
            server = AsgiServer()
            request = ask(server, headers=COMES)
            waiting = asyncio.ensure_future(request.wait_body())
            await rest()
            request.release()
            await waiting
            await rest()
            with pytest.raises(ClientGone):
                request.take()
            assert server.receivers == 0
            request.send(ResponseHead(200, []), b"late", False)
            assert server.sent == []

        asyncio.run(journey())
