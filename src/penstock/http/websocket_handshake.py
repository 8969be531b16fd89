"""The opening handshake of WebSocket over HTTP/1.1, judged on a request head: what is asked for, and from where (RFC 6455 section 4)."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Iterable
from typing import Final

from penstock.errors import RequestRejected
from penstock.http.deflate_offers import ExtensionOffer, read_extensions
from penstock.http.grammar import is_host, is_token
from penstock.http.messages import RequestHead, ResponseHead

VERSION: Final = b"13"
_VERSION_FIELD: Final = (b"sec-websocket-version", VERSION)
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SECTION: Final = "RFC 6455 section 4.2.1"

# RFC 4648 section 4: 16 bytes are 22 letters and the padding. The bits that the last letter has too many are not looked at.
_KEY: Final = re.compile(rb"[A-Za-z0-9+/]{22}==")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}
# What does not stand in an answer that accepts: there is no body (websockets PY-24), and the rest is the host's.
_NOT_ADDED: Final = frozenset(
    (
        b"connection",
        b"content-encoding",
        b"content-length",
        b"content-type",
        b"keep-alive",
        b"proxy-connection",
        b"sec-websocket-accept",
        b"sec-websocket-extensions",
        b"sec-websocket-protocol",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)


class Handshake:
    """What a sound handshake asks for.

    `key` is Sec-WebSocket-Key as received. `protocols` are the sub-protocols offered, in the client's order; () when there
    are none, or their list is malformed (websockets SW-24). `origin` is the page that opens the socket, None when it is no
    browser's. `extensions` are the offers, in order.
    """

    __slots__ = ("extensions", "key", "origin", "protocols")

    def __init__(
        self, key: bytes, protocols: tuple[str, ...], *, origin: str | None, extensions: tuple[ExtensionOffer, ...]
    ) -> None:
        self.key = key
        self.protocols = protocols
        self.origin = origin
        self.extensions = extensions


def asks_for_websocket(head: RequestHead) -> bool:
    """Whether WebSocket is among the protocols the client would rather speak; nothing else is checked."""
    return head.is_upgrade and _has_member(_values(head, b"upgrade"), b"websocket")


def read_handshake(head: RequestHead) -> Handshake:
    """What the handshake `head` asks for.

    Raises RequestRejected that names the first thing that is missing or wrong: 426 with Sec-WebSocket-Version: 13 for
    another version of WebSocket (websockets H-2), else 400 (websockets H-1, H-8, CW-1, CW-9).
    """
    _judge_request(head)
    _judge_version(_values(head, b"sec-websocket-version"))
    key = _one(head, b"sec-websocket-key")
    if key is None:
        raise _refusal("there is no Sec-WebSocket-Key")
    if not _KEY.fullmatch(key):
        raise _refusal("Sec-WebSocket-Key is not 16 bytes in base64")
    origin = _one(head, b"origin")
    return Handshake(
        key,
        read_protocols(_values(head, b"sec-websocket-protocol")),
        origin=None if origin is None else origin.decode("latin-1"),
        extensions=read_extensions(_values(head, b"sec-websocket-extensions")),
    )


def _judge_request(head: RequestHead) -> None:
    if head.method != "GET":
        raise _refusal(f"a WebSocket handshake is a GET request, not {head.method}")
    if head.version == "1.0":
        # RFC 9110 section 7.8: HTTP/1.0 knows no Upgrade.
        raise _refusal("a WebSocket handshake needs HTTP/1.1")
    if not head.authority:
        raise _refusal("a WebSocket handshake names its Host")
    if not asks_for_websocket(head):
        raise _refusal("the Upgrade field does not name websocket")
    if not _has_member(_values(head, b"connection"), b"upgrade"):
        raise _refusal("the Connection field does not name Upgrade")
    if head.content_length:
        raise _refusal("a WebSocket handshake has no body")


def _judge_version(values: list[bytes]) -> None:
    if not values:
        raise _refusal("there is no Sec-WebSocket-Version", headers=(_VERSION_FIELD,))
    if len(values) > 1:
        # RFC 6455 section 11.3.5: once in a request. A list that contains 13 is understood (websockets CW-1).
        raise _refusal("more than one Sec-WebSocket-Version field", headers=(_VERSION_FIELD,))
    if not _has_member(values, VERSION):
        raise RequestRejected(
            426,
            "the only version of WebSocket spoken here is 13",
            rule="RFC 6455 section 4.2.2",
            headers=(_VERSION_FIELD, (b"upgrade", b"websocket")),  # RFC 9110 section 15.5.22
        )


def _refusal(detail: str, *, headers: tuple[tuple[bytes, bytes], ...] = ()) -> RequestRejected:
    return RequestRejected(400, detail, rule=_SECTION, headers=headers)


def _values(head: RequestHead, name: bytes) -> list[bytes]:
    return [value for key, value in head.headers if key == name]


def _one(head: RequestHead, name: bytes) -> bytes | None:
    values = _values(head, name)
    if len(values) > 1:
        # Two, and two readers may each take another one (bad-input row 61).
        raise _refusal(f"more than one {name.decode('ascii').title().replace('socket', 'Socket')} field")
    return values[0] if values else None


def _has_member(values: list[bytes], token: bytes) -> bool:
    return any(member.strip(b" \t") == token for value in values for member in value.lower().split(b","))


def read_protocols(values: Iterable[bytes]) -> tuple[str, ...]:
    """The sub-protocols in the values of Sec-WebSocket-Protocol, in order.

    () when there are none, and when one is no token or comes twice: such a list offers nothing (websockets SW-24).
    """
    members = [member.strip(b" \t") for value in values for member in value.split(b",")]
    protocols = [member for member in members if member]
    if not all(map(is_token, protocols)) or len(set(protocols)) < len(protocols):
        return ()
    return tuple([protocol.decode("ascii") for protocol in protocols])


def is_subprotocol(text: str) -> bool:
    """Whether `text` can be the name of a sub-protocol: a token, not empty (websockets SW-23)."""
    return text.isascii() and is_token(text.encode("ascii"))


def accept_value(key: bytes) -> bytes:
    """The value of Sec-WebSocket-Accept that answers `key`, as received (RFC 6455 section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324 - the RFC's; it protects nothing


def added_fields(head: ResponseHead) -> list[tuple[bytes, bytes]]:
    """The fields of `head` that may stand in an answer that accepts a handshake."""
    return [pair for pair in head.raw_headers if pair[0] not in _NOT_ADDED]


def is_same_origin(scheme: str, host: str, origin: str | None) -> bool:
    """Whether `origin` (of the Origin field) is the site itself: same scheme ("http", "https"), host and port.

    `host` is the Host field. False without Origin or Host, and for "null" (websockets SW-27 to SW-32): the question is
    about pages in browsers, and those say where they come from.
    """
    if origin is None:
        return False
    ours = _read_origin(f"{scheme}://{host.strip()}")
    return ours is not None and ours == _read_origin(origin.strip())


def is_allowed_origin(origin: str | None, allowed: Collection[str] | None) -> bool:
    """Whether a socket may be opened by a page of `origin`; None is no browser's, and allowed (websockets DV-4).

    `allowed` are origins like "https://example.com", compared without regard to case; "*" among them allows all, and so do
    None and an empty list (websockets CW-6).
    """
    if origin is None or not allowed or "*" in allowed:
        return True
    wanted = origin.lower()
    return any(one.lower() == wanted for one in allowed)


def _read_origin(text: str) -> tuple[str, str, int] | None:
    # RFC 6454 section 7.1: scheme "://" host [ ":" port ], and nothing behind it.
    scheme, _, host = text.lower().partition("://")
    if scheme not in _DEFAULT_PORTS or not host.isascii() or not is_host(host.encode("ascii")):
        return None
    name, colon, port = host.rpartition(":")
    if not colon or "]" in port:
        return scheme, host, _DEFAULT_PORTS[scheme]
    return scheme, name, int(port) if port else _DEFAULT_PORTS[scheme]
