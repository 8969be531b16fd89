"""This file is how a server is run from the command line: settings, logging, start-up lines, and with `--reload` over again."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Unpack

from penstock.settings import Settings
from penstock.tools.options import Options, overlay
from penstock.tools.target import Interface, Single, settings_of

_SINGLE: Final = ("interface", "factory", "root_path", "threads")

# Where an application comes from that was not named but handed over.
_HANDED_OVER: Final = "python"


def run(target: str, said: Mapping[str, Any]) -> int:
    """Serve `target` until it is asked to stop; the exit code. `said` holds the options of `penstock serve`."""
    settings = settings_from(target, said)
    if said["reload"]:
        from penstock.tools.reloading import run_reloading

        return run_reloading(target, settings, said)
    if said["log_config"] is not None:
        from penstock.tools.logs import configure_logging

        configure_logging(Path(said["log_config"]))
    from penstock.server import serve
    from penstock.tools.startup import announce

    return serve(settings, ready=lambda server: announce(target, server))


def settings_from(target: str, said: Mapping[str, Any]) -> Settings:
    """The settings of `target` with the options laid over them."""
    single = Single(**{name: said[name] for name in _SINGLE})
    options: Any = {name: value for name, value in said.items() if name in Options.__annotations__}
    options["app_dir"] = [str(Path(folder).resolve()) for folder in said["app_dir"]]
    return overlay(settings_of(target, single), **options)


def run_application(
    application: object,
    *,
    interface: Interface = "auto",
    factory: bool = False,
    root_path: str = "",
    threads: int | None = None,
    **options: Unpack[Options],
) -> None:
    """Serve an application until it is asked to stop: what `penstock.run` does."""
    from penstock.server import serve
    from penstock.tools.startup import announce

    target = application if isinstance(application, str) else f"{_HANDED_OVER}:{_name_of(application)}"
    single = Single(interface=interface, factory=factory, root_path=root_path, threads=threads)
    settings = overlay(settings_of(target, single), **options)
    objects = {} if isinstance(application, str) else {target: application}
    serve(settings, objects=objects, ready=lambda server: announce(target, server))


def _name_of(application: object) -> str:
    """A name for the start-up line and the log; it must have the form of one."""
    name = getattr(application, "__name__", type(application).__name__)
    return name if name.isidentifier() else "application"
