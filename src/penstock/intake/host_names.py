"""Which site answers for a host name: the exact one, else the longest wildcard, else "*"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar


class Named(Protocol):
    """What answers for host names."""

    @property
    def hosts(self) -> Sequence[str]:
        """Exact names, "*.example.org", or "*"."""


N = TypeVar("N", bound=Named)


def match_host(sites: Sequence[N], host: str) -> tuple[N, str] | None:
    """The site for `host`, which is in lower case and without a port, and which of its names that is; None for nobody."""
    best: tuple[N, str] | None = None
    best_length = -1
    for site in sites:
        for pattern in site.hosts:
            length = _match_length(pattern.lower(), host)
            if length > best_length:
                best, best_length = (site, pattern), length
    return best


def _match_length(pattern: str, host: str) -> int:
    if pattern == host:
        return 1000
    if pattern == "*":
        return 0
    if pattern[:2] == "*." and host.endswith(pattern[1:]) and len(host) >= len(pattern):
        return len(pattern)
    return -1
