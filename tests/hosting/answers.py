"""This file is an answer as hosts are compared by it: what every host must say alike, and nothing of what is its own."""

import base64
import re
from dataclasses import dataclass

from tests.hosting.exchanges import Exchange
from tests.wire.raw_client import RawClient

HOST = "acceptance.example"
# Hop-by-hop (RFC 9110 section 7.6.1), and what belongs to whoever speaks with the client. A length is told or the body is chunked: both end it.
OF_THE_HOP = frozenset(("connection", "date", "keep-alive", "server", "transfer-encoding", "via"))
_BOUNDARY = re.compile(r"boundary=([0-9a-f]{32})")
_ERROR_ID = re.compile(rb"[0-9a-f]{8,32}")

Fields = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Comparable:
    """Status, fields sorted by name (those of one name in their order), and the body."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def all(self, name: str) -> list[str]:
        return [value for known, value in self.fields if known == name]


def comparable(status: int, fields: Fields, body: bytes) -> Comparable:
    """Without what is the host's own, the time in a gzip member, the number of an error and the boundary of parts."""
    # RFC 9110 section 5.5: white space around a value is no part of it.
    kept = sorted(
        ((name, value.strip(" \t")) for name, value in fields if name not in OF_THE_HOP), key=lambda pair: pair[0]
    )
    if body[:2] == b"\x1f\x8b":
        body = body[:4] + bytes(4) + body[8:]  # RFC 1952 section 2.3.1: MTIME
    if status == 500:
        body = _ERROR_ID.sub(b"(id)", body)
        kept = [(name, _ERROR_ID.sub(b"(id)", value.encode()).decode()) for name, value in kept]
    for name, value in kept:
        if name == "content-type" and (found := _BOUNDARY.search(value)):
            body = body.replace(found[1].encode(), b"(boundary)")
    return Comparable(status, tuple((name, _BOUNDARY.sub("boundary=(boundary)", value)) for name, value in kept), body)


def request_bytes(exchange: Exchange) -> bytes:
    lines = [f"{exchange.method} {exchange.target} HTTP/1.1", f"host: {HOST}", "connection: close"]
    lines += [f"{name}: {value}" for name, value in exchange.headers]
    body = exchange.body
    if exchange.chunk:
        lines.append("transfer-encoding: chunked")
        pieces = [body[at : at + exchange.chunk] for at in range(0, len(body), exchange.chunk)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    elif body:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def ask(address: tuple[str, int], exchange: Exchange) -> Comparable:
    """What the host at `address` answers, read strictly."""
    with RawClient(address, seconds=15) as client:
        client.send([request_bytes(exchange)])
        answer, _ = client.read_final_answer(exchange.method)
    fields = [(name.decode(), value.decode("latin-1")) for name, value in answer.headers]
    return comparable(answer.status, fields, answer.body)


def packed(answer: Comparable) -> list[object]:
    """For JSON."""
    return [answer.status, answer.fields, base64.b64encode(answer.body).decode()]


def unpacked(packed: list[object]) -> Comparable:
    status, fields, body = packed
    assert isinstance(status, int)
    assert isinstance(fields, list)
    assert isinstance(body, str)
    return Comparable(status, tuple((name, value) for name, value in fields), base64.b64decode(body))
