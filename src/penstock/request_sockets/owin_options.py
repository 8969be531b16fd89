"""The names of OWIN's WebSocket extension, and what an accept may say in them (OWIN WebSocket extension 0.4.0)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from datetime import timedelta
from typing import Any, Final

from penstock.errors import ContractError
from penstock.request_sockets.options import AcceptOptions

Environment = MutableMapping[str, Any]
OwinApplication = Callable[[Environment], Awaitable[None]]

# -- in the environment of a request
ACCEPT: Final = "websocket.Accept"
ACCEPT_INLINE: Final = "websocket.AcceptAlt"
CALL_CANCELLED: Final = "owin.CallCancelled"
STATUS: Final = "owin.ResponseStatusCode"
REQUEST_HEADERS: Final = "owin.RequestHeaders"
RESPONSE_HEADERS: Final = "owin.ResponseHeaders"

# -- in that of a socket
SEND: Final = "websocket.SendAsync"
RECEIVE: Final = "websocket.ReceiveAsync"
CLOSE: Final = "websocket.CloseAsync"
SOCKET_CANCELLED: Final = "websocket.CallCancelled"
VERSION: Final = "websocket.Version"
CLOSE_STATUS: Final = "websocket.ClientCloseStatus"
CLOSE_DESCRIPTION: Final = "websocket.ClientCloseDescription"

# -- in the options of an accept
SUBPROTOCOL: Final = "websocket.SubProtocol"
KEEP_ALIVE: Final = "websocket.KeepAliveInterval"
BUFFER_SIZE: Final = "websocket.ReceiveBufferSize"
# The options of the other style, handed through unchanged (websockets CO-37).
NATIVE_OPTIONS: Final = "penstock.request_sockets.options.AcceptOptions"
# The socket itself, under the full name of its type, as everything native is.
NATIVE_SOCKET: Final = "penstock.request_sockets.websocket.WebSocket"

_SUBPROTOCOL_FIELD: Final = "sec-websocket-protocol"
# What an OWIN server cannot be told; it would be ignored, and some of it keeps strangers out.
_UNTOLD: Final = ("require_same_origin", "allowed_origins", "compression", "keepalive_timeout")


class OwinAcceptContext:
    """What an inline accept says, as OWIN's own dictionary (websockets section 2.4).

    `options` is that dictionary, None as long as nothing was said.
    """

    __slots__ = ("options",)

    def __init__(self, options: dict[str, Any] | None = None) -> None:
        self.options = options

    @property
    def subprotocol(self) -> str | None:
        """`websocket.SubProtocol` of the options; setting it makes them where there are none."""
        found = None if self.options is None else self.options.get(SUBPROTOCOL)
        return found if isinstance(found, str) else None

    @subprotocol.setter
    def subprotocol(self, subprotocol: str | None) -> None:
        if self.options is None:
            self.options = {}
        self.options[SUBPROTOCOL] = subprotocol


AcceptContext = AcceptOptions | OwinAcceptContext | None


def to_owin(context: AcceptContext) -> dict[str, Any] | None:
    """The dictionary that says what `context` says; None for nothing (websockets CO-9).

    Raises ContractError for what OWIN has no word for.
    """
    if context is None:
        return None
    if isinstance(context, OwinAcceptContext):
        return context.options
    for name in _UNTOLD:
        if getattr(context, name) is not None:
            raise ContractError(f"an OWIN server cannot be told {name}: leave it out of AcceptOptions")
    options = dict(context.extra or {})
    if context.subprotocol is not None:
        options[SUBPROTOCOL] = context.subprotocol
    if context.keepalive_interval is not None:
        options[KEEP_ALIVE] = context.keepalive_interval
    if context.receive_buffer_size is not None:
        options[BUFFER_SIZE] = context.receive_buffer_size
    return options or None


def from_owin(options: MutableMapping[str, Any] | None) -> AcceptOptions | None:
    """What the options of an OWIN accept say. Raises TypeError and ValueError for what cannot be meant."""
    if options is None:
        return None
    if NATIVE_OPTIONS in options:
        native = options[NATIVE_OPTIONS]
        return native if isinstance(native, AcceptOptions) else None
    subprotocol = options.get(SUBPROTOCOL)
    if subprotocol is not None and not isinstance(subprotocol, str):
        raise TypeError(f"{SUBPROTOCOL} is text, not {type(subprotocol).__name__!r}")
    size = options.get(BUFFER_SIZE)
    if size is not None and not isinstance(size, int):
        raise TypeError(f"{BUFFER_SIZE} is a number of bytes, not {type(size).__name__!r}")
    return AcceptOptions(
        subprotocol, keepalive_interval=_seconds(options.get(KEEP_ALIVE)), receive_buffer_size=size, extra=dict(options)
    )


def native_options(context: AcceptContext) -> AcceptOptions | None:
    """`context` as Penstock's own accept takes it."""
    return from_owin(context.options) if isinstance(context, OwinAcceptContext) else context


def with_subprotocol(options: Environment | None, headers: Environment | None) -> Environment | None:
    """`options` with the sub-protocol of the response header, unless they name one themselves (websockets KA-4)."""
    name = _find_field(headers)
    if headers is None or name is None or (options is not None and SUBPROTOCOL in options):
        return options
    values = headers[name]
    return {**(options or {}), SUBPROTOCOL: values[0]} if values else options


def drop_subprotocol(headers: Environment | None) -> None:
    """Take that header away: the handshake names the sub-protocol itself (websockets PY-23)."""
    name = _find_field(headers)
    if headers is not None and name is not None:
        del headers[name]


def _find_field(headers: Environment | None) -> str | None:
    return next((name for name in headers or () if name.lower() == _SUBPROTOCOL_FIELD), None)


def _seconds(interval: object) -> float | None:
    if interval is None:
        return None
    if isinstance(interval, timedelta):
        return interval.total_seconds()
    if isinstance(interval, (int, float)):
        return float(interval)
    raise TypeError(f"{KEEP_ALIVE} is a timedelta or a number of seconds, not {type(interval).__name__!r}")
