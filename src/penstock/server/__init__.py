"""The composition root: settings become sites, a runtime and listening sockets. The only package that knows every other."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from penstock.server.life import Server, build, serve
    from penstock.server.listening import open_listeners
    from penstock.server.subjects import open_client
    from penstock.server.thread import ServerThread

__all__ = ["Server", "ServerThread", "build", "open_client", "open_listeners", "serve"]

# Imported when it is wanted: the start of a server is measured, and so is the memory of a supervisor, which composes nothing.
_PLACES = {
    "Server": "life",
    "build": "life",
    "serve": "life",
    "open_listeners": "listening",
    "open_client": "subjects",
    "ServerThread": "thread",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
