"""The answer of a backend while it arrives: its head, the pieces of its body, and when to stop reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from penstock.request_handlers.proxy_answer_head import AnswerHead
    from penstock.request_handlers.proxy_connection import BackendConnection


class ArrivingAnswer:
    """What has come of an answer. `limit` is how many bytes may wait for the client before the backend is no longer read.

    `has_begun` is whether a byte of it has come, interim answers included. `is_head`: it answers HEAD, and has no body.
    """

    __slots__ = ("_buffered", "_limit", "answer", "connection", "has_begun", "is_head", "pieces")

    def __init__(self, limit: int, *, is_head: bool) -> None:
        self._limit = limit
        self._buffered = 0
        self.is_head = is_head
        self.has_begun = False
        self.connection: BackendConnection | None = None
        self.answer: AnswerHead | None = None
        self.pieces: list[bytes] = []

    def begin_answer(self, head: AnswerHead) -> None:
        """The head of the answer has come."""
        self.has_begun = True
        self.answer = head

    def feed(self, pieces: list[bytes]) -> None:
        """More of the body has come."""
        self.pieces += pieces
        self._buffered += sum(map(len, pieces))
        if self._buffered > self._limit and self.connection is not None:
            self.connection.pause_reading()

    def take(self) -> bytes:
        """What has come of the body since the last time; b"" for nothing. The backend is read from again."""
        pieces = self.pieces
        if not pieces:
            return b""
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._buffered = 0
        connection = self.connection
        if connection is not None and connection.exchange is self and connection.is_read_paused:
            connection.resume_reading()
        return body
