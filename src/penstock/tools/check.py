"""This file is `penstock check`: every mistake in a site file at once."""

import os
from pathlib import Path

import click

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("check")
@click.argument("file", type=FILE, default="penstock.toml")
def command(file: Path) -> None:
    """Say every mistake in a site file at once, with its line; exit code 2 if there is one.

    Without FILE it is ./penstock.toml. What the environment overrides is looked at too, and everything the file names
    is imported.
    """
    from penstock.settings.check import check_site_file

    check_site_file(file, os.environ)
    click.echo(f"{file}: no mistakes")
