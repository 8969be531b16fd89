"""This file is `penstock diff`: what a reload would change."""

import click

from penstock.tools.control_client import ask, read, server_options, show_json


@click.command("diff", options_metavar="[--control PATH] [--json]")
@server_options
def command(target: str, control: str | None, *, as_json: bool) -> None:
    """Show what `penstock reload` would change: every setting that the site file has otherwise than what runs.

    TARGET is what `penstock serve` was given, ./penstock.toml if not said. Exit code 3: no server listens to commands there.
    """
    content = ask(target, control, "GET /v1/diff")
    if as_json:
        show_json(content)
        return
    from penstock.supervisor.control_model import Changes
    from penstock.tools.control_text import change_lines

    for line in change_lines(read(content, Changes)):
        click.echo(line)
