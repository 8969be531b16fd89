"""The strict judge of request heads: llhttp splits the bytes, this page decides whether they are a request.

Rule for editors: a head is fed to llhttp alone, never with a byte of what follows. So the parser's state cannot run ahead
of ours, one parser serves every connection of a loop, and the raw request line, of which llhttp hides some faults, is at hand.
"""

from __future__ import annotations

from typing import Final, Protocol

from httptools import HttpParserError, HttpParserInvalidMethodError, HttpParserUpgrade, HttpRequestParser

from penstock.errors import RequestRejected
from penstock.http.grammar import is_host, is_token
from penstock.http.judged_fields import JUDGED, collect, judge_framing
from penstock.http.messages import PLAIN, RequestHead, RequestLine
from penstock.http.targets import read_absolute_target, read_target


class HeadLimits(Protocol):
    """How large a head may be: bytes of the request line, bytes of the header section, number of headers."""

    @property
    def request_line(self) -> int: ...
    @property
    def header_section(self) -> int: ...
    @property
    def headers(self) -> int: ...


# A longer head is not kept for comparison: connections are many.
_BLOCK: Final = 2048
_REMEMBERED: Final = 1024
_VERSIONS: Final = {b"HTTP/1.1": "1.1", b"HTTP/1.0": "1.0"}


class HeadReader:
    """Reads one head after another. Feed it pieces of a head and nothing beyond it, then take the head."""

    __slots__ = ("_headers", "_hosts", "_judged", "_limits", "_lines", "_names", "_parser")

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        # Request lines, Hosts and names come again and again: what they say is remembered, up to a bound (pipeline H-02).
        self._names: dict[bytes, bytes] = {}
        self._lines: dict[bytes, RequestLine] = {}
        self._hosts: dict[bytes, str] = {}
        self._headers: list[tuple[bytes, bytes]] = []
        self._judged: list[tuple[bytes, bytes]] = []
        self._parser = HttpRequestParser(self)

    def on_header(self, name: bytes, value: bytes) -> None:
        """llhttp: one field."""
        known = self._names.get(name)
        if known is None:
            known = self._learn_name(name)
        pair = (known, value)
        self._headers.append(pair)
        if known in JUDGED:
            self._judged.append(pair)

    def read(self, raw: bytes, scheme: str, last: RequestHead | None = None) -> RequestHead:
        """The head whose bytes are `raw`, to the empty line, on a connection that speaks `scheme` ("http", "https").

        `last` is the head before it on the same connection. A client says the same again and again: where all but the
        request line is byte for byte what it was, so is what it means. Raises RequestRejected: 400, 414, 417, 431, 501 or
        505, with the rule that is broken.
        """
        end = raw.find(b"\r\n")
        line = self._lines.get(raw[:end])
        if (
            last is not None
            and line is not None
            and raw.endswith(last.block)
            and len(raw) == end + len(last.block)
            and line.is_1_0 == last.line.is_1_0
        ):
            return RequestHead(line, last.headers, last.authority, last.host, last.framing, block=last.block)
        try:
            self._parser.feed_data(raw)
        except Exception as error:
            self._judge_parser_error(error)
        return self.take(raw, scheme)

    def feed(self, piece: bytes) -> None:
        """Take a piece of a head. Raises RequestRejected (400) at the first byte that cannot belong to one."""
        try:
            self._parser.feed_data(piece)
        except Exception as error:
            self._judge_parser_error(error)

    def _judge_parser_error(self, error: Exception) -> None:
        if isinstance(error, HttpParserUpgrade):
            return
        self.reset()
        if isinstance(error, HttpParserInvalidMethodError):
            raise RequestRejected(400, "the method is not known to HTTP", rule="RFC 9110 section 9.1") from None
        if isinstance(error, HttpParserError):
            raise RequestRejected(400, f"malformed head: {error}", rule="RFC 9112 section 2.2") from None
        raise error

    def reset(self) -> None:
        """Forget what was fed; the next byte begins a new head."""
        self._headers = []
        self._judged = []
        self._parser = HttpRequestParser(self)

    def take(self, raw: bytes, scheme: str) -> RequestHead:
        """The head that was fed in pieces, whose bytes together are `raw`; else as `read`."""
        headers = self._headers
        judged = self._judged
        self._headers = []
        self._judged = []
        try:
            head = self._judge(raw, headers, judged, scheme)
        except RequestRejected:
            self.reset()
            raise
        if head.framing is not PLAIN:
            self._parser = HttpRequestParser(self)  # llhttp may now wait for a body, for the end, or for frames
        return head

    def _judge(
        self, raw: bytes, headers: list[tuple[bytes, bytes]], judged: list[tuple[bytes, bytes]], scheme: str
    ) -> RequestHead:
        limits = self._limits
        if len(raw) > limits.request_line:
            judge_size(raw, limits)
        if len(headers) > limits.headers:
            raise RequestRejected(431, f"more than {limits.headers} header fields", rule="RFC 6585 section 5")
        if b"\t" in raw or b" \r" in raw:
            # RFC 9112 section 5.1: white space behind a value is not part of it. llhttp leaves it.
            headers = [(name, value.rstrip(b" \t")) for name, value in headers]
            judged = [(name, value.rstrip(b" \t")) for name, value in judged]
        fields = collect(judged)
        authority = fields.get(b"host", b"")
        text = raw[: raw.find(b"\r\n")]
        line = self._lines.get(text)
        if line is None:
            line = self._read_line(text, scheme, authority)
        framing = judge_framing(fields, line.is_1_0)
        host = self._hosts.get(authority)
        if host is None:
            host = self._read_host(authority)
        block = b"" if framing.is_forwarded or len(raw) > _BLOCK else raw[len(text) :]
        return RequestHead(line, headers, authority, host, framing, block=block)

    def _learn_name(self, name: bytes) -> bytes:
        if len(self._names) >= _REMEMBERED:
            self._names.clear()
        known = self._names[name] = name.lower()
        return known

    def _read_line(self, text: bytes, scheme: str, authority: bytes) -> RequestLine:
        # llhttp lets several spaces, RTSP and HTTP/0.9 pass (bad-input rows 27, 28), so the line is taken apart again.
        parts = text.split(b" ")
        if len(parts) != 3 or parts[2] not in _VERSIONS or not is_token(parts[0]):
            raise _bad_request_line(parts)
        method, target, version = parts[0].decode("ascii"), parts[1], _VERSIONS[parts[2]]
        if method == "CONNECT":
            raise RequestRejected(501, "CONNECT is for proxies, and this is none", rule="RFC 9110 section 9.3.6")
        if target[:1] != b"/" and target != b"*":
            origin = read_target(method, read_absolute_target(target, scheme, authority), version)
            return RequestLine(method, target, origin.raw_path, origin.path, query=origin.query, version=version)
        line = read_target(method, target, version)
        if len(self._lines) >= _REMEMBERED:
            self._lines.clear()
        self._lines[text] = line
        return line

    def _read_host(self, authority: bytes) -> str:
        if authority and not is_host(authority):
            raise RequestRejected(400, "malformed Host", rule="RFC 9110 section 7.2")
        name = authority.decode("ascii").lower()
        host = name.partition("]")[0] + "]" if name[:1] == "[" else name.partition(":")[0]
        if len(self._hosts) >= _REMEMBERED:
            self._hosts.clear()
        self._hosts[authority] = host
        return host


