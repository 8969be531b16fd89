"""AsgiHost: Penstock as the guest of an ASGI server, which hands over requests and WebSockets by `scope`, `receive` and `send`."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from penstock.errors import RequestRejected
from penstock.hosts.foreign_refusals import judge_size, reason_of, refusal_of
from penstock.hosts.foreign_requests import Believe, encode_path, remember_line
from penstock.http.foreign_head import foreign_handshake, foreign_head, foreign_line
from penstock.http.head import HeadLimits
from penstock.http.messages import PLAIN, RequestHead, RequestLine
from penstock.intake.asgi_receiving import Receive
from penstock.intake.asgi_request import HOP_BY_HOP, AsgiRequest, Send
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import Capability

Scope = MutableMapping[str, Any]
# What a line is made of: method, path as it was sent, query, version, path, and the place where the server has put the site.
_Key = tuple[str, bytes, bytes, str, str, str]

# What every ASGI server can do for us. What else one can is in the extensions of each scope.
CAPABILITIES: Final = Capability.SEND_FILE | Capability.UPGRADE

# uvicorn and hypercorn write these whether they are there or not: an application's, or a backend's, would be second ones.
_OF_THE_SERVER: Final = HOP_BY_HOP | {b"date", b"server"}
# What stands for bytes that are no UTF-8.
_UNREADABLE: Final = "\ufffd"
_WITHOUT_BODY: Final = ("GET", "HEAD")
# Stands for a request that is refused before anybody could read it.
_UNREAD: Final = RequestHead(RequestLine("GET", b"/", b"/", "/", query=b"", version="1.1"), [], b"", "", PLAIN)


class AsgiHost:
    """Takes what one ASGI server hands over on one loop into `runtime`."""

    __slots__ = ("_believe", "_limits", "_lines", "_runtime")

    def __init__(self, runtime: Runtime, limits: HeadLimits, believe: Believe | None = None) -> None:
        """`limits` are those of heads; the server has its own, and the narrower ones hold. `believe` is asked about proxies."""
        self._runtime = runtime
        self._limits = limits
        self._believe = believe
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
            head = self._read_head(scope, is_socket)
            request = AsgiRequest(scope, receive, send, head=head, dropped=_OF_THE_SERVER)
            if head.framing.is_forwarded and self._believe is not None:
                self._believe(request)
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
        path: str = scope["path"]
        raw_path = scope.get("raw_path") or encode_path(path)
        query = scope.get("query_string") or b""
        judge_size(self._limits, len(raw_path) + len(query), headers)
        line = self._find_line((method, raw_path, query, version, path, scope.get("root_path") or ""), scope, headers)
        if is_socket:
            return foreign_handshake(line, headers, subprotocols=scope.get("subprotocols") or ())
        return foreign_head(line, headers, may_have_body=line.version[:1] != "1" and method not in _WITHOUT_BODY)

    def _find_line(self, key: _Key, scope: Scope, headers: list[tuple[bytes, bytes]]) -> RequestLine:
        line = self._lines.get(key)
        if line is not None:
            return line
        line = _read_line(key, scope, headers)
        if key[1][:1] == b"/":  # a whole URL means something only together with Host
            remember_line(self._lines, key, line)
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
    method, raw_path, query, version, path, root_path = key
    root = root_path.rstrip("/")
    raw_path = _path_that_counts(raw_path, path, root)
    scheme = scope.get("scheme", "http").replace("ws", "http")
    authority = next((value for name, value in headers if name == b"host"), b"")
    whole = foreign_line(method, raw_path, query, version=version, scheme=scheme, authority=authority)
    inner = _without_root(raw_path, root)
    if inner is raw_path:
        return whole
    line = foreign_line(method, inner, query, version=version)
    return RequestLine(method, whole.target, line.raw_path, line.path, query=query, version=version)


def _path_that_counts(raw_path: bytes, path: str, root: str) -> bytes:
    """`raw_path` where it means what `path` says, else `path`: middleware in front, which leads elsewhere, changes that alone."""
    if raw_path[:1] != b"/":
        return raw_path
    sent = unquote_to_bytes(raw_path).decode("utf-8", "replace")
    if sent == path or (root and sent == root + path) or (_UNREADABLE in sent and _UNREADABLE in path):
        return raw_path
    return encode_path(path)


def _without_root(raw_path: bytes, root: str) -> bytes:
    """The path below the place where the server has put the site; `raw_path` itself where it has not said so.

    Servers differ: some put `root_path` in front of the path, others leave both as they are.
    """
    if not root:
        return raw_path
    depth = root.count("/")
    segments = raw_path.split(b"/", depth + 1)
    if unquote_to_bytes(b"/".join(segments[: depth + 1])) != root.encode("utf-8", "replace"):
        return raw_path
    return b"/" + segments[depth + 1] if len(segments) > depth + 1 else b"/"
