"""A WebSocket as OWIN hands it to an application: a dictionary of delegates (OWIN WebSocket extension 0.4.0)."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any, Final

from penstock.request_sockets.messages import MessageType
from penstock.request_sockets.owin_options import (
    CLOSE,
    CLOSE_DESCRIPTION,
    CLOSE_STATUS,
    NATIVE_SOCKET,
    RECEIVE,
    SEND,
    SOCKET_CANCELLED,
    VERSION,
    Environment,
)
from penstock.request_sockets.owin_token import CancellationToken

if TYPE_CHECKING:
    from penstock.request_sockets.websocket import WebSocket

# The types of messages are the opcodes of RFC 6455 section 5.2.
_CLOSE_TYPE: Final = 8
_PINGS: Final = (9, 10)
_NO_STATUS: Final = 1005


def environment_of(websocket: WebSocket, token: CancellationToken) -> dict[str, Any]:
    """What an OWIN callback is called with: delegates to `websocket`, and the socket itself under the name of its type.

    `token` is its `websocket.CallCancelled`.
    """
    environment: dict[str, Any] = {SOCKET_CANCELLED: token, VERSION: "1.0"}
    delegates = _Delegates(websocket, environment)
    environment[SEND] = delegates.send
    environment[RECEIVE] = delegates.receive
    environment[CLOSE] = delegates.close
    environment[NATIVE_SOCKET] = websocket
    return environment


def check_callback(options: object, callback: object) -> None:
    """Judge what `websocket.Accept` was called with. Raises TypeError (websockets OW-3)."""
    if not callable(callback):
        raise TypeError(f"websocket.Accept takes (options, callback): {callback!r} cannot be called")
    if options is not None and not hasattr(options, "keys"):
        raise TypeError(f"the options of websocket.Accept are a dict or None, not {type(options).__name__!r}")


class _Delegates:
    """Each checks at once, and returns what is to be awaited. `cancel` is taken for OWIN's sake: in Python, cancel the task."""

    __slots__ = ("_environment", "_websocket")

    def __init__(self, websocket: WebSocket, environment: Environment) -> None:
        self._websocket = websocket
        self._environment = environment

    def send(self, data: Any, kind: Any, is_end: bool, cancel: object = None) -> Awaitable[None]:
        """`websocket.SendAsync`: a part of a message of text (1, in UTF-8) or bytes (2); or a Close (8: code and text).

        Pings and pongs (9, 10) are the server's, and dropped (websockets CO-41 to CO-43). Raises ValueError for other kinds.
        """
        payload = data if isinstance(data, bytes) else memoryview(data).tobytes()
        if kind in _PINGS:
            return _nothing()
        if kind == _CLOSE_TYPE:
            return self._send_close(payload)
        return self._websocket.send_fragment(payload, _message_type(kind), bool(is_end))

    async def receive(self, buffer: Any, cancel: object = None) -> tuple[int, bool, int]:
        """`websocket.ReceiveAsync`: fill `buffer` with what came of a message; its type, whether it ends there, and how much.

        A Close is `(8, True, 0)`; its code and text are in the environment then, if the client gave them (websockets DV-1).
        """
        room = memoryview(buffer).cast("B")
        if not room or room.readonly:
            raise ValueError(
                "websocket.ReceiveAsync fills a buffer, such as bytearray(4096), with room for at least one byte"
            )
        result = await self._websocket.receive_fragment(len(room))
        if result.type == _CLOSE_TYPE:
            if result.close_code is not None and result.close_code != _NO_STATUS:
                self._environment[CLOSE_STATUS] = result.close_code
                self._environment[CLOSE_DESCRIPTION] = result.close_reason or ""
            return _CLOSE_TYPE, True, 0
        room[: len(result.data)] = result.data
        return int(result.type), result.end_of_message, len(result.data)

    def close(self, status: int = 1000, description: str | None = "", cancel: object = None) -> Awaitable[None]:
        """`websocket.CloseAsync`: send a Close; what the client still sends can be received (websockets CO-45)."""
        return self._websocket.close_output(status, description or "")

    def _send_close(self, payload: bytes) -> Awaitable[None]:
        if not payload:
            return self._websocket.close_output(1000, "")
        if len(payload) == 1:
            raise ValueError("a Close holds nothing, or a code of two bytes and a text (RFC 6455 section 5.5.1)")
        return self._websocket.close_output(int.from_bytes(payload[:2], "big"), payload[2:].decode("utf-8"))


def _message_type(kind: Any) -> MessageType:
    try:
        return MessageType(kind)
    except ValueError:
        raise ValueError(f"{kind!r} is no type of a message: 1 is text, 2 is bytes, 8 a Close") from None


async def _nothing() -> None:
    """What OWIN lets an application do in vain."""
