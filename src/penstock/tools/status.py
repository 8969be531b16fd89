"""This file is `penstock status`: a running server at one glance."""

import click

from penstock.tools.control_client import ask, read, server_options, show_json


@click.command("status", options_metavar="[--control PATH] [--json]")
@server_options
def command(target: str, control: str | None, *, as_json: bool) -> None:
    """Show a running server: since when, what it listens on, its pools and its workers.

    TARGET is what `penstock serve` was given, ./penstock.toml if not said. Exit code 3: no server listens to commands there.
    """
    content = ask(target, control, "GET /v1/status")
    if as_json:
        show_json(content)
        return
    from penstock.supervisor.control_model import ServerStatus
    from penstock.tools.control_text import status_lines

    for line in status_lines(read(content, ServerStatus)):
        click.echo(line)
