"""Penstock: the application server for Python with one request pipeline."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from penstock.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from penstock.errors import (
        AcceptLost,
        BackendFailed,
        ClientGone,
        ConfigurationError,
        ConnectionLost,
        ContractError,
        HTTPError,
        PenstockError,
        Problem,
        RegistrationClosed,
        RequestRejected,
        ResponseComplete,
        ResponseCompleted,
        ResponseSealed,
        ResponseStarted,
        SocketDisposedError,
        StartupError,
        WebSocketBusyError,
        WebSocketClosedError,
        WebSocketDisconnect,
        WebSocketError,
        WebSocketProtocolError,
        WebSocketStateError,
    )
    from penstock.pipeline.context import Context
    from penstock.pipeline.decorators import after, around, on
    from penstock.pipeline.filters import Filter
    from penstock.pipeline.forms import Form
    from penstock.pipeline.handler import Handler
    from penstock.pipeline.module import Hooks, Module
    from penstock.pipeline.principal import Principal
    from penstock.pipeline.request import Request
    from penstock.pipeline.response import Response
    from penstock.pipeline.stages import Stage
    from penstock.pipeline.uploads import Upload
    from penstock.pipeline_gateways.builder import Builder
    from penstock.request_handlers.handlers import HandlerFactory
    from penstock.request_sockets.options import AcceptOptions
    from penstock.request_sockets.websocket import WebSocket
    from penstock.server.guests import asgi
    from penstock.server.rsgi_guest import rsgi
    from penstock.server.wsgi_guest import wsgi


__version__ = VERSION

# Where the public names live. They are imported when they are asked for: the start of a server is measured.
_HOMES = {
    "penstock.errors": (
        "AcceptLost",
        "BackendFailed",
        "ClientGone",
        "ConfigurationError",
        "ConnectionLost",
        "ContractError",
        "HTTPError",
        "PenstockError",
        "Problem",
        "RegistrationClosed",
        "RequestRejected",
        "ResponseComplete",
        "ResponseCompleted",
        "ResponseSealed",
        "ResponseStarted",
        "SocketDisposedError",
        "StartupError",
        "WebSocketBusyError",
        "WebSocketClosedError",
        "WebSocketDisconnect",
        "WebSocketError",
        "WebSocketProtocolError",
        "WebSocketStateError",
    ),
    "penstock.pipeline.context": ("Context",),
    "penstock.pipeline.decorators": ("after", "around", "on"),
    "penstock.pipeline.filters": ("Filter",),
    "penstock.pipeline.forms": ("Form",),
    "penstock.pipeline.handler": ("Handler",),
    "penstock.pipeline.module": ("Hooks", "Module"),
    "penstock.pipeline.principal": ("Principal",),
    "penstock.pipeline.request": ("Request",),
    "penstock.pipeline.response": ("Response",),
    "penstock.pipeline.uploads": ("Upload",),
    "penstock.pipeline_gateways.builder": ("Builder",),
    "penstock.request_handlers.handlers": ("HandlerFactory",),
    "penstock.pipeline.stages": ("Stage",),
    "penstock.request_sockets.options": ("AcceptOptions",),
    "penstock.request_sockets.websocket": ("WebSocket",),
    "penstock.server.guests": ("asgi",),
    "penstock.server.rsgi_guest": ("rsgi",),
    "penstock.server.wsgi_guest": ("wsgi",),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            found = globals()[name] = getattr(import_module(home), name)
            return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def run(application: "Callable[..., Any] | str", **options: Any) -> int:
    """Serve an application from Python: see `penstock.tools.embedding.run`, which takes the same arguments."""
    from penstock.tools.embedding import run as run_embedded

    return run_embedded(application, **options)


__all__ = [
    "AcceptLost",
    "AcceptOptions",
    "BackendFailed",
    "Builder",
    "ClientGone",
    "ConfigurationError",
    "ConnectionLost",
    "Context",
    "ContractError",
    "Filter",
    "Form",
    "HTTPError",
    "Handler",
    "HandlerFactory",
    "Hooks",
    "Module",
    "PenstockError",
    "Principal",
    "Problem",
    "RegistrationClosed",
    "Request",
    "RequestRejected",
    "Response",
    "ResponseComplete",
    "ResponseCompleted",
    "ResponseSealed",
    "ResponseStarted",
    "SocketDisposedError",
    "Stage",
    "StartupError",
    "Upload",
    "WebSocket",
    "WebSocketBusyError",
    "WebSocketClosedError",
    "WebSocketDisconnect",
    "WebSocketError",
    "WebSocketProtocolError",
    "WebSocketStateError",
    "__version__",
    "after",
    "around",
    "asgi",
    "on",
    "rsgi",
    "run",
    "wsgi",
]
