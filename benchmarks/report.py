"""Writes the table of benchmarks/results.json into docs/benchmarks.md and README.md, between its markers."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.bench import results, tables

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results.json"
PAGES = (ROOT / "docs" / "benchmarks.md", ROOT / "README.md")
BEGIN, END = "<!-- benchmarks -->", "<!-- /benchmarks -->"


def described(found: results.Entry) -> str:
    """The table, and the machine it was made on."""
    machine, options = found["machine"], found["options"]
    versions = {name: text for env in machine["environments"].values() for name, text in env.items()}
    named = ", ".join(f"{name} {versions[name]}" for name in sorted(versions))
    programs = ", ".join(f"{name} {text}" for name, text in machine["programs"].items())
    days = sorted({entry["date"][:10] for entry in found["cases"]})
    return (
        f"{tables.markdown(found['cases'])}\n\n"
        f"Made on {' and '.join(days)}: {machine['processor']}, {machine['cores']} cores, {machine['system']}; "
        f"medians of {options['runs']} paired runs of {options['seconds']:g} s. {named}; {programs}."
    )


def with_table(page: str, table: str) -> str:
    """The page with the table in its place. Raises ValueError if it has no place for it."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"there is no {BEGIN} followed by {END}")
    return f"{before}{begin}\n{table}\n{end}{after}"


def main() -> int:
    table = described(results.read(RESULTS))
    status = 0
    for path in PAGES:
        try:
            path.write_text(with_table(path.read_text(encoding="utf-8"), table), encoding="utf-8")
        except (OSError, ValueError) as error:
            print(f"{path.relative_to(ROOT)}: {error}", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
