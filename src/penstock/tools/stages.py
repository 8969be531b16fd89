"""This file is `penstock stages`: the assembled plan, printed from what runs."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.errors import RequestRejected
from penstock.tools.check import FILE
from penstock.tools.columns import as_json_text

if TYPE_CHECKING:
    from penstock.pipeline.plan import Plan
    from penstock.pipeline.site import PipelineSite


@click.command("stages", options_metavar="[--at PATH] [--json]")
@click.argument("file", type=FILE, default="penstock.toml")
@click.option("--at", metavar="PATH", help="A path whose plan is wanted, such as /admin/.")
@click.option(
    "--method", metavar="METHOD", default="GET", show_default=True, help="The method of the request to that path."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
def command(file: Path, at: str | None, method: str, *, as_json: bool) -> None:
    """Print the steps a request passes: in which order, at which stage, of which module, by which rule.

    Everything that the file names is imported, and what is printed is the plans that run. Without --at, every plan is.
    """
    from penstock.server import build
    from penstock.server.pool_sites import shown_addresses
    from penstock.settings.loader import load
    from penstock.tools.plan_text import plan_lines, plan_values

    settings = load(file, os.environ)
    sites = build(settings, pools=shown_addresses(settings)).sites
    if as_json:
        values = [plan_values(plan, site) for site in sites for _, plan in _wanted(site, at, method)]
        click.echo(as_json_text(values))
        return
    for site in sites:
        click.echo(f"site {', '.join(site.hosts)}")
        for title, plan in _wanted(site, at, method):
            click.echo(f"  {title}")
            for line in plan_lines(plan, indent="    "):
                click.echo(line)


def _wanted(site: "PipelineSite", at: str | None, method: str) -> "Iterator[tuple[str, Plan]]":
    """The plans that are asked for, each with a title."""
    return _every_plan(site) if at is None else iter([_plan_at(site, at, method)])


def _plan_at(site: "PipelineSite", at: str, method: str) -> "tuple[str, Plan]":
    from penstock.http.targets import canonical_path

    try:
        path = canonical_path(at.encode())
    except RequestRejected as error:
        raise click.UsageError(f"{at} is refused: {error.detail}") from error
    plan, _ = site.find_plan(method.upper(), path)
    return f"{method.upper()} {path} to {plan.target.name}", plan


def _every_plan(site: "PipelineSite") -> "Iterator[tuple[str, Plan]]":
    """Plans that do the same, whatever location they are for, are printed once."""
    from penstock.tools.plan_text import plan_facts

    printed: set[tuple[object, ...]] = set()
    for plan in site.plans:
        steps = [(step.stage, step.is_post, step.module, step.hook, step.rule) for step in plan.steps]
        facts = [fact for fact in plan_facts(plan) if fact[0] != "location"]
        description = (plan.target.name, *steps, *facts)
        if description not in printed:
            printed.add(description)
            yield f"to {plan.target.name}", plan
