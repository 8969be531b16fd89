"""The heads of a request and of a response, as plain values."""

from __future__ import annotations

from typing import Final

from penstock.http.headers import Headers

CHUNKED: Final = -1


class RequestLine:
    """What a request line says; shared between requests that say the same, and never changed. See `RequestHead`."""

    __slots__ = ("is_1_0", "is_head", "method", "path", "query", "raw_path", "target", "version")

    def __init__(self, method: str, target: bytes, raw_path: bytes, path: str, *, query: bytes, version: str) -> None:
        self.method = method
        self.target = target
        self.raw_path = raw_path
        self.path = path
        self.query = query
        self.version = version
        self.is_head = method == "HEAD"
        self.is_1_0 = version == "1.0"


class Framing:
    """What the fields of a head say about the body, the connection and the way here; shared between heads, never changed.

    `content_length` is the number of body bytes, 0 for none, `CHUNKED` (-1) when chunks tell. `keep_alive` is whether the
    connection may serve another request. `expects_continue`: the client waits for 100 (Continue). `is_upgrade`: it offers
    another protocol. `is_forwarded`: a proxy says something about the client.
    """

    __slots__ = ("content_length", "expects_continue", "is_forwarded", "is_upgrade", "keep_alive")

    def __init__(
        self,
        *,
        content_length: int = 0,
        keep_alive: bool = True,
        expects_continue: bool = False,
        is_upgrade: bool = False,
        is_forwarded: bool = False,
    ) -> None:
        self.content_length = content_length
        self.keep_alive = keep_alive
        self.expects_continue = expects_continue
        self.is_upgrade = is_upgrade
        self.is_forwarded = is_forwarded


# No body, the connection stays, nothing special: what nearly every request is.
PLAIN: Final = Framing()
LAST: Final = Framing(keep_alive=False)


class RequestHead:
    """The head of one request, judged and split; nothing in it is the application's yet.

    `line` is what the request line says. `headers` holds lower-case names and values without surrounding white space, in
    order, and is never changed, for the next head may share it. `host` is lower-case and without port ("" when absent);
    `authority` is the Host value as received. `block` is what followed the request line, as received; b"" when another
    head that ends with the same bytes may mean something else.
    """

    __slots__ = ("authority", "block", "framing", "headers", "host", "line")

    def __init__(
        self,
        line: RequestLine,
        headers: list[tuple[bytes, bytes]],
        authority: bytes,
        host: str,
        framing: Framing,
        *,
        block: bytes = b"",
    ) -> None:
        self.line = line
        self.headers = headers
        self.authority = authority
        self.host = host
        self.framing = framing
        self.block = block

    @property
    def method(self) -> str:
        """The method, ASCII, in the case it came."""
        return self.line.method

    @property
    def target(self) -> bytes:
        """The request target as received."""
        return self.line.target

    @property
    def raw_path(self) -> bytes:
        """The path of the target, as received."""
        return self.line.raw_path

    @property
    def path(self) -> str:
        """The path percent-decoded once as UTF-8, dot segments resolved: what routes, authorization and files all see."""
        return self.line.path

    @property
    def query(self) -> bytes:
        """What stands behind the "?", as received."""
        return self.line.query

    @property
    def version(self) -> str:
        """The version of HTTP: 1.1 or 1.0."""
        return self.line.version

    @property
    def content_length(self) -> int:
        """The number of body bytes; 0 for none, `CHUNKED` when chunks tell."""
        return self.framing.content_length

    @property
    def keep_alive(self) -> bool:
        """Whether the connection may serve another request after this one."""
        return self.framing.keep_alive

    @property
    def expects_continue(self) -> bool:
        """Whether the client holds its body back until it is told to go on (RFC 9110 section 10.1.1)."""
        return self.framing.expects_continue

    @property
    def is_upgrade(self) -> bool:
        """Whether the client offers to speak another protocol (RFC 9110 section 7.8)."""
        return self.framing.is_upgrade

    def find(self, name: bytes) -> bytes | None:
        """The first value of the field `name` (lower-case), or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class ResponseHead:
    """The head of one response: `status_code` (200 to 599) and `raw_headers` (lower-case names, byte pairs, in order).

    `reason_phrase` stands behind the status over HTTP/1; b"" means the registered one. Framing (Content-Length,
    Transfer-Encoding, Connection) is the host's; a Content-Length found here is kept and held.
    """

    __slots__ = ("raw_headers", "reason_phrase", "status_code")

    def __init__(self, status: int, raw_headers: list[tuple[bytes, bytes]]) -> None:
        self.status_code = status
        self.raw_headers = raw_headers
        self.reason_phrase = b""

    @property
    def status(self) -> int:
        """The status, 200 to 599."""
        return self.status_code

    @property
    def headers(self) -> Headers:
        """The header fields; a view that writes through."""
        return Headers(self.raw_headers)
