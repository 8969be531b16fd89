"""Paired runs: in every round each server of a case has its turn, and what is compared is compared within a round."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.bench.model import BenchError, Case, Exchange, Load, Recipe, Rival, Sample
from benchmarks.bench.playground import Playground

LEAST = 0.1  # CPU µs: a smaller difference between two servers cannot be told from none


@dataclass(slots=True, kw_only=True)
class Runs:
    """What one server of a case did, round by round; or why it could not be measured."""

    name: str
    recipe: Recipe
    variant: str  # which of ours; "" for the others
    rival: str = ""  # the name of the recipe that ours are compared with; "" for what is compared
    family: str = ""  # that of the rival
    load: Load
    exchange: Exchange
    command: str = ""
    failure: str = ""
    samples: list[Sample] = field(default_factory=list)


def servers_of(case: Case, variants: Sequence[str], *, peers: bool) -> list[Runs]:
    ours = [
        Runs(name=f"penstock ({variant})", recipe=case.ours, variant=variant, load=case.load, exchange=case.exchange)
        for variant in variants
    ]
    theirs = [
        rival_runs(rival, case, variant=variant)
        for rival in case.rivals
        for variant in (variants if rival.is_ours else [""])
        if peers or rival.is_ours
    ]
    return ours + theirs


def rival_runs(rival: Rival, case: Case, *, variant: str) -> Runs:
    name = rival.recipe.name
    return Runs(
        name=f"{name} ({variant})" if variant else name,
        recipe=rival.recipe,
        variant=variant,
        rival=name,
        family=rival.family,
        load=rival.load or case.load,
        exchange=rival.exchange or case.exchange,
    )


def run(servers: Sequence[Runs], playground: Playground, *, rounds: int, seconds: float) -> None:
    """One round after the other; every second one backwards, so that a drift of the machine favours nobody."""
    for number in range(rounds):
        for runs in servers if number % 2 == 0 else reversed(servers):
            if not runs.failure:
                run_once(runs, playground, seconds=seconds)


def run_once(runs: Runs, playground: Playground, *, seconds: float) -> None:
    runs.command = runs.recipe.shown
    without = runs.recipe.without
    try:
        sample = measured(runs, runs.recipe, playground, seconds=seconds)
        if without is not None:
            runs.command += f"; {without.shown}"
            sample = added(sample, measured(runs, without, playground, seconds=seconds))
        runs.samples.append(sample)
    except (BenchError, OSError) as error:
        runs.failure = str(error)


def measured(runs: Runs, recipe: Recipe, playground: Playground, *, seconds: float) -> Sample:
    return runs.load.measure(playground.launch(recipe, runs.variant), runs.exchange, seconds=seconds)


def added(sample: Sample, without: Sample) -> Sample:
    """What the first one costs more than the second one."""
    cost, bare = sample.cpu_us or 0.0, without.cpu_us or 0.0
    value = max(round(cost - bare, 3), LEAST)
    return Sample(value=value, details={"cpu_us_with": cost, "cpu_us_without": bare})
