"""This file is `penstock.run`: the same server, started from Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Unpack

from penstock.errors import ConfigurationError, Problem
from penstock.settings import Settings
from penstock.tools.options import Options, overlay
from penstock.tools.target import Interface


def run(
    application: Callable[..., Any] | str,
    *,
    interface: Interface = "auto",
    factory: bool = False,
    root_path: str = "",
    threads: int | None = None,
    **options: Unpack[Options],
) -> int:
    """Serve `application` until SIGINT or SIGTERM; returns the exit code 0.

    `application` is an ASGI 3 or WSGI application, a plain function, or what `penstock serve` takes as text: a site file,
    "module:attribute" or a folder. `interface` is "auto", "asgi", "wsgi" or "owin"; with `factory` it is called to get the
    application; `root_path` is what a proxy took off; `threads` is for WSGI (0: on the event loop).
    The other options are those of `penstock serve`, by the same names with underscores; `workers` import the application, so it
    must be text. Raises ConfigurationError with all mistakes, StartupError when the application fails to start.
    """
    from penstock.server import serve
    from penstock.tools.running import holding_pid_file
    from penstock.tools.startup import announce
    from penstock.tools.target import Single, settings_of

    name = application if isinstance(application, str) else _name_of(application)
    single = Single(interface=interface, factory=factory, root_path=root_path, threads=threads)

    def load() -> Settings:
        return overlay(settings_of(name, single), **options)

    settings = load()
    if settings.is_supervised:
        if not isinstance(application, str):
            told = 'workers import the application themselves: name it, as in penstock.run("shop:app", workers=2)'
            raise ConfigurationError([Problem(told, "workers")])
        from penstock.tools.supervising import run_supervised

        return run_supervised(name, settings, {"log_config": None}, load=load)
    objects = None if isinstance(application, str) else {name: application}
    with holding_pid_file(settings):
        return serve(settings, objects=objects, ready=lambda server: announce(name, server))


def _name_of(application: Callable[..., Any]) -> str:
    """A name of the form of an import reference, for the start-up line and the errors."""
    module, name = application.__class__.__module__, application.__class__.__name__
    if hasattr(application, "__name__"):
        module, name = application.__module__, application.__name__
    parts = [*module.split("."), name]
    return f"{module}:{name}" if all(part.isidentifier() for part in parts) else "given:application"
