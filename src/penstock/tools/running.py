"""This file is how a server is run from the command line: settings, logging, start-up lines, and with `--reload` over again."""

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from penstock.settings import Settings
from penstock.tools.options import Options, has_workers, overlay
from penstock.tools.target import Single, settings_of

if TYPE_CHECKING:
    from penstock.server import Server

_PLACES: Final = ("bind", "host", "port", "uds", "fd")
_SINGLE: Final = ("interface", "factory", "root_path", "threads")


def run(target: str, said: Mapping[str, Any]) -> int:
    """Serve `target` until it is asked to stop; the exit code. `said` holds the options of `penstock serve`."""
    settings = settings_from(target, said)
    if said["reload"]:
        from penstock.tools.reloading import run_reloading

        with holding_pid_file(settings):
            return run_reloading(target, settings, said)
    if settings.is_supervised or has_workers():
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
        _tell_systemd(server)

    with holding_pid_file(settings):
        return serve(settings, ready=ready)


@contextmanager
def holding_pid_file(settings: Settings) -> Iterator[None]:
    """The file with the process id, for as long as the server runs; nothing where none is wanted. Raises ConfigurationError."""
    if not settings.server.pid_file:
        yield
        return
    from penstock.supervisor.pid_file import PidFile

    file = PidFile(settings.server.pid_file)
    file.write()
    try:
        yield
    finally:
        file.remove()


def settings_from(target: str, said: Mapping[str, Any]) -> Settings:
    """The settings of `target` with the options laid over them."""
    single = Single(**{name: said[name] for name in _SINGLE})
    options: Any = {name: value for name, value in said.items() if name in Options.__annotations__}
    options["app_dir"] = [str(Path(folder).resolve()) for folder in said["app_dir"]]
    return _with_handed_sockets(overlay(settings_of(target, single), **options), said)


def _with_handed_sockets(settings: Settings, said: Mapping[str, Any]) -> Settings:
    """Listen at the sockets that systemd hands over, unless an option or a variable says where to listen."""
    is_said = any(said.get(name) not in (None, ()) for name in _PLACES) or "PENSTOCK_SERVER__LISTEN" in os.environ
    if is_said or "LISTEN_FDS" not in os.environ:
        return settings
    from penstock.supervisor.systemd import find_sockets, places_with

    listen = places_with(find_sockets(), settings.server.listen)
    return replace(settings, server=replace(settings.server, listen=listen))


def _tell_systemd(server: "Server") -> None:
    """Say that all is up, and from now on that the event loop turns."""
    if "NOTIFY_SOCKET" not in os.environ:
        return
    from penstock.supervisor.systemd import Notifier

    notifier = Notifier()
    loop = server.started.loop

    def beat() -> None:
        notifier.watchdog()
        loop.call_later(notifier.watchdog_interval, beat)

    notifier.ready()
    if notifier.watchdog_interval:
        beat()
