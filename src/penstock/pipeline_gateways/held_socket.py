"""The exchange of a WebSocket with a middleware in a stage: its accept answers the handshake, and END comes when it has closed."""

from __future__ import annotations

from collections.abc import Awaitable

from penstock.errors import ClientGone, ContractError, RequestRejected
from penstock.intake.asgi_request import AsgiRequest
from penstock.pipeline.attached_socket import accept_outside, end_outside
from penstock.pipeline.context import Context
from penstock.pipeline.sending import send_piece
from penstock.pipeline.socket_phase import register
from penstock.pipeline_gateways.asgi import COMPLETE, FILTERED, STARTED, STREAMING, Message
from penstock.pipeline_gateways.asgi_websocket import AsgiSocketExchange, read_options
from penstock.request_sockets.upgrade import Upgrade


class HeldSocketExchange(AsgiSocketExchange):
    """`receive` and `send` of a WebSocket as a middleware in a stage sees them from outside.

    A refusal is held as any answer is: see `HeldExchange`.
    """

    __slots__ = ("_has_returned", "_is_registered", "_upgrade", "inner")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._has_returned = False
        self._is_registered = False
        self._upgrade: Upgrade | None = None
        self.inner: AsgiRequest | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether there is, or was, a socket."""
        return self._upgrade is not None

    async def end(self, failure: BaseException | None) -> None:
        """The middleware has returned, or failed: nothing more is taken from it, and its socket is closed."""
        self._has_returned = True
        upgrade = self._upgrade
        if upgrade is not None:
            await end_outside(self._context, upgrade, failure, is_registered=self._is_registered)

    def judge(self, name: str, *, may_be_silent: bool) -> None:
        """Raise ContractError where it has neither accepted nor refused, and has led on to nobody who could."""
        if self.is_accepted or may_be_silent or self._state == COMPLETE:
            return
        if self.is_told:
            raise ClientGone("the client left before it was answered")
        raise ContractError(f"{name} returned without accepting or refusing the WebSocket")

    @property
    def _is_upgrading(self) -> bool:
        return False  # it is accepted, or not: there is nothing between

    async def _accept(self, message: Message) -> None:
        if self.is_told or self._worker_request.is_disconnected:
            self.is_told = True
            raise ClientGone("the client left before its WebSocket was accepted")
        options = read_options(message)
        if self.inner is not None and self.inner.has_sent_head:
            self._response.raw_headers = []  # what comes back from behind it has them
        upgrade = accept_outside(self._context, self._worker_request, self._response, options)
        self._upgrade = upgrade
        socket = upgrade.socket
        if self.inner is None and socket is not None:
            self._is_registered = True
            register(self._context, socket, self._context.task)
        self._begin_with(socket)

    def _merge(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        # What came back from behind it has the headers that modules had set before.
        is_relayed = self.inner is not None and self.inner.has_sent_head
        return headers if is_relayed else super()._merge(headers)

    def _send_piece(self, body: bytes) -> Awaitable[None] | None:
        response = self._response
        if self._state == STARTED:
            self._state = FILTERED if response.is_changing_pieces else STREAMING
        return send_piece(response, self._worker_request, body)

    def _send_last(self, body: bytes) -> Awaitable[None] | None:
        if self._state == STREAMING:
            if self._worker_request.is_disconnected:
                raise ClientGone("the client left")
            self._worker_request.send(None, body, False)
        elif self._state == STARTED:
            self._response.content = body
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
        if self._has_returned or self._state == COMPLETE:
            raise ContractError(f"{kind} after the response was complete")
