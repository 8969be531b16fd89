"""The results as they are written to results.json and read again: plain dictionaries of numbers and names."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.bench.model import Case
from benchmarks.bench.rounds import Runs
from benchmarks.bench.verdicts import is_load_full, judge, middle

Entry = dict[str, Any]


def case_entry(case: Case, servers: list[Runs], *, made: Entry) -> Entry:
    """One case: every run of every server, and the verdicts. `made` says when and from what."""
    return {
        "name": case.name,
        "title": case.title,
        "unit": case.metric.unit,
        "more_is_better": case.metric.more_is_better,
        **made,
        "servers": [server_entry(runs, case) for runs in servers],
        "verdicts": [asdict(verdict) for verdict in judge(case, servers)],
    }


def server_entry(runs: Runs, case: Case) -> Entry:
    samples = runs.samples
    return {
        "name": runs.name,
        "variant": runs.variant,
        "rival": runs.rival,
        "family": runs.family,
        "command": runs.command,
        "failure": runs.failure,
        "value": middle([sample.value for sample in samples]),
        "cpu_us": middle([sample.cpu_us for sample in samples]),
        "server_share": middle([sample.server_share for sample in samples]),
        "load_share": middle([sample.load_share for sample in samples]),
        "load_full": is_load_full(runs),
        "is_saturating": case.metric.more_is_better and bool(samples),
        "runs": [asdict(sample) for sample in samples],
    }


def write(path: Path, machine: Entry, *, options: Entry, cases: list[Entry]) -> None:
    text = json.dumps({"machine": machine, "options": options, "cases": cases}, indent=1)
    path.write_text(text + "\n", encoding="utf-8")


def read(path: Path) -> Entry:
    found: Entry = json.loads(path.read_text(encoding="utf-8"))
    return found


def merged(old: list[Entry], new: list[Entry], *, order: list[str]) -> list[Entry]:
    """The cases of an earlier run with those of this one in their place."""
    by_name = {entry["name"]: entry for entry in (*old, *new)}
    return [by_name[name] for name in order if name in by_name]
