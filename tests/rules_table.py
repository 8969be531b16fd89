"""This file is how docs/rules.md is made from docs/rules.toml; `python -m tests.rules_table` prints it."""

import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

LIST = Path(__file__).parent.parent / "docs" / "rules.toml"

_INTRODUCTION = """\
# The rules of the pipeline

<!-- Made from docs/rules.toml by `python -m tests.rules_table > docs/rules.md`. -->

An id such as `pipeline P-08` in a comment, an error message or the name of a test (`test_pipeline_p08_...`) means a line of these
tables. The pipeline comes from that of IIS and ASP.NET; the verdict says what became of each of its rules:
**KEEP** - kept as it was; **ADAPT** - kept in its intent, by other means; **DROP** - replaced by what the line says.

The build fails when a test named here vanishes, or when a rule has neither a test nor a reason.
"""

_SECTIONS = {
    "P": "Stages and hooks",
    "M": "The step machine",
    "H": "Mapping and running handlers",
    "R": "How long handlers live",
    "A": "Modules and the life of a site",
    "E": "The way in and the way out",
    "X": "Errors",
    "T": "Ending early",
    "O": "The response",
    "F": "Files",
    "L": "Limits",
    "D": "Seeing it",
    "G": "Recycling",
    "Z": "What used to surprise people",
}


class Rule(NamedTuple):
    """One line of the list. `tests` are `file::function`; `reason` says why there are none."""

    id: str
    verdict: str
    text: str
    tests: tuple[str, ...]
    reason: str

    @property
    def section(self) -> str:
        return self.id.split()[1][0]


def read_rules(path: Path = LIST) -> list[Rule]:
    """The rules in the order of the list."""
    tree = tomllib.loads(path.read_text(encoding="utf-8"))
    return [
        Rule(name, each["verdict"], each["rule"], tuple(each.get("tests", ())), each.get("reason", ""))
        for name, each in tree.items()
    ]


def render_rules() -> str:
    """The text of docs/rules.md."""
    rules = read_rules()
    sections = [_section(title, [each for each in rules if each.section == key]) for key, title in _SECTIONS.items()]
    return "\n".join([_INTRODUCTION, *(line for section in sections for line in section)])


def _section(title: str, rules: list[Rule]) -> Iterator[str]:
    yield f"## {title}\n"
    yield "| rule | verdict | what holds | tests |"
    yield "|---|---|---|---|"
    for rule in rules:
        yield f"| {rule.id} | {rule.verdict} | {rule.text} | {_tests_of(rule)} |"
    yield ""


def _tests_of(rule: Rule) -> str:
    if not rule.tests:
        return f"_{rule.reason}_"
    files = dict.fromkeys(test.partition("::")[0] for test in rule.tests)
    return ", ".join(f"[{Path(file).name}](../{file})" for file in files)


if __name__ == "__main__":
    sys.stdout.write(render_rules())
