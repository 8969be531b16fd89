"""A head that somebody else has read, judged by the rules that hold for our own: nothing of it is believed for being parsed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from penstock.errors import RequestRejected
from penstock.http.grammar import is_field_value, is_host, is_token
from penstock.http.judged_fields import JUDGED, collect, judge_framing
from penstock.http.messages import CHUNKED, Framing, RequestHead, RequestLine
from penstock.http.targets import read_absolute_target, read_target
from penstock.http.websocket_handshake import VERSION

# HTTP/2 and HTTP/3 have no framing fields, and name the authority in place of Host (RFC 9113 section 8.2.2 and 8.3.1).
_FRAMED_BY_FIELDS: Final = ("1.1", "1.0")
_PROTOCOLS: Final = b"sec-websocket-protocol"
_FRAMING: Final = frozenset((b"connection", b"transfer-encoding", b"upgrade"))
# What HTTP/1.1 says of a handshake and HTTP/2 does not (RFC 8441 section 5). The server has seen to the key: no one reads it.
_HANDSHAKE: Final = (
    (b"upgrade", b"websocket"),
    (b"connection", b"Upgrade"),
    (b"sec-websocket-version", VERSION),
    (b"sec-websocket-key", b"AAAAAAAAAAAAAAAAAAAAAA=="),
)


def foreign_line(
    method: str, raw_path: bytes, query: bytes, *, version: str = "1.1", scheme: str = "", authority: bytes = b""
) -> RequestLine:
    """What `method`, the path as it was sent and the query say. Raises RequestRejected (400, 501), as for our own requests.

    With `scheme` and `authority` (the Host) given, the path may be a whole URL, as it is sent to proxies.
    """
    if not method.isascii() or not is_token(method.encode("ascii")):
        raise RequestRejected(400, "the method is no token", rule="RFC 9110 section 9.1")
    if method == "CONNECT":
        raise RequestRejected(501, "CONNECT is for proxies, and this is none", rule="RFC 9110 section 9.3.6")
    if b"?" in raw_path:
        raise RequestRejected(400, "the path holds a question mark", rule="RFC 3986 section 3.3")
    target = b"%b?%b" % (raw_path, query) if query else raw_path
    if not scheme or target[:1] == b"/" or target == b"*":
        return read_target(method, target, version)
    line = read_target(method, read_absolute_target(target, scheme, authority), version)
    return RequestLine(method, target, line.raw_path, line.path, query=line.query, version=version)


def foreign_head(line: RequestLine, headers: list[tuple[bytes, bytes]], *, may_have_body: bool = False) -> RequestHead:
    """The head of a request to `line` with `headers`: pairs of bytes, their names lower-case.

    `may_have_body`: a body may follow although no field says so, as over HTTP/2. Raises RequestRejected (400, 417, 501) for
    names and values that HTTP does not allow and for fields that contradict one another.
    """
    is_framed = line.version in _FRAMED_BY_FIELDS
    judged = []
    for pair in headers:
        name, value = pair
        if not is_token(name) or not is_field_value(value):
            raise RequestRejected(400, "malformed header field", rule="RFC 9110 section 5.5")
        if name in JUDGED and (is_framed or name not in _FRAMING):
            judged.append(pair)
    fields = collect(judged)
    if not is_framed:
        fields.setdefault(b"host", b"")
    framing = judge_framing(fields, line.is_1_0)
    if may_have_body and b"content-length" not in fields and not framing.content_length:
        framing = _with_body(framing)
    authority = fields.get(b"host", b"")
    return RequestHead(line, headers, authority, host_of(authority), framing)


def foreign_handshake(
    line: RequestLine, headers: list[tuple[bytes, bytes]], *, subprotocols: Sequence[str] = ()
) -> RequestHead:
    """As `foreign_head`, of a request that the server has found to be a WebSocket's, over whatever version of HTTP.

    What HTTP/2 does not say of a handshake, and what the server keeps for itself, is added, so that the rules for handshakes
    hold for it, too. `subprotocols` are those that the client offers.
    """
    present = {name for name, _ in headers}
    completed = headers + [pair for pair in _HANDSHAKE if pair[0] not in present]
    if subprotocols and _PROTOCOLS not in present:
        completed.append((_PROTOCOLS, ", ".join(subprotocols).encode("latin-1", "replace")))
    head = foreign_head(line, completed)
    framing = head.framing
    if not framing.is_upgrade:
        head.framing = Framing(keep_alive=False, is_upgrade=True, is_forwarded=framing.is_forwarded)
    return head


def host_of(authority: bytes) -> str:
    """The host that an authority names, lower-case and without port. Raises RequestRejected (400) for what is none."""
    if authority and not is_host(authority):
        raise RequestRejected(400, "malformed Host", rule="RFC 9110 section 7.2")
    name = authority.decode("ascii").lower()
    return name.partition("]")[0] + "]" if name[:1] == "[" else name.partition(":")[0]


def _with_body(framing: Framing) -> Framing:
    return Framing(
        content_length=CHUNKED,
        keep_alive=framing.keep_alive,
        expects_continue=framing.expects_continue,
        is_upgrade=framing.is_upgrade,
        is_forwarded=framing.is_forwarded,
    )
