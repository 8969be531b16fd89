"""This file is how a server is run from the command line: settings, logging, start-up lines, and with `--reload` over again."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from penstock.settings import Settings
from penstock.tools.options import Options, overlay
from penstock.tools.startup import ready_line, site_lines
from penstock.tools.target import Kind, Single, kind_of, settings_of

_SINGLE: Final = ("interface", "factory", "root_path", "threads")


def run(target: str, said: Mapping[str, Any]) -> int:
    """Serve `target` until it is asked to stop; the exit code. `said` holds the options of `penstock serve`."""
    if said["log_config"] is not None:
        from penstock.tools.logs import configure_logging

        configure_logging(said["log_config"])
    settings = settings_from(target, said)
    if said["reload"]:
        from penstock.tools.reloading import run_reloading

        return run_reloading(target, settings, said)
    from penstock.server import serve

    return serve(settings, ready=lambda addresses: announce(target, settings, addresses))


def settings_from(target: str, said: Mapping[str, Any]) -> Settings:
    """The settings of `target` with the options laid over them."""
    single = Single(**{name: said[name] for name in _SINGLE})
    options: Any = {name: value for name, value in said.items() if name in Options.__annotations__}
    options["app_dir"] = [str(Path(folder).resolve()) for folder in said["app_dir"]]
    if said["reload"] and said["mode"] is None:
        options["mode"] = "development"
    return overlay(settings_of(target, single), **options)


def announce(target: str, settings: Settings, addresses: Sequence[str]) -> None:
    """Print what is served where: one line, and for a site one more for each thing in it."""
    print(ready_line(target, addresses), flush=True)
    if kind_of(target) is Kind.SITE_FILE:
        print("\n".join(site_lines(settings)), flush=True)
