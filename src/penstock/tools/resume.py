"""This file is `penstock resume`: a pool is put into service again."""

import click

from penstock.tools.control_client import server_options
from penstock.tools.control_pool import change_pool


@click.command("resume", options_metavar="[--control PATH] [--json]")
@click.argument("pool", metavar="POOL")
@server_options
def command(pool: str, target: str, control: str | None, *, as_json: bool) -> None:
    """Start the workers of a pool that was drained, or try one that is off after failures at once.

    POOL is a name of `penstock pools`. TARGET is what `penstock serve` was given,
    ./penstock.toml if not said. Exit code 1: refused, as when there is no such pool; 3: no server listens to commands there.
    """
    change_pool(target, control, pool, "resume", as_json=as_json)
