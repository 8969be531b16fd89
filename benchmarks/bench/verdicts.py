"""What came out: ratios of paired runs, their medians, and whether they reach the target."""

from dataclasses import dataclass
from statistics import median

from benchmarks.bench.model import Case, Metric, Rival, Sample
from benchmarks.bench.rounds import Runs

FULL = 0.95  # of its core: from there on the load generator, not the server, is what is measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Ours beside one of the others. `by` says what the ratio is of: "value", or "cpu" where the load was the limit."""

    variant: str
    rival: str
    by: str
    ratio: float
    ratios: tuple[float, ...]
    value_ratio: float
    cpu_ratio: float | None
    target: float
    aim: float | None
    more_is_better: bool
    met: bool


def judge(case: Case, servers: list[Runs]) -> list[Verdict]:
    """A verdict for each of ours beside each of the others, where both were measured."""
    theirs = {(runs.rival, runs.variant): runs for runs in servers if runs.rival}
    pairs = [
        (rival, ours, theirs.get((rival.recipe.name, ours.variant if rival.is_ours else "")))
        for ours in servers
        for rival in case.rivals
        if not ours.rival
    ]
    return [
        compare(ours, other, rival=rival, metric=case.metric)
        for rival, ours, other in pairs
        if other is not None and is_comparable(ours, other)
    ]


def is_comparable(ours: Runs, theirs: Runs) -> bool:
    return not ours.failure and not theirs.failure and bool(ours.samples and theirs.samples)


def compare(ours: Runs, theirs: Runs, *, rival: Rival, metric: Metric) -> Verdict:
    pairs = list(zip(ours.samples, theirs.samples, strict=True))
    values = [mine.value / other.value for mine, other in pairs]
    costs = [cost for mine, other in pairs if (cost := cost_ratio(mine, other)) is not None]
    by_cost = metric.more_is_better and bool(costs) and (is_load_full(ours) or is_load_full(theirs))
    ratios = costs if by_cost else values
    ratio = median(ratios)
    target = rival.pure if ours.variant == "pure" else rival.compiled
    return Verdict(
        variant=ours.variant,
        rival=theirs.rival,
        by="cpu" if by_cost else "value",
        ratio=round(ratio, 3),
        ratios=tuple(round(each, 3) for each in ratios),
        value_ratio=round(median(values), 3),
        cpu_ratio=round(median(costs), 3) if costs else None,
        target=target,
        aim=rival.aim,
        more_is_better=metric.more_is_better,
        met=ratio >= target if metric.more_is_better else ratio <= target,
    )


def cost_ratio(ours: Sample, theirs: Sample) -> float | None:
    """How many of our requests the processor time of one of theirs would pay for."""
    return theirs.cpu_us / ours.cpu_us if ours.cpu_us and theirs.cpu_us else None


def is_load_full(runs: Runs) -> bool:
    shares = [sample.load_share for sample in runs.samples if sample.load_share is not None]
    return bool(shares) and median(shares) >= FULL


def middle(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None
