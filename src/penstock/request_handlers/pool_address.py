"""Where a pool listens, and the key that signs what it is told."""

from __future__ import annotations


class PoolAddress:
    """`path` is that of its Unix socket, `key` the pool's own, of at least 16 bytes; it is shown nowhere."""

    __slots__ = ("key", "path")

    def __init__(self, path: str, key: bytes) -> None:
        self.path = path
        self.key = key

    def __repr__(self) -> str:
        return f"PoolAddress({self.path!r})"
