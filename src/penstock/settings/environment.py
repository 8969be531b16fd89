"""Environment overrides: PENSTOCK_SERVER__LIMITS__BODY=1000 stands above `body` of [server.limits] in the site file."""

from collections.abc import Mapping
from typing import NamedTuple

from penstock.settings.model import ServerSettings

PREFIX = "PENSTOCK_SERVER__"
FOREIGN_PREFIXES = ("PENSTOCK_SITE__", "PENSTOCK_POOL__")

_BOOLEANS = {
    "true": True, "yes": True, "on": True, "1": True,
    "false": False, "no": False, "off": False, "0": False,
}  # fmt: skip


class Override(NamedTuple):
    """One variable: its name, the path of the key it stands above, and its text."""

    variable: str
    path: tuple[str, ...]
    text: str


def overrides_in(environ: Mapping[str, str]) -> list[Override]:
    """The overrides among the variables, in order of their names, so that a table comes before its keys."""
    return [
        Override(name, ("server", *name[len(PREFIX) :].lower().split("__")), text)
        for name, text in sorted(environ.items())
        if name.startswith(PREFIX)
    ]


def variable_of(path: tuple[str | int, ...]) -> str:
    """The variable that stands above a key: `("server", "limits", "body")` -> PENSTOCK_SERVER__LIMITS__BODY."""
    return "PENSTOCK_" + "__".join(str(part).upper() for part in path)


def server_from_environment(environ: Mapping[str, str]) -> ServerSettings:
    """The server's settings where there is no site file: defaults and overrides; relative paths are left as they are.

    Raises `ConfigurationError` with all mistakes. Costs nothing where the environment overrides nothing.
    """
    if not any(name.startswith((PREFIX, *FOREIGN_PREFIXES)) for name in environ):
        return ServerSettings()
    from penstock.settings.loader import load_server

    return load_server(environ)


def value_from_text(text: str, wanted: str) -> object:
    """The value a variable's text stands for, where a `wanted` is: text, boolean, number, texts, table or tables.

    Plain text is enough wherever it is clear; otherwise the text is JSON. A text that fits nothing is returned as it
    is, for the shape check to refuse.
    """
    if wanted == "text":
        return _from_json(text) if text.startswith('"') else text
    if wanted == "boolean":
        return _BOOLEANS.get(text.strip().lower(), text)
    value = _from_json(text)
    if wanted == "texts" and not isinstance(value, list):
        return [part.strip() for part in text.split(",") if part.strip()]
    return value


def _from_json(text: str) -> object:
    import json  # imported when used: it costs start-up time

    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
