"""How fields and addresses look to an RSGI server: text, where HTTP has bytes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from penstock.http.response_head import STEADY
from penstock.intake.worker_request import Address

# What the host of the connection says itself (RFC 9110 section 7.6.1).
_HOP_BY_HOP: Final = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))

_REMEMBERED: Final = 1024
_LONGEST: Final = 256
_TEXTS: Final[dict[tuple[bytes, bytes], tuple[str, str]]] = {}
_NAMES: Final[dict[bytes, str]] = {}
_BYTES: Final[dict[tuple[str, str], tuple[bytes, bytes]]] = {}
_UNIX: Final = "unix:"


def fields_for_server(headers: Sequence[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    """The fields of a response, judged already, without those that are the server's own.

    A server writes text as UTF-8, so that a value in UTF-8 arrives byte for byte; one in Latin-1 arrives as UTF-8.
    """
    fields: list[tuple[str, str]] = []
    for pair in headers:
        known = _TEXTS.get(pair)
        if known is None:
            if pair[0] in _HOP_BY_HOP:
                continue
            known = _learn_text(pair)
        fields.append(known)
    return fields


def fields_from_server(items: Sequence[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """The fields of a request: names in lower case, values as they came, in order."""
    fields: list[tuple[bytes, bytes]] = []
    for item in items:
        known = _BYTES.get(item)
        fields.append(_learn_bytes(item) if known is None else known)
    return fields


def address_of(text: str) -> Address | None:
    """The address that "host:port" says; the port stands behind the last colon. None when it says none."""
    if text.startswith(_UNIX) or not text:
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit():
        return (text, None)
    return (host[1:-1] if host[:1] == "[" else host, int(port))


def _learn_text(pair: tuple[bytes, bytes]) -> tuple[str, str]:
    name, value = pair
    text = _NAMES.get(name)
    if text is None:
        text = _learn_name(name)
    try:
        known = (text, value.decode("utf-8"))
    except UnicodeDecodeError:
        known = (text, value.decode("latin-1"))
    # What is another for every request, such as an id, would only push out what is not.
    if name in STEADY and len(value) <= _LONGEST:
        if len(_TEXTS) >= _REMEMBERED:
            _TEXTS.clear()
        _TEXTS[pair] = known
    return known


def _learn_name(name: bytes) -> str:
    if len(_NAMES) >= _REMEMBERED:
        _NAMES.clear()
    text = _NAMES[name] = name.decode("latin-1")
    return text


def _learn_bytes(item: tuple[str, str]) -> tuple[bytes, bytes]:
    name, value = item
    known = (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
    if len(value) <= _LONGEST:
        if len(_BYTES) >= _REMEMBERED:
            _BYTES.clear()
        _BYTES[item] = known
    return known
