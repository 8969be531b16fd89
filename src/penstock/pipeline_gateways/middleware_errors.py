"""What is wrong with a middleware, or with a chain of them, as it is built: told before the first request (middleware 15.11)."""

# Not compiled: mypyc has no classes that inherit from TypeError.

from __future__ import annotations

from penstock.errors import PenstockError


class UnsupportedMiddleware(PenstockError, TypeError):
    """It is no middleware of any shape that is known; the caller's fault."""


class AmbiguousSignature(PenstockError, TypeError):
    """It may be of several shapes, or of none that can be read: a tag says which. The caller's fault."""


class NoConversion(PenstockError, TypeError):
    """No way leads from one signature to another, or the way would lose what is needed. The caller's fault."""
