"""This file is `penstock stacks`: what runs where in a worker, also in one that is stuck."""

import click

from penstock.tools.control_client import ask, segment, server_options


@click.command("stacks", options_metavar="[--control PATH] [--json]")
@click.argument("worker", metavar="WORKER")
@server_options
def command(worker: str, target: str, control: str | None, *, as_json: bool) -> None:
    """Print the stacks of a worker: its requests and tasks, and its threads; of one that is stuck, the threads alone.

    WORKER is an id of `penstock workers`. TARGET is what `penstock serve` was given, ./penstock.toml if not said. Exit code 1:
    there is no such worker; 3: no server listens to commands there.
    """
    text = ask(target, control, f"GET /v1/stacks/{segment('worker', worker)}").decode("utf-8", "backslashreplace")
    if as_json:
        from penstock.tools.columns import as_json_text

        text = as_json_text({"worker": worker, "stacks": text})
    click.echo(text.rstrip("\n"))
