"""The composition root: settings become sites, a runtime and listening sockets. The only package that knows every other."""

from typing import TYPE_CHECKING, Any

from penstock.server.life import Server, build, serve
from penstock.server.listening import open_listeners

if TYPE_CHECKING:
    from penstock.server.subjects import open_client
    from penstock.server.thread import ServerThread

__all__ = ["Server", "ServerThread", "build", "open_client", "open_listeners", "serve"]


def __getattr__(name: str) -> Any:
    # What only tests want is imported when they want it: the start of a server is measured.
    if name == "ServerThread":
        from penstock.server.thread import ServerThread

        return ServerThread
    if name == "open_client":
        from penstock.server.subjects import open_client

        return open_client
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
