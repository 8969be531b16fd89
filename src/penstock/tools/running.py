"""This file is how a server is run from the command line: settings, logging, start-up lines, and with `--reload` over again."""

import gc
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from penstock.settings import Settings
from penstock.tools.options import Options, overlay
from penstock.tools.target import Single, settings_of

if TYPE_CHECKING:
    from penstock.server import Server

_SINGLE: Final = ("interface", "factory", "root_path", "threads")


def run(target: str, said: Mapping[str, Any]) -> int:
    """Serve `target` until it is asked to stop; the exit code. `said` holds the options of `penstock serve`."""
    settings = settings_from(target, said)
    if said["reload"]:
        from penstock.tools.reloading import run_reloading

        return run_reloading(target, settings, said)
    from penstock.supervisor.generation import is_supervised

    if is_supervised(settings):
        from penstock.tools.supervising import run_supervised

        return run_supervised(target, settings, said, load=lambda: settings_from(target, said))
    if said["log_config"] is not None:
        from penstock.server.log_config import configure_logging

        configure_logging(Path(said["log_config"]))
    from penstock.server import serve
    from penstock.tools.startup import announce

    def ready(server: "Server") -> None:
        gc.enable()  # the command line has turned it off for the time of the imports
        announce(target, server)

    return serve(settings, ready=ready)


def settings_from(target: str, said: Mapping[str, Any]) -> Settings:
    """The settings of `target` with the options laid over them."""
    single = Single(**{name: said[name] for name in _SINGLE})
    options: Any = {name: value for name, value in said.items() if name in Options.__annotations__}
    options["app_dir"] = [str(Path(folder).resolve()) for folder in said["app_dir"]]
    return overlay(settings_of(target, single), **options)
