"""A head that somebody else has read, judged by the rules that hold for our own: nothing of it is believed for being parsed."""

from __future__ import annotations

from typing import Final

from penstock.errors import RequestRejected
from penstock.http.grammar import is_field_value, is_host, is_token
from penstock.http.judged_fields import JUDGED, collect, judge_framing
from penstock.http.messages import CHUNKED, Framing, RequestHead, RequestLine
from penstock.http.targets import read_target

# HTTP/2 and HTTP/3 have no framing fields, and name the authority in place of Host (RFC 9113 section 8.3.1).
_FRAMED_FIELDS: Final = ("1.1", "1.0")


def foreign_line(method: str, raw_path: bytes, query: bytes, *, version: str = "1.1") -> RequestLine:
    """What `method`, the path as it was sent and the query say. Raises RequestRejected (400, 501), as for our own requests."""
    if not method.isascii() or not is_token(method.encode("ascii")):
        raise RequestRejected(400, "the method is no token", rule="RFC 9110 section 9.1")
    if method == "CONNECT":
        raise RequestRejected(501, "CONNECT is for proxies, and this is none", rule="RFC 9110 section 9.3.6")
    return read_target(method, b"%b?%b" % (raw_path, query) if query else raw_path, version)


def foreign_head(line: RequestLine, headers: list[tuple[bytes, bytes]], *, may_have_body: bool = False) -> RequestHead:
    """The head of a request to `line` with `headers`: pairs of bytes, their names lower-case.

    `may_have_body`: a body may follow although no field says so, as over HTTP/2. Raises RequestRejected (400, 417, 501) for
    names and values that HTTP does not allow and for fields that contradict one another.
    """
    judged = []
    for pair in headers:
        name, value = pair
        if not is_token(name) or not is_field_value(value):
            raise RequestRejected(400, "malformed header field", rule="RFC 9110 section 5.5")
        if name in JUDGED:
            judged.append(pair)
    fields = collect(judged)
    if line.version not in _FRAMED_FIELDS:
        fields.setdefault(b"host", b"")
    framing = judge_framing(fields, line.is_1_0)
    if may_have_body and not framing.content_length and b"content-length" not in fields:
        framing = Framing(content_length=CHUNKED, is_upgrade=framing.is_upgrade, is_forwarded=framing.is_forwarded)
    authority = fields.get(b"host", b"")
    return RequestHead(line, headers, authority, host_of(authority), framing)


def host_of(authority: bytes) -> str:
    """The host that an authority names, lower-case and without port. Raises RequestRejected (400) for what is none."""
    if authority and not is_host(authority):
        raise RequestRejected(400, "malformed Host", rule="RFC 9110 section 7.2")
    name = authority.decode("ascii").lower()
    return name.partition("]")[0] + "]" if name[:1] == "[" else name.partition(":")[0]
