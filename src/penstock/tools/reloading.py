"""This file is `--reload`: a parent that keeps the port open and watches the files, and how its child is told what to serve."""

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from penstock.settings import Settings
from penstock.tools.target import Kind, kind_of

if TYPE_CHECKING:
    from penstock.hosts.listener import BoundSocket

_ALWAYS: Final = ("*.py",)


def run_reloading(target: str, settings: Settings, said: Mapping[str, Any]) -> int:
    """Serve `target` in a child that is started anew when a watched file changes; the sockets stay open meanwhile.

    Returns the exit code. Raises ConfigurationError for places and folders that cannot be had.
    """
    from penstock.server.listening import open_listeners
    from penstock.supervisor.reload import run

    bound = open_listeners(settings)
    try:
        told = json.dumps(said_to_child(said, [_inherited(each) for each in bound]), default=str)
        return run(
            [sys.executable, "-m", "penstock.tools.reloading", target, told],
            [each.socket for each in bound],
            directories=said["reload_dir"] or settings.server.app_dirs,
            includes=(*_ALWAYS, *said["reload_include"]),
            files=[target] if kind_of(target) is Kind.SITE_FILE else [],
        )
    finally:
        for each in bound:
            each.close()


def said_to_child(said: Mapping[str, Any], inherited: list[str]) -> dict[str, Any]:
    """The options for the child: it listens at what it inherits, and is in development unless that was decided."""
    places = {"bind": inherited, "host": None, "port": None, "uds": None, "fd": None}
    return {**said, **places, "reload": False, "one_process": True, "mode": said["mode"] or "development"}


def _inherited(bound: "BoundSocket") -> str:
    return f"{'fcgi+' if bound.bind.is_fastcgi else ''}fd:{bound.socket.fileno()}"


def main(target: str, told: str) -> int:
    """Be the child: serve the target with the options that the parent hands over as JSON; the exit code."""
    from click import ClickException

    from penstock.tools.cli import in_words
    from penstock.tools.running import run

    try:
        return in_words(lambda: run(target, json.loads(told)))
    except ClickException as error:
        error.show()
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
