"""This file is `penstock pools`: the pools of a running server."""

import click

from penstock.tools.control_client import ask, read, server_options, show_json


@click.command("pools", options_metavar="[--control PATH] [--json]")
@server_options
def command(target: str, control: str | None, *, as_json: bool) -> None:
    """List the pools of a running server: how many workers they have, and why a pool is off.

    TARGET is what `penstock serve` was given, ./penstock.toml if not said. Exit code 3: no server listens to commands there.
    """
    content = ask(target, control, "GET /v1/pools")
    if as_json:
        show_json(content)
        return
    from penstock.supervisor.control_calls import Pools
    from penstock.tools.control_text import pool_lines

    for line in pool_lines(read(content, Pools).pools):
        click.echo(line)
