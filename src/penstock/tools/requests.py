"""This file is `penstock requests`: what is inside a running server now, and in which stage."""

from urllib.parse import quote

import click

from penstock.tools.control_client import ask, read, server_options, show_json


@click.command("requests", options_metavar="[--pool NAME] [--control PATH] [--json]")
@server_options
@click.option("--pool", metavar="NAME", help="Only those in this pool.")
def command(target: str, control: str | None, *, as_json: bool, pool: str | None) -> None:
    """List the requests that wait inside a running server: since when, in which stage, of which module, in which worker.

    TARGET is what `penstock serve` was given, ./penstock.toml if not said. Queries are never shown. Exit code 3: no server
    listens to commands there.
    """
    content = ask(target, control, "GET /v1/requests" + (f"?pool={quote(pool, safe='')}" if pool is not None else ""))
    if as_json:
        show_json(content)
        return
    from penstock.supervisor.control_calls import Requests
    from penstock.tools.control_text import request_lines

    for line in request_lines(read(content, Requests)):
        click.echo(line)
