"""Status codes: their reason phrases, and which of them have no body (RFC 9110 section 15)."""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

REASONS: Final[dict[int, str]] = {
    **{status.value: status.phrase for status in HTTPStatus},
    103: "Early Hints",
    413: "Content Too Large",
    414: "URI Too Long",
    416: "Range Not Satisfiable",
    421: "Misdirected Request",
    422: "Unprocessable Content",
    425: "Too Early",
}

STATUS_LINES: Final[dict[int, bytes]] = {
    status: b"HTTP/1.1 %d %b\r\n" % (status, reason.encode("ascii")) for status, reason in REASONS.items()
}

# RFC 9110 sections 15.3.5, 15.3.6 and 15.4.5: their answers never have content.
NO_CONTENT: Final = (204, 205, 304)


def status_line(status: int) -> bytes:
    """The status line of HTTP/1.1 with its CRLF; an unregistered status has an empty reason (RFC 9112 section 4)."""
    line = STATUS_LINES.get(status)
    return b"HTTP/1.1 %d \r\n" % status if line is None else line


def is_bodiless(status: int) -> bool:
    """Whether an answer with this status never has a body (RFC 9110 section 6.4.1)."""
    return status < 200 or status in (204, 304)
