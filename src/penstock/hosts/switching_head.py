"""The head of a 101 (Switching Protocols): what the pipeline has set, and what the handshake says (RFC 6455 section 4.2.2)."""

from __future__ import annotations

from penstock.http.messages import ResponseHead
from penstock.http.response_head import write_fields
from penstock.http.status import status_line
from penstock.http.websocket_handshake import accept_value, added_fields
from penstock.intake.frame_transport import UpgradeTerms


def handshake_fields(terms: UpgradeTerms) -> list[tuple[bytes, bytes]]:
    """What the handshake says."""
    fields = [
        (b"upgrade", b"websocket"),
        (b"connection", b"Upgrade"),
        (b"sec-websocket-accept", accept_value(terms.key)),
    ]
    if terms.subprotocol is not None:
        fields.append((b"sec-websocket-protocol", terms.subprotocol.encode("ascii")))
    if terms.deflate is not None:
        fields.append((b"sec-websocket-extensions", terms.deflate.header))
    return fields


def write_switching_head(head: ResponseHead, terms: UpgradeTerms, own: bytes) -> bytes:
    """The whole 101 with its empty line; `own` are the host's fields, such as `date`.

    Raises ContractError for fields that HTTP does not allow.
    """
    handshake = b"".join([b"%b: %b\r\n" % pair for pair in handshake_fields(terms)])
    return b"%b%b%b%b\r\n" % (status_line(101), handshake, own, write_fields(added_fields(head)))
