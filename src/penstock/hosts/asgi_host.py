"""AsgiHost: Penstock as the guest of an ASGI server, which hands over requests and WebSockets by `scope`, `receive` and `send`."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final
from urllib.parse import quote

from penstock.errors import RequestRejected
from penstock.hosts.foreign_refusals import judge_size, reason_of, refusal_of
from penstock.http.foreign_head import foreign_handshake, foreign_head, foreign_line
from penstock.http.head import HeadLimits
from penstock.http.messages import PLAIN, RequestHead, RequestLine
from penstock.intake.asgi_receiving import Receive
from penstock.intake.asgi_request import AsgiRequest, Send
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import Capability

Scope = MutableMapping[str, Any]
# What a line is made of: method, path, query, version, and the place where the server has put the site.
_Key = tuple[str, bytes, bytes, str, str]

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
        self._lines: dict[_Key, RequestLine] = {}

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
        self._runtime.reject(None, error.status, reason=reason_of(error), client=request.client)
        await _answer(error, request)

    # -- the head ----------------------------------------------------------------------------------------------------------

    def _read_head(self, scope: Scope, is_socket: bool) -> RequestHead:
        headers = [(name.lower(), value.strip(b" \t")) for name, value in scope["headers"]]
        method = "GET" if is_socket else scope["method"]
        version = scope.get("http_version", "1.1")
        raw_path = scope.get("raw_path") or quote(scope["path"], safe=_PATH_SAFE).encode("ascii")
        query = scope.get("query_string", b"")
        judge_size(self._limits, len(raw_path) + len(query), headers)
        line = self._find_line((method, raw_path, query, version, scope.get("root_path", "")), scope, headers)
        if is_socket:
            return foreign_handshake(line, headers, subprotocols=scope.get("subprotocols") or ())
        return foreign_head(line, headers, may_have_body=line.version[:1] != "1" and method not in _WITHOUT_BODY)

    def _find_line(self, key: _Key, scope: Scope, headers: list[tuple[bytes, bytes]]) -> RequestLine:
        line = self._lines.get(key)
        if line is not None:
            return line
        line = _read_line(key, scope, headers)
        if key[1][:1] == b"/":  # a whole URL means something only together with Host
            if len(self._lines) >= _REMEMBERED:
                self._lines.clear()
            self._lines[key] = line
        return line


async def refuse_request(error: RequestRejected, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with `error` what no runtime can take in."""
    if scope["type"] != "websocket" or (await receive())["type"] == "websocket.connect":
        await _answer(error, AsgiRequest(scope, receive, send, head=_UNREAD))


async def _answer(error: RequestRejected, request: AsgiRequest) -> None:
    head, body = refusal_of(error)
    request.send(head, body, False)
    await request.finish()


def _read_line(key: _Key, scope: Scope, headers: list[tuple[bytes, bytes]]) -> RequestLine:
    method, raw_path, query, version, root_path = key
    scheme = scope.get("scheme", "http").replace("ws", "http")
    authority = next((value for name, value in headers if name == b"host"), b"")
    whole = foreign_line(method, raw_path, query, version=version, scheme=scheme, authority=authority)
    inner = _without_root(raw_path, root_path)
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
