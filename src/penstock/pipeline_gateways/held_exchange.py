"""The exchange with an ASGI application whose answer is kept in the response, for whoever called it to go on with."""

from __future__ import annotations

from collections.abc import Awaitable

from penstock.errors import ClientGone, ContractError, RequestRejected
from penstock.intake.asgi_request import AsgiRequest
from penstock.pipeline.context import Context
from penstock.pipeline.sending import send_piece
from penstock.pipeline_gateways.asgi import COMPLETE, FILTERED, NOT_STARTED, STARTED, STREAMING, AsgiExchange


class HeldExchange(AsgiExchange):
    """`receive` and `send` of an application inside a step: its last message does not lead on into the plan.

    A whole answer stays in the response; only `more_body` lets it leave earlier (middleware R-SG-26).
    """

    __slots__ = ("_ended", "_is_relayed", "inner")

    def __init__(self, context: Context) -> None:
        super().__init__(context, False)
        self._ended = False
        self._is_relayed = False
        self.inner: AsgiRequest | None = None  # what it leads on to, if it is a middleware in a stage

    def let_go(self) -> None:
        """What it has led on to has ended: it leads back here, a cycle for the garbage collector."""
        self._is_relayed = self.inner is not None and self.inner.has_sent_head
        self.inner = None

    def end(self) -> None:
        """The application has returned, or failed: nothing more is taken from it."""
        self._ended = True

    def judge(self, name: str, *, may_be_silent: bool) -> None:
        """Raise ContractError where it returned in the middle of its answer, or without one that it owes."""
        if self._state == COMPLETE or (self._state == NOT_STARTED and may_be_silent):
            return
        what = "returned in the middle of its answer" if self._state != NOT_STARTED else "returned without an answer"
        raise ContractError(f"{name} {what}")

    def _merge(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        # What came back from behind it has the headers that modules had set before.
        is_relayed = self.inner is not None and self.inner.has_sent_head
        return headers if is_relayed or self._is_relayed else super()._merge(headers)

    def _send_piece(self, body: bytes) -> Awaitable[None] | None:
        response = self._response
        if self._state == STARTED:
            self._state = FILTERED if response.is_changing_pieces else STREAMING
        return send_piece(response, self._worker_request, body)

    def _send_last(self, body: bytes) -> Awaitable[None] | None:
        if self._state == STARTED:
            self._response.content = body
        elif self._state == STREAMING:
            if self._worker_request.is_disconnected:
                raise ClientGone("the client left")
            self._worker_request.send(None, body, False)
        elif self._hold_back(body):
            return None
        self._be_complete()
        return None

    async def _complete(self) -> None:
        self._be_complete()

    def _be_complete(self) -> None:
        self._state = COMPLETE
        if self._disconnect is not None:
            self._disconnect.resolve()

    async def _refuse(self, error: RequestRejected) -> None:
        raise error

    def _judge_late(self, kind: str) -> None:
        if self._ended or self._state == COMPLETE:
            raise ContractError(f"{kind} after the response was complete")
