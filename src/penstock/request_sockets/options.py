"""AcceptOptions: what an endpoint decides about its socket when it accepts; SocketRules: what its location decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from penstock.http.headers import encode_field
from penstock.http.response_head import write_fields
from penstock.http.websocket_handshake import is_subprotocol

# What the handshake itself says (websockets PY-23, PY-24).
_RESERVED = (b"sec-websocket-protocol", b"sec-websocket-accept", b"sec-websocket-extensions", b"connection", b"upgrade")


class SocketRules:
    """The rules for the WebSockets of a location; sizes in bytes, times in seconds, 0 for none or never.

    `allowed_origins` None: any; a handshake without Origin is allowed, it comes from no browser. `require_same_origin`
    refuses those too (websockets DV-4). `per_client` is how many sockets one client address may have open at once.
    """

    __slots__ = (
        "allowed_origins",
        "close_timeout",
        "compression",
        "keepalive_interval",
        "keepalive_timeout",
        "max_message_size",
        "max_ratio",
        "per_client",
        "require_same_origin",
    )

    def __init__(
        self,
        *,
        allowed_origins: Sequence[str] | None = None,
        require_same_origin: bool = False,
        compression: bool = False,
        max_message_size: int = 16 * 1024 * 1024,
        max_ratio: int = 100,
        keepalive_interval: float = 20.0,
        keepalive_timeout: float = 20.0,
        close_timeout: float = 10.0,
        per_client: int = 0,
    ) -> None:
        self.allowed_origins = None if allowed_origins is None else tuple(allowed_origins)
        self.require_same_origin = require_same_origin
        self.compression = compression
        self.max_message_size = max_message_size
        self.max_ratio = max_ratio
        self.keepalive_interval = keepalive_interval
        self.keepalive_timeout = keepalive_timeout
        self.close_timeout = close_timeout
        self.per_client = per_client


class AcceptOptions:
    """What an endpoint may say when it accepts; None means: as its location says (websockets section 1.4).

    `subprotocol` must be one of those offered. `headers` are added to the handshake. `receive_buffer_size` and `extra`
    are for other hosts, and not looked at. Raises ValueError for a subprotocol that is no token (SW-23) and for headers
    that the handshake sets itself (PY-23), ContractError for headers that HTTP does not allow.
    """

    __slots__ = (
        "allowed_origins",
        "compression",
        "extra",
        "headers",
        "is_strict",
        "keepalive_interval",
        "keepalive_timeout",
        "max_message_size",
        "receive_buffer_size",
        "require_same_origin",
        "subprotocol",
    )

    def __init__(
        self,
        subprotocol: str | None = None,
        *,
        headers: Mapping[str, str] | Sequence[tuple[bytes, bytes]] = (),
        require_same_origin: bool | None = None,
        allowed_origins: Sequence[str] | None = None,
        compression: bool | None = None,
        keepalive_interval: float | None = None,
        keepalive_timeout: float | None = None,
        max_message_size: int | None = None,
        receive_buffer_size: int | None = None,
        is_strict: bool = False,
        extra: dict[str, Any] | None = None,
    ) -> None:
        if subprotocol is not None and not is_subprotocol(subprotocol):
            raise ValueError(f"{subprotocol!r} is no sub-protocol: letters, digits and !#$%&'*+-.^_`|~ only")
        self.subprotocol = subprotocol
        self.headers = _encode(headers)
        self.require_same_origin = require_same_origin
        self.allowed_origins = None if allowed_origins is None else tuple(allowed_origins)
        self.compression = compression
        self.keepalive_interval = keepalive_interval
        self.keepalive_timeout = keepalive_timeout
        self.max_message_size = max_message_size
        self.receive_buffer_size = receive_buffer_size
        self.is_strict = is_strict
        self.extra = extra


def _encode(headers: Mapping[str, str] | Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    pairs: list[tuple[Any, Any]] = list(headers.items()) if isinstance(headers, Mapping) else list(headers)
    if isinstance(headers, Mapping):
        pairs = [encode_field(*pair) for pair in pairs]
    for name, value in pairs:
        if not isinstance(name, bytes) or not isinstance(value, bytes):
            raise TypeError(f"headers are pairs of bytes, or a mapping of texts, not {(name, value)!r}")
        if name.lower() in _RESERVED or name[:1] == b":":
            raise ValueError(f"the handshake itself sets {name.decode('latin-1')}: it cannot be given as a header")
    pairs = [(name.lower(), value) for name, value in pairs]
    write_fields(pairs)  # raises ContractError for what HTTP does not allow
    return pairs
