"""A thread waits for the next piece of a body; the loop, which alone may take it, brings it."""

from __future__ import annotations

import asyncio
from threading import Event

from penstock.errors import ClientGone
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import WorkerRequest


class BodyPull:
    """One wait for one piece."""

    __slots__ = ("_error", "_event", "_piece")

    def __init__(self) -> None:
        self._event = Event()
        self._piece = b""
        self._error: Exception | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether there is neither a piece nor a refusal yet."""
        return not self._event.is_set()

    def wait(self) -> bytes:
        """In the thread: the piece, b"" at the end. Raises what `WorkerRequest.take` does."""
        self._event.wait()
        if self._error is not None:
            raise self._error
        return self._piece

    def serve(self, worker_request: WorkerRequest, runtime: Runtime) -> None:
        """On the loop: bring the piece now, or when it comes."""
        if self._event.is_set():
            return  # refused while it was waited for
        try:
            piece = worker_request.take()
        except Exception as error:
            self.refuse(error)
            return
        if piece is None:
            runtime.run_behind(runtime.loop.create_task(self._serve_later(worker_request, runtime)))
            return
        self._piece = piece
        self._event.set()

    def refuse(self, error: Exception) -> None:
        """On the loop: there will be no piece."""
        self._error = error
        self._event.set()

    async def _serve_later(self, worker_request: WorkerRequest, runtime: Runtime) -> None:
        try:
            await worker_request.wait_body()
        except asyncio.CancelledError:
            self.refuse(ClientGone("the server is stopping"))
            raise
        except Exception as error:
            self.refuse(error)
            return
        self.serve(worker_request, runtime)
