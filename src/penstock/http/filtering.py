"""Request filtering: what an operator may forbid request lines beyond what HTTP forbids (pipeline L-01). Nothing, by default."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.errors import RequestRejected
from penstock.http.messages import RequestLine


class RequestFiltering:
    """The rules of one location, applied to a request line before any module sees the request.

    Lengths: `path` in characters once decoded, `url` in bytes of the path as sent, `query` in bytes; None and 0 are any.
    `characters` are those no path may have, `methods` those let in (none named: all). `extensions`, `hidden_segments` and
    `sequences` are refused as if they did not exist, without regard to case. `double_escaped` and `high_bit` True refuse paths
    that are percent-encoded twice, or have characters beyond ASCII.
    """

    __slots__ = (
        "_characters",
        "_double_escaped",
        "_extensions",
        "_hidden_segments",
        "_high_bit",
        "_methods",
        "_path",
        "_query",
        "_sequences",
        "_url",
    )

    def __init__(
        self,
        path: int | None = None,
        url: int | None = None,
        *,
        query: int | None = None,
        characters: str = "",
        methods: Iterable[str] = (),
        extensions: Iterable[str] = (),
        hidden_segments: Iterable[str] = (),
        sequences: Iterable[str] = (),
        double_escaped: bool = False,
        high_bit: bool = False,
    ) -> None:
        self._path = path or 0
        self._url = url or 0
        self._query = query or 0
        self._characters = frozenset(characters)
        self._methods = tuple(methods)
        self._extensions = frozenset("." + each.lstrip(".").casefold() for each in extensions)
        self._hidden_segments = frozenset(each.casefold() for each in hidden_segments)
        self._sequences = tuple(each.casefold() for each in sequences)
        self._double_escaped = double_escaped
        self._high_bit = high_bit

    def check(self, line: RequestLine) -> RequestRejected | None:
        """What `line` is refused with, or None. The answer depends on the line alone."""
        return (
            self._check_lengths(line)
            or self._check_method(line)
            or self._check_spelling(line)
            or self._check_hidden(line)
        )

    def _check_lengths(self, line: RequestLine) -> RequestRejected | None:
        # RFC 9110 section 15.5.15: 414 is for targets that are too long, the query included.
        if self._path and len(line.path) > self._path:
            return _refused(414, f"the path is longer than {self._path} characters", "path")
        if self._url and len(line.raw_path) > self._url:
            return _refused(414, f"the path is longer than {self._url} bytes", "url")
        if self._query and len(line.query) > self._query:
            return _refused(414, f"the query is longer than {self._query} bytes", "query")
        return None

    def _check_method(self, line: RequestLine) -> RequestRejected | None:
        if not self._methods or line.method in self._methods:
            return None
        allowed = ", ".join(self._methods)
        # RFC 9110 section 15.5.6: with Allow always.
        headers = ((b"allow", allowed.encode("ascii")),)
        return RequestRejected(405, f"this path takes {allowed}", rule=_rule("methods"), headers=headers)

    def _check_spelling(self, line: RequestLine) -> RequestRejected | None:
        if self._characters and not self._characters.isdisjoint(line.path):
            found = next(each for each in line.path if each in self._characters)
            return _refused(400, f"the path holds {found!a}", "characters")
        if self._double_escaped and b"%25" in line.raw_path:
            return _refused(400, "the path is percent-encoded twice", "double_escaped")
        if self._high_bit and not line.path.isascii():
            return _refused(400, "the path holds a character beyond ASCII", "high_bit")
        return None

    def _check_hidden(self, line: RequestLine) -> RequestRejected | None:
        if self._extensions or self._hidden_segments:
            for segment in line.path.casefold().split("/"):
                name = _bare(segment)
                if name in self._hidden_segments or segment in self._hidden_segments:
                    return _hide(f"the segment {name!a} is hidden", "hidden_segments")
                _, dot, extension = name.rpartition(".")
                if dot and dot + extension in self._extensions:
                    return _hide(f"the extension {dot + extension!a} is not served", "extensions")
        if self._sequences:
            path = line.path.casefold()
            sent = line.raw_path.decode("latin-1").casefold()
            for sequence in self._sequences:
                if sequence in path or sequence in sent:
                    return _hide(f"the path holds {sequence!a}", "sequences")
        return None


def _bare(segment: str) -> str:
    # Some of those who map paths to names drop parameters, NTFS streams, and dots and spaces at the end (bad-input row 71).
    return segment.partition(";")[0].partition(":")[0].rstrip(". ")


def _refused(status: int, detail: str, key: str) -> RequestRejected:
    return RequestRejected(status, detail, rule=_rule(key))


def _hide(reason: str, key: str) -> RequestRejected:
    """As if there was nothing: the client learns no more than that, the log the reason."""
    return RequestRejected(404, "", rule=_rule(key), reason=reason)


def _rule(key: str) -> str:
    return f"pipeline L-01, filtering.{key}"
