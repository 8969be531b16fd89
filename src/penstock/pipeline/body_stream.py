"""How a body is read as it comes: piece by piece, or to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.intake.worker_request import WorkerRequest


class BodyStream:
    """The pieces of a body, in order, as they come. Raises what `Request.body` raises."""

    __slots__ = ("_worker_request",)

    def __init__(self, worker_request: WorkerRequest) -> None:
        self._worker_request = worker_request

    def __aiter__(self) -> BodyStream:
        return self

    async def __anext__(self) -> bytes:
        piece = await read_piece(self._worker_request)
        if not piece:
            raise StopAsyncIteration
        return piece


async def read_piece(worker_request: WorkerRequest) -> bytes:
    """The next piece of the body, b"" at its end; waits for it."""
    while True:
        piece = worker_request.take()
        if piece is not None:
            return piece
        await worker_request.wait_body()


async def read_whole(worker_request: WorkerRequest) -> bytes:
    """All that is still to come of the body; waits for it."""
    pieces = []
    while piece := await read_piece(worker_request):
        pieces.append(piece)
    return b"".join(pieces)
