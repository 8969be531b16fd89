"""What a request target means: its form, its path, and the one spelling of that path everybody sees."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote, unquote_to_bytes

from penstock.errors import RequestRejected
from penstock.http.grammar import TARGET, is_host
from penstock.http.messages import RequestLine

# RFC 3986 section 3.3: pchar, and the slash between segments.
_PATH_SAFE: Final = "/:@!$&'()*+,;=~"


def read_target(method: str, target: bytes, version: str) -> RequestLine:
    """What a target in origin form ("/path?query") or asterisk form says (RFC 9112 section 3.2).

    Raises RequestRejected (400, 501) for a form that the method does not allow or a path that leaves the root.
    """
    if target[:1] != b"/" and not (target == b"*" and method == "OPTIONS"):
        raise RequestRejected(
            400, "the request target begins neither with a slash nor with http://", rule="RFC 9112 section 3.2"
        )
    if target.translate(None, TARGET):
        raise RequestRejected(400, "the request target holds a character it may not", rule="RFC 9112 section 3.2")
    raw_path, _, query = target.partition(b"?")
    path = canonical_path(raw_path) if b"%" in raw_path or b"/." in raw_path else raw_path.decode("ascii")
    return RequestLine(method, target, raw_path, path, query=query, version=version)


def read_absolute_target(target: bytes, scheme: str, authority: bytes) -> bytes:
    """The origin form of a target in absolute form, sent by `scheme` to the Host `authority` (RFC 9112 section 3.2.2).

    Raises RequestRejected (400) when it is none, or names another scheme or host than the connection and Host do: the
    authority of the target would win, and a client that names two hosts gets neither (bad-input rows 29, 81).
    """
    given_scheme, separator, rest = target.partition(b"://")
    if not separator or given_scheme.lower() not in (b"http", b"https"):
        raise RequestRejected(
            400, "the request target begins neither with a slash nor with http://", rule="RFC 9112 section 3.2"
        )
    if given_scheme.lower().decode("ascii") != scheme:
        raise RequestRejected(
            400, "the target names a scheme that this port does not speak", rule="RFC 9110 section 7.4"
        )
    end = min(position for position in (rest.find(b"/"), rest.find(b"?"), len(rest)) if position >= 0)
    if not is_host(rest[:end]) or rest[:end].lower() != authority.lower():
        raise RequestRejected(400, "the target names another host than Host does", rule="RFC 9112 section 3.2.2")
    return rest[end:] if rest[end : end + 1] == b"/" else b"/" + rest[end:]


def rewritten(line: RequestLine, path: str, query: str | bytes | None) -> RequestLine:
    """`line` leading to another path of the same site; its `target` stays what the client sent (pipeline H-06).

    `path` is text, not percent-encoded, and relative to the path of `line` unless it begins with a slash. `query` None keeps
    that of `line`; given, it is as it would be sent. Raises ValueError for a path that leaves the root or holds what no path
    does, and for a query that is not percent-encoded.
    """
    if "?" in path or any(character < " " or character == "\x7f" for character in path):
        raise ValueError(
            f"{path!r} is no path: the query is given by itself, and control characters never stand in a path"
        )
    full = path if path.startswith("/") else f"{line.path.rpartition('/')[0]}/{path}"
    try:
        full = _without_dot_segments(full) if "/." in full else full
    except RequestRejected:
        raise ValueError(f"{path!r} leads out of the site, from {line.path!r}") from None
    sent = line.query if query is None else query.encode("utf-8", "surrogatepass") if isinstance(query, str) else query
    if sent.translate(None, TARGET):
        raise ValueError(f"{query!r} is no query: encode it, for example with urllib.parse.urlencode")
    return RequestLine(
        line.method, line.target, quote(full, safe=_PATH_SAFE).encode(), full, query=sent, version=line.version
    )


def canonical_path(raw_path: bytes) -> str:
    """The path percent-decoded once, as UTF-8, with dot segments resolved (RFC 3986 section 5.2.4).

    Raises RequestRejected (400) for a broken escape, an escaped NUL, bytes that are not UTF-8, and a path that climbs
    above the root. An escaped slash becomes a slash, as ASGI and WSGI applications expect (bad-input row 82).
    """
    _check_escapes(raw_path)
    try:
        path = unquote_to_bytes(raw_path).decode("utf-8")
    except UnicodeDecodeError:
        raise RequestRejected(400, "the path is not UTF-8 once decoded", rule="RFC 3986 section 2.5") from None
    if "\0" in path:
        raise RequestRejected(400, "the path holds an escaped NUL", rule="RFC 3986 section 7.3")
    return _without_dot_segments(path) if "/." in path else path


def _check_escapes(raw_path: bytes) -> None:
    for piece in raw_path.split(b"%")[1:]:
        try:
            if len(piece) < 2 or piece[0] in b"+- _" or piece[1] in b" _":
                raise ValueError
            int(piece[:2], 16)
        except ValueError:
            raise RequestRejected(
                400, "a % in the path is not followed by two hexadecimal digits", rule="RFC 3986 section 2.1"
            ) from None


def _without_dot_segments(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")
    for segment in segments:
        if segment == "..":
            if len(kept) <= 1:
                raise RequestRejected(400, "the path climbs above the root", rule="RFC 3986 section 5.2.4")
            kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/".join(kept)
