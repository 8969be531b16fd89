"""AsgiHost: Penstock as the guest of an ASGI server, which hands over requests and WebSockets by `scope`, `receive` and `send`."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final
from urllib.parse import quote

from penstock.errors import RequestRejected
from penstock.http.foreign_head import foreign_handshake, foreign_head, foreign_line
from penstock.http.head import HeadLimits
from penstock.http.messages import PLAIN, RequestHead, RequestLine, ResponseHead
from penstock.http.status import REASONS
from penstock.intake.asgi_receiving import Receive
from penstock.intake.asgi_request import AsgiRequest, Send
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import Capability

Scope = MutableMapping[str, Any]

# What every ASGI server can do for us. What else one can is in the extensions of each scope.
CAPABILITIES: Final = Capability.SEND_FILE | Capability.UPGRADE

_REMEMBERED: Final = 1024
# RFC 3986 section 3.3: pchar, and the slash between segments.
_PATH_SAFE: Final = "/:@!$&'()*+,;=~"
_WITHOUT_BODY: Final = ("GET", "HEAD")
# Stands for a request that is refused before anybody could read it.
_UNREAD: Final = RequestHead(RequestLine("GET", b"/", b"/", "/", query=b"", version="1.1"), [], b"", "", PLAIN)


class AsgiHost:
    """Takes what one ASGI server hands over on one loop into `runtime`."""

    __slots__ = ("_limits", "_lines", "_runtime")

    def __init__(self, runtime: Runtime, limits: HeadLimits) -> None:
        """`limits` are those of heads; the server has its own, and the narrower ones hold."""
        self._runtime = runtime
        self._limits = limits
        # Lines come again and again: what they say, and what they lead to, is remembered up to a bound (pipeline H-02).
        self._lines: dict[tuple[str, bytes, bytes, str], RequestLine] = {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or WebSocket to its end.

        Raises ClientGone when the answer was cut off and the client is there: the server ends the connection then.
        """
        is_socket = scope["type"] == "websocket"
        if is_socket and (await receive())["type"] != "websocket.connect":
            return
        runtime = self._runtime
        try:
            request = AsgiRequest(scope, receive, send, head=self._read_head(scope, is_socket))
        except RequestRejected as error:
            await self._refuse(error, AsgiRequest(scope, receive, send, head=_UNREAD))
            return
        request.started = runtime.loop.time()
        runtime.process(request)
        await request.finish()

    async def _refuse(self, error: RequestRejected, request: AsgiRequest) -> None:
        reason = f"{error.detail} ({error.rule})" if error.rule else error.detail
        self._runtime.reject(None, error.status, reason=ascii(reason)[1:-1], client=request.client)
        await _answer(error, request)

    # -- the head ----------------------------------------------------------------------------------------------------------

    def _read_head(self, scope: Scope, is_socket: bool) -> RequestHead:
        headers = [(name.lower(), value.strip(b" \t")) for name, value in scope["headers"]]
        method = "GET" if is_socket else scope["method"]
        version = scope.get("http_version", "1.1")
        raw_path = scope.get("raw_path") or quote(scope["path"], safe=_PATH_SAFE).encode("ascii")
        query = scope.get("query_string", b"")
        self._judge_size(len(raw_path) + len(query), headers)
        line = self._find_line(scope, method, raw_path, query, version, headers)
        if is_socket:
            return foreign_handshake(line, headers, subprotocols=scope.get("subprotocols") or ())
        return foreign_head(line, headers, may_have_body=line.version[:1] != "1" and method not in _WITHOUT_BODY)

    def _judge_size(self, target: int, headers: list[tuple[bytes, bytes]]) -> None:
        limits = self._limits
        if target > limits.request_line:
            raise RequestRejected(
                414, f"the request line is longer than {limits.request_line} bytes", rule="RFC 9112 section 3"
            )
        if len(headers) > limits.headers:
            raise RequestRejected(431, f"more than {limits.headers} header fields", rule="RFC 6585 section 5")
        if sum([len(name) + len(value) + 4 for name, value in headers]) > limits.header_section:
            raise RequestRejected(
                431, f"the headers are larger than {limits.header_section} bytes", rule="RFC 6585 section 5"
            )

    def _find_line(  # noqa: PLR0917 (used once)
        self,
        scope: Scope,
        method: str,
        raw_path: bytes,
        query: bytes,
        version: str,
        headers: list[tuple[bytes, bytes]],
    ) -> RequestLine:
        key = (method, raw_path, query, version)
        line = self._lines.get(key)
        if line is not None:
            return line
        line = _read_line(scope, key, headers)
        if raw_path[:1] == b"/":  # a whole URL means something only together with Host
            if len(self._lines) >= _REMEMBERED:
                self._lines.clear()
            self._lines[key] = line
        return line


async def refuse_request(error: RequestRejected, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with `error` what no runtime can take in."""
    if scope["type"] != "websocket" or (await receive())["type"] == "websocket.connect":
        await _answer(error, AsgiRequest(scope, receive, send, head=_UNREAD))


async def _answer(error: RequestRejected, request: AsgiRequest) -> None:
    body = b"%d %b: %b\n" % (error.status, REASONS[error.status].encode("ascii"), error.detail.encode("utf-8"))
    fields = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        *error.headers,
        (b"connection", b"close"),
    ]
    request.send(ResponseHead(error.status, fields), body, False)
    await request.finish()


def _read_line(scope: Scope, key: tuple[str, bytes, bytes, str], headers: list[tuple[bytes, bytes]]) -> RequestLine:
    method, raw_path, query, version = key
    scheme = scope.get("scheme", "http").replace("ws", "http")
    authority = next((value for name, value in headers if name == b"host"), b"")
    whole = foreign_line(method, raw_path, query, version=version, scheme=scheme, authority=authority)
    inner = _without_root(raw_path, scope.get("root_path", ""))
    if inner is raw_path:
        return whole
    line = foreign_line(method, inner, query, version=version)
    return RequestLine(method, whole.target, line.raw_path, line.path, query=query, version=version)


def _without_root(raw_path: bytes, root_path: str) -> bytes:
    """The path below the place where the server has put the site; `raw_path` itself where it has not said so.

    Servers differ: some put `root_path` in front of the path, others leave both as they are.
    """
    root = root_path.rstrip("/")
    if not root:
        return raw_path
    prefix = quote(root, safe=_PATH_SAFE).encode("ascii")
    if raw_path == prefix:
        return b"/"
    return raw_path[len(prefix) :] if raw_path.startswith(prefix + b"/") else raw_path