def read_head(raw: bytes, limits: HeadLimits, *, scheme: str = "http") -> RequestHead:
    """Read one whole head, from the request line to the empty line. Raises RequestRejected as `HeadReader.read` does."""
    return HeadReader(limits).read(raw, scheme)


def judge_size(received: bytes, limits: HeadLimits) -> None:
    """Refuse a head, or the beginning of one, that is too large already, in however small pieces it comes (row 32)."""
    line_end = received.find(b"\r\n")
    if line_end > limits.request_line or (line_end < 0 and len(received) > limits.request_line + 1):
        raise RequestRejected(
            414, f"the request line is longer than {limits.request_line} bytes", rule="RFC 9112 section 3"
        )
    if line_end >= 0 and len(received) - line_end - 4 > limits.header_section:
        raise RequestRejected(
            431, f"the headers are larger than {limits.header_section} bytes", rule="RFC 6585 section 5"
        )


def _bad_request_line(parts: list[bytes]) -> RequestRejected:
    version = parts[-1]
    if (
        len(parts) == 3
        and is_token(parts[0])
        and len(version) == 8
        and version.startswith(b"HTTP/")
        and version[5:6].isdigit()
    ):
        return RequestRejected(505, "only HTTP/1.1 and HTTP/1.0 are spoken here", rule="RFC 9110 section 15.6.6")
    return RequestRejected(400, "malformed request line", rule="RFC 9112 section 3")
