"""Frame: what a middleware in a stage puts around everything that comes behind it (middleware section 15.6)."""

from __future__ import annotations

from typing import Any, Protocol


class Frame(Protocol):
    """One middleware that waits in its stage until the request comes back to it."""

    def complete(self, scope: dict[str, Any]) -> dict[str, Any]:
        """`scope`, which an application is to get, with what the middleware has put into its own (R-SG-22)."""

    def is_of(self, piece: object) -> bool:
        """Whether it belongs to `piece`: nobody enters the same one twice."""
