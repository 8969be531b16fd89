"""Penstock: the application server for Python with one request pipeline."""

from collections.abc import Callable
from typing import Any

from penstock.errors import (
    ClientGone,
    ConfigurationError,
    ContractError,
    HTTPError,
    PenstockError,
    Problem,
    RegistrationClosed,
    RequestRejected,
    ResponseStarted,
    StartupError,
)
from penstock.pipeline.context import Context, Principal
from penstock.pipeline.handler import Handler
from penstock.pipeline.module import Hooks, Module
from penstock.pipeline.request import Request
from penstock.pipeline.response import Response
from penstock.pipeline.stages import Stage

__version__ = "0.1.0"


def run(application: Callable[..., Any] | str, **options: Any) -> int:
    """Serve an application from Python: see `penstock.tools.embedding.run`, which takes the same arguments."""
    from penstock.tools.embedding import run as run_embedded

    return run_embedded(application, **options)


__all__ = [
    "ClientGone",
    "ConfigurationError",
    "Context",
    "ContractError",
    "HTTPError",
    "Handler",
    "Hooks",
    "Module",
    "PenstockError",
    "Principal",
    "Problem",
    "RegistrationClosed",
    "Request",
    "RequestRejected",
    "Response",
    "ResponseStarted",
    "Stage",
    "StartupError",
    "__version__",
    "run",
]
