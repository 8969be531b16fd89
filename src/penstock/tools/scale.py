"""This file is `penstock scale`: more or fewer workers, now."""

import click

from penstock.tools.control_client import server_options
from penstock.tools.control_pool import change_pool


class WorkerCount(click.IntRange):
    """How many workers; click calls what it takes by this name when it is something else."""

    name = "whole number"


@click.command("scale", options_metavar="[--control PATH] [--json]")
@click.argument("pool", metavar="POOL")
@click.argument("workers", metavar="WORKERS", type=WorkerCount(1, 1024))
@server_options
def command(pool: str, workers: int, target: str, control: str | None, *, as_json: bool) -> None:
    """Give a pool more or fewer workers, until the next reload that changes it; to keep it so, edit the site file.

    POOL is a name of `penstock pools`, WORKERS how many it is to have. TARGET is what `penstock serve` was given,
    ./penstock.toml if not said. Exit code 1: refused, as when there is no such pool; 3: no server listens to commands there.
    """
    change_pool(target, control, pool, "scale", {"workers": workers}, as_json=as_json)
