"""The strict judge of what backends answer: llhttp splits the bytes of a head, this page decides whether it is one.

A hostile backend is a hostile peer: whatever two readers could read differently is refused, and the client is told 502.
As with requests, llhttp is fed a head alone, never a byte of what follows; bodies are read by `http/framing.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from penstock.http.grammar import FIELD_VALUE, is_token
from penstock.http.messages import CHUNKED
from penstock.http.status import is_bodiless

if TYPE_CHECKING:
    from penstock.request_handlers.proxy_place import OwnLinks

UNTIL_CLOSE: Final = -2
"""The length of a body that ends with its connection (RFC 9112 section 6.3)."""

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [^\r\n]*)?\r\n")
_LENGTH_DIGITS: Final = 18
_MOST_FIELDS: Final = 200
# Heads that come again within a second are the same to the byte: so is what they mean.
_REMEMBERED: Final = 128
_LONGEST_REMEMBERED: Final = 2048
_BEGINNING: Final = b"HTTP/1."
_RESET_CONTENT: Final = 205
# What nearly all answers are, and where a Location would mean nothing.
_WITHOUT_LINKS: Final = (200, 304)
_CRLF: Final = b"\r\n"

# What belongs to the connection with the backend, and goes no further (RFC 9110 section 7.6.1); trailers are announced
# anew where they are sent on, and a 407 is between us and the backend (section 11.7.1).
_HOP_BY_HOP: Final = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)


class BadAnswer(Exception):
    """The backend answered with what is no HTTP; the text says what, and is for the log."""


class AnswerHead:
    """The head of one answer; shared between answers that begin alike, and never changed.

    `fields` are those that go on to the client, `length` the bytes of its body, `CHUNKED` (-1) or `UNTIL_CLOSE` (-2). `received` are all
    fields as they came.
    """

    __slots__ = ("fields", "is_interim", "keeps_alive", "length", "received", "status")

    def __init__(
        self, status: int, received: list[tuple[bytes, bytes]], fields: list[tuple[bytes, bytes]], length: int
    ) -> None:
        self.status = status
        self.received = received
        self.fields = fields
        self.length = length
        self.keeps_alive = True
        self.is_interim = status < 200

    def find(self, name: bytes) -> bytes | None:
        """The only value of the field `name` (lower-case) as it was received; None when there is none, or several."""
        values = [value for key, value in self.received if key == name]
        return values[0] if len(values) == 1 else None


class AnswerReader:
    """Reads the heads of the answers of one backend.

    `limit` is in bytes; `replaced` are fields set on all of them, b"" drops one; `links` has the word on each Location.
    """

    __slots__ = ("_dropped", "_fields", "_links", "_names", "_remembered", "_set", "limit")

    def __init__(
        self, limit: int, *, replaced: Mapping[bytes, bytes] | None = None, links: OwnLinks | None = None
    ) -> None:
        self.limit = limit
        self._links = links
        self._fields: list[tuple[bytes, bytes]] = []
        self._names: dict[bytes, bytes] = {}
        self._remembered: dict[bytes, AnswerHead] = {}
        self._dropped = frozenset(replaced or ())
        self._set = [(name, value) for name, value in (replaced or {}).items() if value]

    def on_header(self, name: bytes, value: bytes) -> None:
        """llhttp: one field."""
        self._fields.append((self._names.get(name) or self._learn_name(name), value.strip(b" \t")))

    def judge_beginning(self, beginning: bytes) -> None:
        """Raises BadAnswer for the beginning of a head that is too large already, or can never become one."""
        if len(beginning) > self.limit:
            raise BadAnswer(f"the head of its answer has more than {self.limit} bytes")
        if beginning[:7] != _BEGINNING[: len(beginning)]:
            raise BadAnswer(f"its answer begins with {beginning[:20]!r}, which is not HTTP/1.1")
        if b"\n" in beginning.replace(b"\r\n", b""):
            raise BadAnswer("a line of its head does not end with CRLF")

    def read(self, raw: bytes) -> AnswerHead:
        """The head whose bytes are `raw`, to the empty line. Raises BadAnswer."""
        known = self._remembered.get(raw)
        if known is not None:
            return known
        head = self._read(raw)
        if len(raw) <= _LONGEST_REMEMBERED and not head.is_interim:
            if len(self._remembered) >= _REMEMBERED:
                self._remembered.clear()
            self._remembered[raw] = head
        return head

    def _read(self, raw: bytes) -> AnswerHead:
        if len(raw) > self.limit:
            raise BadAnswer(f"the head of its answer has more than {self.limit} bytes")
        line = _STATUS_LINE.match(raw)
        if line is None:
            raise BadAnswer(f"its status line is {raw.partition(_CRLF)[0][:80]!r}, which is not of HTTP/1.1")
        self._fields = []
        try:
            HttpResponseParser(self).feed_data(raw)
        except HttpParserUpgrade:
            pass  # a 101: who asked for it knows what to do
        except HttpParserError as error:
            # llhttp pauses at any 101, and switches only for one that says so (RFC 9110 section 7.8)
            what = "its 101 lacks Connection: Upgrade, or Upgrade" if line[2] == b"101" else f"malformed head: {error}"
            raise BadAnswer(what) from None
        fields, self._fields = self._fields, []
        # What llhttp may let pass: control characters in values and in the reason (bad-input rows 14, 17, 18).
        if raw.translate(None, FIELD_VALUE) != b"\r\n" * (len(fields) + 2):
            raise BadAnswer("its head holds a control character, or a line that does not end with CRLF")
        if len(fields) > _MOST_FIELDS:
            raise BadAnswer(f"its head has more than {_MOST_FIELDS} fields")
        return self._judge(int(line[2]), fields, is_1_0=line[1] == b"0")

    def _judge(self, status: int, received: list[tuple[bytes, bytes]], *, is_1_0: bool) -> AnswerHead:
        options = [
            option.strip(b" \t")
            for name, value in received
            if name == b"connection"
            for option in value.lower().split(b",")
        ]
        dropped = _HOP_BY_HOP.union(options, self._dropped)
        # The length is the host's to check, whatever Connection names.
        fields = [pair for pair in received if pair[0] not in dropped or pair[0] == b"content-length"]
        links = self._links
        if links is not None and status not in _WITHOUT_LINKS:
            fields = [(name, links.rewrite(value) if name == b"location" else value) for name, value in fields]
        length = _length_of(received, is_1_0=is_1_0)
        if status == _RESET_CONTENT:
            # RFC 9110 section 15.3.6: it has no content, whatever its length says
            fields = [pair for pair in fields if pair[0] != b"content-length"]
        head = AnswerHead(status, received, fields + self._set, length)
        if is_bodiless(status):
            head.length = 0
        # RFC 9112 section 9.3
        head.keeps_alive = b"close" not in options and (not is_1_0 or b"keep-alive" in options)
        return head

    def _learn_name(self, name: bytes) -> bytes:
        lower = name.lower()
        if not is_token(lower):
            raise BadAnswer(f"{name!r} is not the name of a field")
        if len(self._names) >= 1024:
            self._names.clear()
        self._names[name] = lower
        return lower


def _length_of(fields: list[tuple[bytes, bytes]], *, is_1_0: bool) -> int:
    """How long the body is (RFC 9112 section 6.3)."""
    lengths = [value for name, value in fields if name == b"content-length"]
    codings = [value for name, value in fields if name == b"transfer-encoding"]
    if codings:
        if lengths:
            raise BadAnswer("Content-Length beside Transfer-Encoding")
        if is_1_0:
            raise BadAnswer("Transfer-Encoding in HTTP/1.0")
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            raise BadAnswer("a transfer coding other than chunked, once")
        return CHUNKED
    if not lengths:
        return UNTIL_CLOSE
    length = lengths[0]
    if len(lengths) > 1:
        raise BadAnswer("more than one Content-Length")
    if not length.isdigit() or len(length) > _LENGTH_DIGITS or (length[:1] == b"0" and length != b"0"):
        raise BadAnswer("its Content-Length is not a number of bytes")
    return int(length)
