"""A head that arrives in pieces, refused as soon as it can no longer become one (bad-input row 32)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock.errors import RequestRejected
from penstock.http.head import HeadReader, judge_size, read_head

if TYPE_CHECKING:
    from penstock.http.head import HeadLimits
    from penstock.http.messages import RequestHead


class ArrivingHead:
    """What has come of one head so far. A reader of its own keeps the state of llhttp, so no byte is parsed twice."""

    __slots__ = ("_fed", "_limits", "_reader")

    def __init__(self, limits: HeadLimits) -> None:
        self._limits = limits
        self._reader = HeadReader(limits)
        self._fed = 0  # how many bytes llhttp has seen

    def feed(self, beginning: bytes) -> None:
        """Judge the head so far; `beginning` is all of it. Raises RequestRejected: 400, 414, 431."""
        if beginning[:1] in (b"\r", b"\n"):
            raise RequestRejected(400, "a line ends with CRLF", rule="RFC 9112 section 2.2")
        judge_size(beginning, self._limits)
        self._reader.feed(beginning[self._fed :])
        self._fed = len(beginning)

    def take(self, raw: bytes, scheme: str) -> RequestHead:
        """The head, now that it is whole. Raises RequestRejected as `HeadReader.read` does."""
        try:
            self._reader.feed(raw[self._fed :])
        except RequestRejected:
            return read_head(raw, self._limits, scheme=scheme)  # refused again, by the words for a whole head
        return self._reader.take(raw, scheme)
