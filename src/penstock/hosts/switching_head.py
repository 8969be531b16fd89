"""The head of a 101 (Switching Protocols): what the pipeline has set, and what the handshake says (RFC 6455 section 4.2.2)."""

from __future__ import annotations

from typing import Final

from penstock.http.messages import ResponseHead
from penstock.http.websocket_handshake import accept_value
from penstock.intake.frame_transport import UpgradeTerms

# There is no body (websockets PY-24), and the rest is the host's.
_DROPPED: Final = frozenset(
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


def switching_fields(head: ResponseHead, terms: UpgradeTerms) -> list[tuple[bytes, bytes]]:
    """The fields of the 101: those of the handshake first, then those of `head` that may stand there."""
    fields = [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-accept", accept_value(terms.key)),
    ]
    if terms.subprotocol is not None:
        fields.append((b"sec-websocket-protocol", terms.subprotocol.encode("ascii")))
    if terms.deflate is not None:
        fields.append((b"sec-websocket-extensions", terms.deflate.header))
    return fields + [pair for pair in head.raw_headers if pair[0] not in _DROPPED]
