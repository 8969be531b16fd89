"""This file is `penstock stages`: the assembled plan, printed from what runs."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from penstock.errors import RequestRejected
from penstock.tools.check import FILE

if TYPE_CHECKING:
    from penstock.pipeline.plan import Plan
    from penstock.pipeline.site import PipelineSite
    from penstock.pipeline.stages import Stage
    from penstock.pipeline.step import Step


@click.command("stages", options_metavar="[--at PATH]")
@click.argument("file", type=FILE, default="penstock.toml")
@click.option("--at", metavar="PATH", help="A path whose plan is wanted, such as /admin/.")
@click.option(
    "--method", metavar="METHOD", default="GET", show_default=True, help="The method of the request to that path."
)
def command(file: Path, at: str | None, method: str) -> None:
    """Print the stages a request passes, and what is called in each, from the plans that run.

    Everything that the file names is imported. Without --at, every plan is printed.
    """
    from penstock.server import build
    from penstock.settings.loader import load

    for site in build(load(file, os.environ)).sites:
        click.echo(f"site {', '.join(site.hosts)}")
        for line in _every_plan(site) if at is None else _plan_at(site, at, method):
            click.echo(line)


def _plan_at(site: "PipelineSite", at: str, method: str) -> Iterator[str]:
    from penstock.http.targets import canonical_path

    try:
        path = canonical_path(at.encode())
    except RequestRejected as error:
        raise click.UsageError(f"{at} is refused: {error.detail}") from error
    plan, _ = site.find_plan(method.upper(), path)
    yield f"  {method.upper()} {path}"
    yield from plan_lines(plan)


def _every_plan(site: "PipelineSite") -> Iterator[str]:
    """Plans that do the same, whatever location they are for, are printed once."""
    printed: set[tuple[object, ...]] = set()
    for plan in site.plans:
        description = described(plan)
        if description not in printed:
            printed.add(description)
            yield f"  to {plan.target.name}"
            yield from plan_lines(plan)


def described(plan: "Plan") -> "tuple[tuple[Stage, str], ...]":
    """Stage and modules of every step that has any, in order, as it runs."""
    return tuple((step.stage, _label(step)) for step in plan.steps if step.module)


def _label(step: "Step") -> str:
    if step.hook == "leaves":
        return f"{step.module} (leaves)"
    if step.rule.startswith("scope "):
        return f"{step.module} ({step.rule.removeprefix('scope ')})"
    return f"{step.module} (after)" if step.is_post else step.module


def plan_lines(plan: "Plan") -> Iterator[str]:
    """Stage by stage what is called, in order."""
    from penstock.pipeline.stages import Stage

    called = described(plan)
    for stage in Stage:
        names: Sequence[str] = [name for at, name in called if at is stage]
        yield f"    {stage.name.lower():15}{', '.join(names)}".rstrip()
