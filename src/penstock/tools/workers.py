"""This file is `penstock workers`: the worker processes of a running server."""

import click

from penstock.tools.control_client import ask, read, server_options, show_json


@click.command("workers", options_metavar="[--control PATH] [--json]")
@server_options
def command(target: str, control: str | None, *, as_json: bool) -> None:
    """List the workers of a running server: their requests, memory and the lag of their event loops.

    TARGET is what `penstock serve` was given, ./penstock.toml if not said. Exit code 3: no server listens to commands there.
    """
    content = ask(target, control, "GET /v1/workers")
    if as_json:
        show_json(content)
        return
    from penstock.supervisor.control_calls import Workers
    from penstock.tools.control_text import worker_lines

    for line in worker_lines(read(content, Workers).workers):
        click.echo(line)
