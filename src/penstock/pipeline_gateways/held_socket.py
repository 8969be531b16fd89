"""The exchange of a WebSocket with a middleware in a stage: its accept answers the handshake, and END comes when it has closed."""

from __future__ import annotations

from penstock.errors import ClientGone, ContractError
from penstock.intake.asgi_request import AsgiRequest
from penstock.pipeline.attached_socket import accept_outside, end_outside
from penstock.pipeline.context import Context
from penstock.pipeline.socket_phase import register
from penstock.pipeline_gateways.asgi import Message
from penstock.pipeline_gateways.asgi_websocket import AsgiSocketExchange, read_options
from penstock.pipeline_gateways.held_exchange import HeldExchange
from penstock.request_sockets.upgrade import Upgrade


class HeldSocketExchange(AsgiSocketExchange):
    """`receive` and `send` of a WebSocket as a middleware in a stage sees them from outside.

    A refusal is held as any answer is, by the exchange that an HTTP request would have.
    """

    __slots__ = ("_held", "_is_registered", "_upgrade")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._held = HeldExchange(context)
        self._is_registered = False
        self._upgrade: Upgrade | None = None

    @property
    def inner(self) -> AsgiRequest | None:
        """As of `HeldExchange`."""
        return self._held.inner

    @inner.setter
    def inner(self, inner: AsgiRequest | None) -> None:
        self._held.inner = inner

    @property
    def is_complete(self) -> bool:
        """Whether it was refused, to the last byte."""
        return self._held.is_complete

    @property
    def is_accepted(self) -> bool:
        """Whether there is, or was, a socket."""
        return self._upgrade is not None

    async def end(self, failure: BaseException | None) -> None:
        """The middleware has returned, or failed: nothing more is taken from it, and its socket is closed."""
        self._held.end()
        upgrade = self._upgrade
        if upgrade is not None:
            await end_outside(self._context, upgrade, failure, is_registered=self._is_registered)

    def judge(self, name: str, *, may_be_silent: bool) -> None:
        """Raise ContractError where it has neither accepted nor refused, and has led on to nobody who could."""
        if self.is_accepted or may_be_silent or self.is_complete:
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
        inner = self._held.inner
        is_own = inner is None or not inner.has_sent_head
        if not is_own:
            self._response.raw_headers = []  # what comes back from behind it has them
        upgrade = accept_outside(self._context, self._worker_request, self._response, options=options, is_own=is_own)
        self._upgrade = upgrade
        socket = upgrade.socket
        if is_own and socket is not None:
            self._is_registered = True
            register(self._context, socket, self._context.task)
        self._begin_with(socket)

    async def _send_answer(self, message: Message) -> None:
        await self._held.send(message)
        if self.is_complete:
            self._let_receivers_go_on()
