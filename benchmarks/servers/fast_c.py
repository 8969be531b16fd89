"""Starts fastwsgi or fastpysgi, whose settings cannot be given on a command line: fast_c.py fastpysgi module:app port."""

import importlib
import os
import sys
import types
from typing import Any

import uvloop


def without_pkg_resources() -> None:
    """Both import a part of setuptools that newer ones no longer have, only to tell their version."""
    stand_in: Any = types.ModuleType("pkg_resources")
    stand_in.get_distribution = lambda name: types.SimpleNamespace(version="")
    sys.modules.setdefault("pkg_resources", stand_in)


def serve(kind: str, target: str, *, port: int) -> None:
    without_pkg_resources()
    sys.path.insert(0, os.getcwd())
    module, _, name = target.partition(":")
    application = getattr(importlib.import_module(module), name)
    server = importlib.import_module(kind).server
    server.backlog = 4096
    server.tcp_nodelay = 1
    server.loop = uvloop.new_event_loop()  # fastpysgi's, for ASGI; its own is asyncio's
    server.init(application, "127.0.0.1", port, 2)
    server.run()


serve(sys.argv[1], sys.argv[2], port=int(sys.argv[3]))
