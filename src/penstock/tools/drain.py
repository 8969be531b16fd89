"""This file is `penstock drain`: a pool is taken out of service."""

import click

from penstock.tools.control_client import server_options
from penstock.tools.control_pool import change_pool


@click.command("drain", options_metavar="[--control PATH] [--json]")
@click.argument("pool", metavar="POOL")
@server_options
def command(pool: str, target: str, control: str | None, *, as_json: bool) -> None:
    """Answer everything for a pool with 503, let its requests end, and stop its workers.

    POOL is a name of `penstock pools`; `penstock resume` ends it. TARGET is what `penstock serve` was given,
    ./penstock.toml if not said. Exit code 1: refused, as when there is no such pool; 3: no server listens to commands there.
    """
    change_pool(target, control, pool, "drain", as_json=as_json)
