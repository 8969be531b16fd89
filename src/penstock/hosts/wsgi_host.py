"""WsgiHost: Penstock as the guest of a WSGI server: each request is handed to the one loop, and its answer comes back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from penstock.errors import RequestRejected
from penstock.hosts.foreign_refusals import judge_size, reason_of, refusal_of
from penstock.hosts.foreign_requests import Believe, encode_path, remember_line
from penstock.hosts.wsgi_handover import Environ, Handover, StartResponse
from penstock.hosts.wsgi_request import WsgiRequest
from penstock.http.foreign_head import foreign_head, foreign_line
from penstock.http.head import HeadLimits
from penstock.http.messages import RequestHead, RequestLine
from penstock.http.status import REASONS
from penstock.http.targets import read_absolute_target
from penstock.intake.runtime import Runtime
from penstock.intake.worker_request import Address, Capability

# What every WSGI server can do for us.
CAPABILITIES: Final = Capability.SEND_FILE

_REMEMBERED: Final = 1024
# The target as it was sent, where the server tells.
_RAW: Final = ("RAW_URI", "REQUEST_URI")
_ORIGIN_FORM: Final = ("", "/", "*")
_CONTENT: Final = {"CONTENT_TYPE": b"content-type", "CONTENT_LENGTH": b"content-length"}
_NAMES: Final[dict[str, bytes]] = {}
_NOT_FIELDS: Final = ("HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH")
_TERMINATED: Final = "wsgi.input_terminated"


class WsgiHost:
    """Takes what the threads of one WSGI server hand over into `runtime`, which lives on a loop in a thread of its own."""

    __slots__ = ("_believe", "_limits", "_lines", "_loop", "_runtime")

    def __init__(self, runtime: Runtime, limits: HeadLimits, believe: Believe | None = None) -> None:
        """`limits` are those of heads; the server has its own, and the narrower ones hold. `believe` is asked about proxies."""
        self._runtime = runtime
        self._loop = runtime.loop
        self._limits = limits
        self._believe = believe
        self._lines: dict[tuple[str, str, str, str, str, str], RequestLine] = {}

    def handle(self, environ: Environ, start_response: StartResponse) -> Sequence[bytes] | Any:
        """Serve one request: waits for the head of its answer, and returns what the server is to iterate (PEP 3333)."""
        client = _address(environ.get("REMOTE_ADDR"), environ.get("REMOTE_PORT"))
        try:
            request = self._read(environ, client)
        except RequestRejected as error:
            self._loop.call_soon_threadsafe(self._tell, error, client)
            return refuse_request(error, start_response)
        handover = Handover(request, environ, start_response, self._loop)
        request.handover = handover
        self._loop.call_soon_threadsafe(self._take_in, request)
        return handover.begin()

    def _take_in(self, request: WsgiRequest) -> None:
        request.started = self._loop.time()
        self._runtime.process(request)

    def _tell(self, error: RequestRejected, client: Address | None) -> None:
        self._runtime.reject(None, error.status, reason=reason_of(error), client=client)

    def _read(self, environ: Environ, client: Address | None) -> WsgiRequest:
        head = self._read_head(environ)
        request = WsgiRequest(
            head,
            scheme=environ["wsgi.url_scheme"],
            client=client,
            server=_address(environ.get("SERVER_NAME"), environ.get("SERVER_PORT")),
            loop=self._loop,
        )
        if head.framing.is_forwarded and self._believe is not None:
            self._believe(request)
        return request

    # -- the head ----------------------------------------------------------------------------------------------------------

    def _read_head(self, environ: Environ) -> RequestHead:
        headers = _fields_of(environ)
        line = self._find_line(environ)
        judge_size(self._limits, len(line.target), headers)
        is_terminated = bool(environ.get(_TERMINATED))
        head = foreign_head(line, headers, may_have_body=is_terminated and line.version[:1] not in ("0", "1"))
        if head.framing.content_length < 0 and not is_terminated:
            raise RequestRejected(
                411, "this server passes on only bodies with a Content-Length", rule="RFC 9110 section 15.5.12"
            )
        return head

    def _find_line(self, environ: Environ) -> RequestLine:
        raw = environ.get(_RAW[0]) or environ.get(_RAW[1]) or ""
        if raw[:1] not in _ORIGIN_FORM:
            # A whole URL, as it is sent to proxies: it may name no other host than Host does (bad-input rows 29, 81).
            read_absolute_target(_bytes_of(raw), environ["wsgi.url_scheme"], _bytes_of(environ.get("HTTP_HOST", "")))
        key = (
            environ["REQUEST_METHOD"],
            environ.get("SCRIPT_NAME", ""),
            environ.get("PATH_INFO", ""),
            environ.get("QUERY_STRING", ""),
            raw,
            environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
        )
        line = self._lines.get(key)
        if line is None:
            line = _read_line(*key)
            remember_line(self._lines, key, line)
        return line


def refuse_request(error: RequestRejected, start_response: StartResponse) -> list[bytes]:
    """Answer with `error` what no runtime can take in."""
    head, body = refusal_of(error)
    fields = [(name.decode(), value.decode()) for name, value in head.raw_headers if name != b"connection"]
    start_response(f"{head.status_code} {REASONS[head.status_code]}", fields)
    return [body]


def _read_line(method: str, script: str, path: str, query: str, raw: str, protocol: str) -> RequestLine:  # noqa: PLR0917 (a key)
    version = protocol.rpartition("/")[2]
    if path == "*" and not script:
        return foreign_line(method, b"*", b"", version=version)
    raw_query = _bytes_of(query)
    inner = encode_path(_bytes_of(path)) or b"/"
    outer = encode_path(_bytes_of(script))
    sent = _bytes_of(raw).partition(b"?")[0]
    # Middleware may have led elsewhere, and some servers tidy paths up: what was sent counts only where it means the same.
    if sent[:1] == b"/" and unquote_to_bytes(sent) == _bytes_of(script) + _bytes_of(path):
        inner = (sent[len(outer) :] if sent.startswith(outer) else inner) or b"/"
    line = foreign_line(method, inner, raw_query, version=version)
    if not outer:
        return line
    return RequestLine(method, outer + line.target, line.raw_path, line.path, query=line.query, version=version)


def _bytes_of(text: str) -> bytes:
    """The bytes that PEP 3333 has in text."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        raise RequestRejected(400, "the environ holds what is no byte", rule="PEP 3333") from None


def _fields_of(environ: Environ) -> list[tuple[bytes, bytes]]:
    fields = []
    for key, value in environ.items():
        if key[:5] == "HTTP_":
            name = _NAMES.get(key)
            if name is None:
                name = _learn_name(key)
            if name:
                fields.append((name, _bytes_of(value).strip(b" \t")))
        elif key in _CONTENT and value:
            fields.append((_CONTENT[key], _bytes_of(value).strip(b" \t")))
    return fields


def _learn_name(key: str) -> bytes:
    """The name of a field, as far as it can be told; b"" for what the server says elsewhere."""
    if key in _NOT_FIELDS:
        return b""
    name = key[5:].replace("_", "-").lower().encode("latin-1", "replace")
    if len(_NAMES) >= _REMEMBERED:
        _NAMES.clear()
    _NAMES[key] = name
    return name


def _address(host: str | None, port: str | None) -> Address | None:
    if not host:
        return None
    return (host, int(port) if port and str(port).isdigit() else None)
