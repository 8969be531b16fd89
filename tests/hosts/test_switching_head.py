"""The head of a 101 (websockets H-3, H-4, PY-23, PY-24)."""

import pytest

from penstock import ContractError
from penstock.hosts.switching_head import handshake_fields, write_switching_head
from penstock.http.deflate_offers import DeflateParameters
from penstock.http.messages import ResponseHead
from penstock.http.websocket_handshake import added_fields
from penstock.intake.frame_transport import UpgradeTerms

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


def test_websockets_h04_the_whole_head_as_it_is_on_the_wire() -> None:
    head = ResponseHead(101, [(b"set-cookie", b"a=1"), (b"content-type", b"text/plain"), (b"x-id", b"7")])
    assert write_switching_head(head, UpgradeTerms(KEY), b"date: now\r\n") == (
        b"HTTP/1.1 101 Switching Protocols\r\n"
        b"upgrade: websocket\r\n"
        b"connection: Upgrade\r\n"
        b"sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"date: now\r\n"
        b"set-cookie: a=1\r\n"
        b"x-id: 7\r\n"
        b"\r\n"
    )


def test_websockets_h07_the_sub_protocol_and_the_extension_are_those_that_were_agreed() -> None:
    terms = UpgradeTerms(KEY, subprotocol="chat.v1", deflate=DeflateParameters())
    assert handshake_fields(terms)[3:] == [
        (b"sec-websocket-protocol", b"chat.v1"),
        (b"sec-websocket-extensions", b"permessage-deflate"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "connection", "content-encoding", "content-length", "content-type", "keep-alive", "sec-websocket-accept",
        "sec-websocket-extensions", "sec-websocket-protocol", "trailer", "transfer-encoding", "upgrade",
    ],
)  # fmt: skip
def test_websockets_py24_what_speaks_of_a_body_or_of_the_connection_is_left_out(name: str) -> None:
    assert added_fields(ResponseHead(101, [(name.encode(), b"1")])) == []


def test_what_http_does_not_allow_is_refused() -> None:
    with pytest.raises(ContractError):
        write_switching_head(ResponseHead(101, [(b"x", b"a\r\nb: c")]), UpgradeTerms(KEY), b"")
