"""This file is `penstock check`: every mistake in a site file at once."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.errors import ConfigurationError, Problem, StartupError

if TYPE_CHECKING:
    from penstock.settings.loader import SiteFile

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("check")
@click.argument("file", type=FILE, default="penstock.toml")
def command(file: Path) -> None:
    """Say every mistake in a site file at once, with its line; exit code 2 if there is one.

    Without FILE it is ./penstock.toml. What the environment overrides is looked at too. Everything the file names is
    imported and put together as `penstock serve` does it, but nothing is started and nothing listens.
    """
    from penstock.settings.check import check_site_file
    from penstock.settings.references import importable

    loaded = check_site_file(file, os.environ)
    with importable(loaded.settings.server.app_dirs):
        problems = list(composing_problems(loaded))
    if problems:
        raise ConfigurationError(problems)
    click.echo(f"{file}: no mistakes")


def composing_problems(loaded: "SiteFile") -> Iterator[Problem]:
    """What shows only when the parts are put together: settings of modules, their hooks, certificates, formats."""
    from penstock.pipeline_modules.access_formats import compile_format
    from penstock.server.composition import compose_sites
    from penstock.server.listening import open_server_tls
    from penstock.server.pool_sites import shown_addresses
    from penstock.supervisor.environments import judge_environments

    settings = loaded.settings
    pools = shown_addresses(settings, only_foreign=True)
    access_format = loaded.where(("server", "log", "access_format"))
    attempts: tuple[Callable[[], object], ...] = (
        lambda: compose_sites(settings, where=loaded.where, pools=pools),
        lambda: open_server_tls(settings),
        lambda: judge_environments(settings, loaded.where),
        lambda: compile_format(settings.server.log.access_format, where=access_format),
    )
    for attempt in attempts:
        try:
            attempt()
        except ConfigurationError as error:
            yield from error.problems
        except StartupError as error:
            yield Problem(str(error), str(loaded.path))
