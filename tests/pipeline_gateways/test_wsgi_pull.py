"""One wait of a thread for one piece of a body."""

import asyncio
from typing import cast

import pytest

from penstock.errors import ClientGone, RequestRejected
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import WorkerRequest
from penstock.pipeline_gateways.wsgi_pull import BodyPull


class Body:
    """A worker request of which only the body is asked; `feed` brings a piece, or an error."""

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = list(pieces)
        self.come = asyncio.Event()

    def feed(self, piece: bytes | Exception) -> None:
        self.pieces.append(piece)
        self.come.set()

    def take(self) -> bytes | None:
        piece = self.pieces.pop(0) if self.pieces else None
        if isinstance(piece, Exception):
            raise piece
        return piece

    async def wait_body(self) -> None:
        await self.come.wait()


def serve(pull: BodyPull, body: Body) -> None:
    pull.serve(cast(WorkerRequest, body), Runtime([]))


def test_what_is_there_is_brought_at_once() -> None:
    async def journey() -> None:
        for piece in (b"piece", b""):
            serve(pull := BodyPull(), Body(piece))
            assert pull.wait() == piece

    asyncio.run(journey())


def test_what_is_not_there_is_brought_when_it_comes() -> None:
    async def journey() -> None:
        body = Body()
        serve(pull := BodyPull(), body)
        waiting = asyncio.create_task(asyncio.to_thread(pull.wait))
        body.feed(b"later")
        assert await waiting == b"later"

    asyncio.run(journey())


@pytest.mark.parametrize("error", [ClientGone("the client left"), RequestRejected(408, "the body comes too slowly")])
@pytest.mark.parametrize("is_late", [False, True])
def test_errors_are_raised_in_the_thread(error: Exception, is_late: bool) -> None:
    async def journey() -> None:
        body = Body() if is_late else Body(error)
        serve(pull := BodyPull(), body)
        waiting = asyncio.create_task(asyncio.to_thread(pull.wait))
        if is_late:
            body.feed(error)
        with pytest.raises(type(error)):
            await waiting

    asyncio.run(journey())
