"""The bench: ours and the other servers side by side, on one core each. See docs/benchmarks.md."""

import argparse
import fnmatch
import os
import resource
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.bench import machine, playground, results, rounds, tables
from benchmarks.bench.cases import CASES
from benchmarks.bench.model import BenchError, Case
from benchmarks.bench.playground import Playground
from benchmarks.bench.processes import LOAD_CORE, SERVER_CORE, leave_nothing

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results.json"
VENVS = {"pure": ".venv-bench", "compiled": ".venv-bench-compiled", "peers": ".venv-peers"}
QUICK_STARTS = 3


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python benchmarks/run.py", description=__doc__)
    parser.add_argument("--cases", metavar="A,B", default="", help="only these, or patterns of them; --list names them")
    parser.add_argument("--list", action="store_true", help="name the cases and stop")
    parser.add_argument("--runs", type=int, default=3, help="rounds of paired runs (3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a run (5)")
    parser.add_argument("--quick", action="store_true", help="one round of one second: does it work?")
    parser.add_argument("--only-us", action="store_true", help="without the other servers")
    parser.add_argument("--variants", metavar="A,B", default="pure,compiled", help="which of ours (pure,compiled)")
    parser.add_argument("--output", type=Path, help="where to write; a part of the cases is written only if told")
    parser.add_argument(
        "--merge", action="store_true", help="put these cases in their place in benchmarks/results.json"
    )
    for name, venv in VENVS.items():
        variable = f"BENCH_{name.upper()}"
        default = os.environ.get(variable, str(ROOT / venv / "bin" / "python"))
        parser.add_argument(f"--{name}", metavar="PYTHON", default=default, help=f"interpreter ({variable}, {venv})")
    return parser.parse_args()


def choose(names: str) -> list[Case]:
    """The cases of those names or patterns, in the order of the table. Raises BenchError for one that names none."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    known = [case.name for case in CASES]
    if unknown := [name for name in wanted if not fnmatch.filter(known, name)]:
        raise BenchError(f"no such case: {', '.join(unknown)}; there are {', '.join(known)}")
    return [case for case in CASES if not wanted or any(fnmatch.fnmatch(case.name, name) for name in wanted)]


def find_pythons(options: argparse.Namespace) -> dict[str, Path]:
    wanted = [*options.variants.split(","), *([] if options.only_us else ["peers"])]
    found = {}
    for name in wanted:
        if name not in VENVS:
            raise BenchError(f"no such variant: {name}; there are pure and compiled")
        python = Path(getattr(options, name)).absolute()
        if python.exists():
            found[name] = python
        else:
            print(f"left out: {name}: there is no {python}")
    return found


def run_case(case: Case, field: Playground, *, options: argparse.Namespace) -> results.Entry:
    variants = [variant for variant in ("pure", "compiled") if variant in field.pythons]
    servers = rounds.servers_of(case, variants, peers="peers" in field.pythons)
    count = QUICK_STARTS if options.quick and case.rounds else 1 if options.quick else max(options.runs, case.rounds)
    seconds = 1.0 if options.quick else options.seconds
    rounds.run(servers, field, rounds=count, seconds=seconds)
    return results.case_entry(case, servers, made=machine.made())


def run_all(cases: Sequence[Case], options: argparse.Namespace) -> int:
    pythons = find_pythons(options)
    description = machine.describe(pythons)
    print(
        f"{description['processor']}, {description['cores']} cores: servers on core {SERVER_CORE}, load on {LOAD_CORE}"
    )
    print(f"load average before the bench: {machine.load_average():.2f}\n", flush=True)
    entries = []
    with tempfile.TemporaryDirectory(prefix="bench-") as work:
        playground.lay_out(Path(work))
        field = Playground(work=Path(work), pythons=pythons, peers=Path(options.peers).absolute())
        for case in cases:
            entries.append(run_case(case, field, options=options))
            print(tables.block(entries[-1]), flush=True)
    print(tables.summary(entries))
    keep(entries, description, options=options)
    return any(server["failure"] for entry in entries for server in entry["servers"])


def keep(entries: list[results.Entry], description: results.Entry, *, options: argparse.Namespace) -> None:
    """A complete bench is written to results.json; of a part, what the caller wants."""
    is_part = bool(options.cases or options.only_us or options.quick)
    output: Path | None = options.output or (None if is_part and not options.merge else RESULTS)
    if output is None:
        return
    if options.merge and output.exists():
        order = [case.name for case in CASES]
        entries = results.merged(results.read(output)["cases"], entries, order=order)
    chosen = {"runs": options.runs, "seconds": options.seconds, "quick": options.quick}
    results.write(output, description, options=chosen, cases=entries)
    print(f"written: {output}")


def main() -> int:
    options = read_options()
    if options.list:
        print("\n".join(f"{case.name:<24}{case.title}" for case in CASES))
        return 0
    leave_nothing()
    os.sched_setaffinity(0, {LOAD_CORE})
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    try:
        return run_all(choose(options.cases), options)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
