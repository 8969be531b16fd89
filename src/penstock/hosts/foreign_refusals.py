"""What is refused of requests that another server has read, before they are any: too large a head, and the answer to it."""

from __future__ import annotations

from penstock.errors import RequestRejected
from penstock.http.head import HeadLimits
from penstock.http.messages import ResponseHead
from penstock.http.status import REASONS


def judge_size(limits: HeadLimits, target: int, headers: list[tuple[bytes, bytes]]) -> None:
    """Raise RequestRejected (414, 431) for a target of so many bytes, or headers, that are beyond `limits`."""
    if target > limits.request_line:
        raise RequestRejected(
            414, f"the request line is longer than {limits.request_line} bytes", rule="RFC 9112 section 3"
        )
    if len(headers) > limits.headers:
        raise RequestRejected(431, f"more than {limits.headers} header fields", rule="RFC 6585 section 5")
    size = 0
    for name, value in headers:
        size += len(name) + len(value) + 4
    if size > limits.header_section:
        raise RequestRejected(
            431, f"the headers are larger than {limits.header_section} bytes", rule="RFC 6585 section 5"
        )


def reason_of(error: RequestRejected) -> str:
    """One line for the log."""
    return ascii(f"{error.detail} ({error.rule})" if error.rule else error.detail)[1:-1]


def refusal_of(error: RequestRejected) -> tuple[ResponseHead, bytes]:
    """The answer to a request that cannot be taken in: a head, and the whole body."""
    body = b"%d %b: %b\n" % (error.status, REASONS[error.status].encode("ascii"), error.detail.encode("utf-8"))
    fields = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        *error.headers,
        (b"connection", b"close"),
    ]
    return ResponseHead(error.status, fields), body
