"""Principal: who asks, as far as a module of AUTHENTICATE has found out (pipeline P-20)."""

from __future__ import annotations

from typing import Final


class Principal:
    """Who asks. `name` is "" and `is_authenticated` False for the anonymous one."""

    __slots__ = ("is_authenticated", "name", "roles")

    def __init__(self, name: str = "", *, roles: frozenset[str] = frozenset()) -> None:
        self.name = name
        self.roles = roles
        self.is_authenticated = bool(name)


ANONYMOUS: Final = Principal()
