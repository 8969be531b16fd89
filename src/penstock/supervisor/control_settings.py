"""The settings that run as they may be shown: every key, and no value that opens doors."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from penstock.http.redaction import REDACTED, is_secret

if TYPE_CHECKING:
    from penstock.settings import Settings

# RFC 3986 section 3.2.1: the user and the password of a URL.
_USER: Final = re.compile(r"://[^/@\s]*@")
# Tables whose keys are the user's own: their names say whether they are secret. All others are ours, and none of them is: the
# `key` of [server.tls] is the path of a file.
_FREE_TABLES: Final = ("settings", "headers")
# Tables of which no value is shown: a password may stand behind any name, as in DATABASE_URL.
_HIDDEN_TABLES: Final = ("environment",)


def without_secrets(settings: Settings) -> dict[str, Any]:
    """`settings` as tables, lists and texts, with "[redacted]" for values that nobody else may see."""
    tables: dict[str, Any] = _shown(msgspec.to_builtins(settings), is_free=False)
    return tables


def _shown(value: object, *, is_free: bool) -> Any:
    if isinstance(value, dict):
        return {name: _entry(name, inner, is_free=is_free) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(each, is_free=is_free) for each in value]
    return _USER.sub(f"://{REDACTED}@", value) if isinstance(value, str) else value


def _entry(name: str, value: object, *, is_free: bool) -> Any:
    if name in _HIDDEN_TABLES and isinstance(value, dict):
        return dict.fromkeys(value, REDACTED)
    if is_free and value and is_secret(name.lower().encode()):
        return REDACTED
    return _shown(value, is_free=is_free or name in _FREE_TABLES)
