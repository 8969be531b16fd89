"""The head of a request as backends get it: the path, the Host, what is left of the client's fields, and who that client is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, unquote_to_bytes

from penstock.errors import RequestRejected
from penstock.http.grammar import FIELD_VALUE

if TYPE_CHECKING:
    from penstock.http.messages import RequestHead, RequestLine
    from penstock.intake.worker_request import WorkerRequest

# What belongs to the connection with the client and goes no further (RFC 9110 section 7.6.1), or is said anew: where the
# body ends, and what is expected of it. RFC 9110 section 11.7.1: Proxy-Authorization is meant for the first proxy.
_HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"content-length",
        b"expect",
        b"host",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
# What only a proxy may say of a client. The listener has believed those it trusts already; whatever else stands here was
# written by strangers. CGI would make HTTP_PROXY of "proxy" (CVE-2016-5385).
_OF_PROXIES: Final = frozenset(
    (
        b"forwarded",
        b"proxy",
        b"x-forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-real-ip",
    )
)
_OF_HANDSHAKES: Final = frozenset(
    (b"sec-websocket-accept", b"sec-websocket-extensions", b"sec-websocket-key", b"sec-websocket-version")
)

_REMEMBERED: Final = 512
_PATH_SAFE: Final = "/:@!$&'()*+,;=~"
_DOTS: Final = (b"/./", b"/../")
# Dots that some servers take for a way up and others for a name: with parameters behind them, or beside backslashes.
_HIDDEN_DOTS: Final = (b"/.;", b"/..;", b"\\..", b"..\\")


class RequestWriter:
    """Writes heads for the backends of one proxy; what is the same for many requests is written once.

    `at` is where the proxy stands and is taken off when `strips`. `replaced` are fields set on every request, b"" drops one.
    """

    __slots__ = (
        "_at",
        "_dropped",
        "_fields",
        "_is_own_host",
        "_lines",
        "_set",
        "_strips",
        "_writes_forwarded",
        "_writes_x_forwarded",
    )

    def __init__(
        self,
        at: str,
        *,
        strips: bool = False,
        is_own_host: bool = False,
        forwarded: str = "x-forwarded",
        replaced: Mapping[bytes, bytes] | None = None,
    ) -> None:
        self._at = at.rstrip("/")
        self._strips = strips and self._at != ""
        self._is_own_host = is_own_host
        self._writes_x_forwarded = forwarded in ("x-forwarded", "both")
        self._writes_forwarded = forwarded in ("forwarded", "both")
        fields = dict(replaced or {})
        self._dropped = _HOP_BY_HOP | _OF_PROXIES | frozenset(fields)
        self._set = b"".join([b"%b: %b\r\n" % pair for pair in fields.items() if pair[1]])
        self._lines: dict[RequestLine, bytes] = {}
        self._fields: dict[tuple[bytes, bytes], bytes] = {}

    def judge(self, line: RequestLine) -> None:
        """Raise RequestRejected (400) for a path that a backend could read differently than the rules here did."""
        if line not in self._lines:
            self._write_line(line)

    def write(self, worker_request: WorkerRequest, own_host: bytes, *, is_handshake: bool = False) -> bytes:
        """Request line and fields for a backend called `own_host`; without those of the body, and the empty line."""
        head = worker_request.head
        line = self._lines.get(head.line) or self._write_line(head.line)
        key = (head.block, own_host)
        fields = None if is_handshake else self._fields.get(key)
        if fields is None:
            fields = self._write_fields(head, own_host, is_handshake=is_handshake)
            # An empty block says nothing: other heads have one, too.
            if head.block and not is_handshake:
                if len(self._fields) >= _REMEMBERED:
                    self._fields.clear()
                self._fields[key] = fields
        if self._writes_x_forwarded:
            fields += _x_forwarded(worker_request)
        if self._writes_forwarded:
            fields += _forwarded(worker_request)
        return line + fields

    def _write_line(self, line: RequestLine) -> bytes:
        target = self._path_of(line) + (b"?" + line.query if line.query or line.target.endswith(b"?") else b"")
        written = b"%b %b HTTP/1.1\r\n" % (line.method.encode("ascii"), target)
        if len(self._lines) >= _REMEMBERED:
            self._lines.clear()
        self._lines[line] = written
        return written

    def _path_of(self, line: RequestLine) -> bytes:
        raw = line.raw_path
        if line.path == "*":
            return raw
        decoded = unquote_to_bytes(raw) if b"%" in raw else raw
        if b".." in decoded or b"/.;" in decoded:
            _check_dots(decoded)
        if b"/." in decoded and (any(dots in decoded for dots in _DOTS) or decoded.endswith((b"/.", b"/.."))):
            # The path that the rules were looked up for, and no other spelling of it (bad-input rows 82, 83).
            raw = quote(line.path, safe=_PATH_SAFE).encode("ascii")
        if not self._strips:
            return raw
        at = self._at.encode()
        if raw.startswith(at) and raw[len(at) : len(at) + 1] in (b"", b"/"):
            return raw[len(at) :] or b"/"
        return quote(line.path[len(self._at) :], safe=_PATH_SAFE).encode("ascii") or b"/"

    def _write_fields(self, head: RequestHead, own_host: bytes, *, is_handshake: bool) -> bytes:
        dropped = self._dropped | _named_by_connection(head.headers)
        if is_handshake:
            dropped |= _OF_HANDSHAKES
        host = own_host if self._is_own_host or not head.authority else head.authority
        parts = [b"host: %b\r\n" % host]
        # Where "_" and "-" become one, as in CGI and WSGI, a twin would stand for the real field (bad-input row 19).
        parts += [
            b"%b: %b\r\n" % pair
            for pair in head.headers
            if pair[0] not in dropped and not (b"_" in pair[0] and pair[0].replace(b"_", b"-") in dropped)
        ]
        parts.append(self._set)
        return b"".join(parts)


def _check_dots(path: bytes) -> None:
    if any(dots in path for dots in _HIDDEN_DOTS):
        raise RequestRejected(
            400, "the path has dots that servers read in different ways", rule="RFC 3986 section 5.2.4"
        )


def _named_by_connection(headers: Sequence[tuple[bytes, bytes]]) -> frozenset[bytes]:
    named = [value.lower() for name, value in headers if name == b"connection"]
    return frozenset([option.strip(b" \t") for value in named for option in value.split(b",")])


def _client_of(worker_request: WorkerRequest) -> bytes:
    """The address of the client, b"" where it is not known."""
    client = worker_request.client
    if client is None:
        return b""
    address = client[0].encode("ascii", "ignore")
    return b"" if address.translate(None, FIELD_VALUE) else address


def _x_forwarded(worker_request: WorkerRequest) -> bytes:
    client = _client_of(worker_request)
    authority = worker_request.head.authority
    text = b"x-forwarded-proto: %b\r\n" % worker_request.scheme.encode("ascii")
    if client:
        text += b"x-forwarded-for: %b\r\n" % client
    return text + b"x-forwarded-host: %b\r\n" % authority if authority else text


def _forwarded(worker_request: WorkerRequest) -> bytes:
    # RFC 7239 section 6: IPv6 stands in brackets and quotes; section 6.3: "unknown" is a client without an address.
    client = _client_of(worker_request) or b"unknown"
    node = b'"[%b]"' % client if b":" in client else client
    text = b"forwarded: for=%b;proto=%b" % (node, worker_request.scheme.encode("ascii"))
    authority = worker_request.head.authority
    return text + (b';host="%b"\r\n' % authority if authority else b"\r\n")
