"""How an OWIN application accepts a WebSocket: `websocket.Accept` and its inline sister, over those of the pipeline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from penstock.errors import ContractError
from penstock.intake.worker_request import Capability
from penstock.pipeline.context import Context
from penstock.pipeline_gateways.owin_streams import OwinHeaders
from penstock.request_sockets.owin_options import (
    AcceptContext,
    Environment,
    drop_subprotocol,
    from_owin,
    native_options,
    with_subprotocol,
)
from penstock.request_sockets.owin_socket import check_callback, environment_of
from penstock.request_sockets.owin_token import CancellationToken
from penstock.request_sockets.websocket import WebSocket

Callback = Callable[[Environment], Awaitable[None]]


def accept_deferred(context: Context) -> Callable[[Environment | None, Callback], None] | None:
    """`websocket.Accept` of this request; None when it is no handshake (websockets OW-2, KA-20)."""
    if not _can_accept(context):
        return None

    def accept(options: Environment | None, callback: Callback) -> None:
        """Let `await callback(environment)` run with the socket when the pipeline has unwound, if the status still is 101.

        The sub-protocol is `websocket.SubProtocol` of the options, else the response header, which goes (websockets KA-4).
        Raises TypeError for no callback, ContractError when something has been answered already, and what
        `Context.accept_websocket` raises; nothing has changed then.
        """
        check_callback(options, callback)
        response = context.response
        if response.content:
            raise ContractError("a body was written: a WebSocket is accepted in place of an answer")  # websockets KA-21
        headers: Any = OwinHeaders(response.headers)
        wanted = from_owin(with_subprotocol(options, headers))

        async def endpoint(websocket: WebSocket) -> None:
            await _call_back(callback, websocket)

        context.accept_websocket(endpoint, wanted)
        drop_subprotocol(headers)

    return accept


def _can_accept(context: Context) -> bool:
    capabilities = context.worker_request.capabilities
    return Capability.UPGRADE in capabilities and context.websockets.is_websocket_request


async def _call_back(callback: Callback, websocket: WebSocket) -> None:
    token = CancellationToken()
    websocket.on_abort = token.cancel
    try:
        await callback(environment_of(websocket, token))
    except BaseException:
        token.cancel()  # websockets KA-7
        raise


def accept_inline(context: Context) -> Callable[[AcceptContext], Awaitable[WebSocket]] | None:
    """`websocket.AcceptAlt` of this request: the socket, awaited; None when it is no handshake (websockets CO-60)."""
    if not _can_accept(context):
        return None

    def accept(options: AcceptContext = None) -> Awaitable[WebSocket]:
        return context.websockets.accept(native_options(options))

    return accept


def call_token(context: Context) -> CancellationToken:
    """`owin.CallCancelled` of this request: fired when the client leaves, and when an accept will not happen (OW-8, PY-9)."""
    token = CancellationToken()
    context.worker_request.on_disconnect(token.cancel)

    def judge(context: Context) -> None:
        if context.websockets.is_upgrading and context.response.status_code != 101:
            token.cancel()

    context.on_completed(judge)
    return token
