"""This file is `penstock reload`: a site file that was edited takes effect in the server that runs."""

import click

from penstock.tools.control_client import ask, read, server_options, show_json


@click.command("reload", options_metavar="[--no-wait] [--control PATH] [--json]")
@server_options
@click.option("--no-wait", is_flag=True, help="Return when the workers are being replaced, and not when they are.")
def command(target: str, control: str | None, *, as_json: bool, no_wait: bool) -> None:
    """Check the site file, and replace the workers of the pools that it changes, without losing a request.

    A file with mistakes changes nothing: they are printed as `penstock check` does it. TARGET is what `penstock serve` was
    given, ./penstock.toml if not said. Exit code 1: mistakes, or new workers that did not start; 3: no server listens to
    commands there.
    """
    content = ask(target, control, "POST /v1/reload", {"wait": not no_wait}, waits=True)
    if as_json:
        show_json(content)
        return
    from penstock.supervisor.control_model import ReloadOutcome
    from penstock.tools.control_text import change_lines, outcome_lines

    outcome = read(content, ReloadOutcome)
    for line in (*change_lines(outcome.changed), *outcome_lines(outcome.pools)):
        click.echo(line)
