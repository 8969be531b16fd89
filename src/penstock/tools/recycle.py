"""This file is `penstock recycle`: workers are replaced because somebody wishes it."""

import click

from penstock.tools.control_client import ask, read, segment, server_options, show_json


@click.command("recycle", options_metavar="[--pool NAME | --worker ID] [--no-wait] [--control PATH] [--json]")
@server_options
@click.option("--pool", metavar="NAME", help="Only the workers of this pool.")
@click.option("--worker", metavar="ID", help="Only this worker, an id of `penstock workers`.")
@click.option("--reason", metavar="TEXT", default="", help="Why, for the log.")
@click.option("--no-wait", is_flag=True, help="Return when they are being replaced, and not when they are.")
def command(
    target: str,
    control: str | None,
    *,
    as_json: bool,
    pool: str | None,
    worker: str | None,
    reason: str,
    no_wait: bool,
) -> None:
    """Replace workers, one after the other: each goes when its successor is ready, and no request is lost.

    TARGET is what `penstock serve` was given, ./penstock.toml if not said. Exit code 1: new workers did not start, and the old
    ones go on; 3: no server listens to commands there.
    """
    if pool is not None and worker is not None:
        raise click.UsageError("Say --pool or --worker, not both: a worker is in one pool.")
    order = {"wait": not no_wait, "reason": reason}
    content = ask(target, control, f"POST /v1{_place(pool, worker)}/recycle", order, waits=True)
    if as_json:
        show_json(content)
        return
    from penstock.supervisor.control_calls import RecycleOutcome
    from penstock.tools.control_text import outcome_lines

    for line in outcome_lines(read(content, RecycleOutcome).pools):
        click.echo(line)


def _place(pool: str | None, worker: str | None) -> str:
    if pool is not None:
        return f"/pools/{segment('pool', pool)}"
    return "" if worker is None else f"/workers/{segment('worker', worker)}"
