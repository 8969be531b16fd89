"""How a body is read as it comes."""

import asyncio

import pytest

from penstock.errors import ClientGone
from penstock.hosts.memory_host import MemoryRequest
from penstock.pipeline.body_stream import BodyStream, read_piece, read_whole
from penstock.settings import LimitSettings
from tests.pipeline.subject import run, settle


def coming() -> MemoryRequest:
    return MemoryRequest.make("POST", "/", [(b"host", b"shop")], None, LimitSettings())


def test_pieces_come_in_order_and_end() -> None:
    async def journey() -> None:
        request = coming()

        async def read() -> list[bytes]:
            return [piece async for piece in BodyStream(request)]

        reading = asyncio.create_task(read())
        for piece in (b"one", b"two"):
            request.feed(piece)
            await settle()
        request.end_body()
        assert await reading == [b"one", b"two"]
        assert await read_piece(request) == b""

    run(journey)


def test_the_rest_is_waited_for() -> None:
    async def journey() -> None:
        request = coming()
        request.feed(b"one")
        reading = asyncio.create_task(read_whole(request))
        await settle()
        request.feed(b"two")
        request.end_body()
        assert await reading == b"onetwo"

    run(journey)


def test_a_client_that_leaves_is_told_of() -> None:
    async def journey() -> None:
        request = coming()
        reading = asyncio.create_task(read_whole(request))
        await settle()
        request.disconnect()
        with pytest.raises(ClientGone):
            await reading

    run(journey)
