"""What guests do alike with requests that another server has read: paths are encoded again, lines remembered, proxies believed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol
from urllib.parse import quote

from penstock.errors import RequestRejected
from penstock.http.messages import RequestHead, RequestLine
from penstock.intake.worker_request import Address

_REMEMBERED: Final = 1024
# RFC 3986 section 3.3: pchar, and the slash between segments. What the server has decoded is encoded again.
_PATH_SAFE: Final = "/:@!$&'()*+,;=~"


class Proxied(Protocol):
    """A request whose peer may be a proxy, as far as who judges that sees it."""

    head: RequestHead
    scheme: str

    @property
    def client(self) -> Address | None:
        """As `WorkerRequest.client`: the peer, as the server tells of it."""

    def come_from(self, client: Address | None) -> None:
        """A trusted proxy says who the client is."""


# Applies what a trusted proxy says. Raises RequestRejected (400) for what makes no sense.
Believe = Callable[[Proxied], None]


def encode_path(path: str | bytes) -> bytes:
    """A path as a client would send it. Raises RequestRejected (400) for what no client can have sent."""
    try:
        return quote(path, safe=_PATH_SAFE).encode("ascii")
    except UnicodeEncodeError:
        raise RequestRejected(400, "the path is not UTF-8 once decoded", rule="RFC 3986 section 2.5") from None


def remember_line(lines: dict[Any, RequestLine], key: object, line: RequestLine) -> None:
    """Lines come again and again: what they say, and what they lead to, is remembered up to a bound (pipeline H-02)."""
    if len(lines) >= _REMEMBERED:
        lines.clear()
    lines[key] = line
