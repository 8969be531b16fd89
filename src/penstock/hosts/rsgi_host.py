"""RsgiHost: Penstock as the guest of an RSGI server, which hands over requests and WebSockets as `scope` and `protocol`."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from penstock.errors import RequestRejected
from penstock.hosts.foreign_refusals import judge_size, reason_of, refusal_of
from penstock.hosts.foreign_requests import Believe, encode_path, remember_line
from penstock.hosts.rsgi_fields import address_of, fields_for_server, fields_from_server
from penstock.hosts.rsgi_request import RsgiRequest
from penstock.hosts.rsgi_socket import RsgiMessages, RsgiSocketRequest
from penstock.http.foreign_head import foreign_handshake, foreign_head, foreign_line
from penstock.http.grammar import PATH
from penstock.http.head import HeadLimits
from penstock.http.messages import RequestHead, RequestLine
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import Capability

# What every RSGI server can do for us. Its WebSockets have neither sub-protocols nor fields of their own in the answer.
CAPABILITIES: Final = Capability.SEND_FILE | Capability.UPGRADE | Capability.BARE_UPGRADE

_REMEMBERED_HEADS: Final = 256
_MOST_FIELDS: Final = 30
_MOST_BYTES: Final = 2048
_PLAIN: Final = PATH.replace(b"%", b"")
_WITHOUT_BODY: Final = ("GET", "HEAD")


class RsgiHost:
    """Takes what one RSGI server hands over on one loop into `runtime`."""

    __slots__ = ("_believe", "_heads", "_limits", "_lines", "_runtime", "loop")

    def __init__(self, runtime: Runtime, limits: HeadLimits, believe: Believe | None = None) -> None:
        """`limits` are those of heads; the server has its own, and the narrower ones hold. `believe` is asked about proxies."""
        self._runtime = runtime
        self.loop: asyncio.AbstractEventLoop = runtime.loop
        self._limits = limits
        self._believe = believe
        self._lines: dict[tuple[str, str, str, str], RequestLine] = {}
        self._heads: dict[tuple[tuple[str, str], ...], RequestHead] = {}

    async def handle(self, scope: Any, protocol: Any) -> None:
        """Serve one request or WebSocket to its end.

        Raises ClientGone when the answer was cut off and the client is there: the server ends the connection then.
        """
        if scope.proto != "http":
            await self._handle_socket(scope, protocol)
            return
        try:
            head = self.head_of(scope)
            request = RsgiRequest(scope, protocol, head=head, loop=self.loop)
            if head.framing.is_forwarded and self._believe is not None:
                self._believe(request)
        except RequestRejected as error:
            self._refuse(error, scope, protocol)
            return
        request.started = self.loop.time()
        self._runtime.process(request)
        if not request.is_over:
            await request.finish()

    async def _handle_socket(self, scope: Any, protocol: Any) -> None:
        try:
            head = self.head_of(scope)
            request = RsgiSocketRequest(RsgiMessages(scope, protocol), head)
            if head.framing.is_forwarded and self._believe is not None:
                self._believe(request)
        except RequestRejected as error:
            self._tell(error, scope)
            protocol.close(error.status)
            return
        request.started = self.loop.time()
        self._runtime.process(request)
        await request.finish()

    def head_of(self, scope: Any) -> RequestHead:
        """The head of a request, judged as those that come to our own sockets. Raises RequestRejected."""
        version: str = scope.http_version
        line = self._find_line(scope.method, scope.path, scope.query_string, "1.0" if version == "1" else version)
        if version != "1.1" or scope.proto != "http" or scope.authority:
            return self._read_head(scope, line)
        # Clients repeat themselves: fields that were judged once are so again, up to a bound.
        items = tuple(scope.headers.items())
        known = self._heads.get(items)
        if known is not None and len(line.target) <= self._limits.request_line:
            return RequestHead(line, known.headers, known.authority, known.host, known.framing)
        head = self._judge(line, fields_from_server(items))
        self._remember(items, head)
        # What is remembered stays as it came: a trusted proxy may change the head of this request.
        return RequestHead(line, head.headers, head.authority, head.host, head.framing)

    def _read_head(self, scope: Any, line: RequestLine) -> RequestHead:
        headers = fields_from_server(scope.headers.items())
        version = line.version
        authority = scope.authority if version != "1.0" else None
        if authority:
            headers = _with_authority(headers, authority.encode("latin-1", "replace"), version)
        if scope.proto != "ws":
            return self._judge(line, headers)
        judge_size(self._limits, len(line.target), headers)
        return foreign_handshake(line, headers)

    def _judge(self, line: RequestLine, headers: list[tuple[bytes, bytes]]) -> RequestHead:
        judge_size(self._limits, len(line.target), headers)
        return foreign_head(line, headers, may_have_body=line.version[:1] != "1" and line.method not in _WITHOUT_BODY)

    def _remember(self, items: tuple[tuple[str, str], ...], head: RequestHead) -> None:
        if len(items) > _MOST_FIELDS or sum([len(value) for _, value in items]) > _MOST_BYTES:
            return
        if len(self._heads) >= _REMEMBERED_HEADS:
            self._heads.clear()
        self._heads[items] = head

    def _find_line(self, method: str, path: str, query: str, version: str) -> RequestLine:
        key = (method, path, query, version)
        line = self._lines.get(key)
        if line is None:
            line = _read_line(method, path, query, version)
            remember_line(self._lines, key, line)
        return line

    def _tell(self, error: RequestRejected, scope: Any) -> None:
        self._runtime.reject(None, error.status, reason=reason_of(error), client=address_of(scope.client))

    def _refuse(self, error: RequestRejected, scope: Any, protocol: Any) -> None:
        self._tell(error, scope)
        refuse_request(error, protocol, version=scope.http_version)


def refuse_request(error: RequestRejected, protocol: Any, *, version: str) -> None:
    """Answer with `error` what no runtime can take in."""
    head, body = refusal_of(error)
    fields = fields_for_server(head.raw_headers)
    if version[:1] == "1":
        fields.append(("connection", "close"))
    protocol.response_bytes(head.status_code, fields, body)


def _read_line(method: str, path: str, query: str, version: str) -> RequestLine:
    raw_path = path.encode("utf-8", "surrogatepass")
    if "\ufffd" in path:
        # The server has put this in place of what was no UTF-8; what it was, nobody knows any more.
        raise RequestRejected(400, "the path is not UTF-8 once decoded", rule="RFC 3986 section 2.5")
    if raw_path.translate(None, _PLAIN):
        raw_path = encode_path(path)
    return foreign_line(method, raw_path, query.encode("latin-1", "replace"), version=version)


def _with_authority(headers: list[tuple[bytes, bytes]], authority: bytes, version: str) -> list[tuple[bytes, bytes]]:
    """The authority of HTTP/2, or of a whole URL, in place of Host, which may not say otherwise (bad-input rows 29, 81)."""
    hosts = [value for name, value in headers if name == b"host"]
    if not hosts:
        # RFC 9112 section 3.2: over HTTP/1.1 a whole URL comes with Host, too.
        return headers if version == "1.1" else [(b"host", authority), *headers]
    if any(host.lower() != authority.lower() for host in hosts):
        raise RequestRejected(400, "the target names another host than Host does", rule="RFC 9112 section 3.2.2")
    return headers
