"""Penstock: the application server for Python with one request pipeline."""

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
]
