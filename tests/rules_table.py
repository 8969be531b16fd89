"""This file is how docs/rules.md and docs/websocket-rules.md are made from their lists: `python -m tests.rules_table [websockets]`."""

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parent.parent / "docs"
# The families of rules, and their lists; the page beside each list is made from it.
LISTS = {"pipeline": DOCS / "rules.toml", "websockets": DOCS / "websocket-rules.toml"}

_PIPELINE = """\
# The rules of the pipeline

<!-- Made from docs/rules.toml by `python -m tests.rules_table > docs/rules.md`. -->

An id such as `pipeline P-08` in a comment, an error message or the name of a test (`test_pipeline_p08_...`) means a line of these
tables. The pipeline comes from that of IIS and ASP.NET; the verdict says what became of each of its rules:
**KEEP** - kept as it was; **ADAPT** - kept in its intent, by other means; **DROP** - replaced by what the line says.

The build fails when a test named here vanishes, or when a rule has neither a test nor a reason.
"""

_WEBSOCKETS = """\
# The rules of WebSockets

<!-- Made from docs/websocket-rules.toml by `python -m tests.rules_table websockets > docs/websocket-rules.md`. -->

An id such as `websockets SW-33` in a comment, an error message or the name of a test (`test_websockets_sw33_...`; it may name
several) means a line of these tables. They come from what servers do today and from the RFCs; the verdict says what became of each:
**KEEP** - kept as it was; **ADAPT** - kept in its intent, by other means; **DROP** - replaced by what the line says; **LATER** - it
comes with what it needs. How to use WebSockets is told in [WebSockets](websockets.md).

The build fails when a test named here vanishes, or when a rule has neither a test nor a reason.
"""

_INTRODUCTIONS = {"pipeline": _PIPELINE, "websockets": _WEBSOCKETS}

_SECTIONS = {
    "pipeline": {
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
        "W": "Worker processes",
        "Z": "What used to surprise people",
    },
    "websockets": {
        "SW": "The socket behind the pipeline (from System.Web)",
        "CO": "OWIN and inline accepts, in both directions (from ASP.NET Core)",
        "CW": "Accepting in place (from ASP.NET Core)",
        "RT": "States and frames (from .NET)",
        "OW": "The OWIN extension",
        "KA": "OWIN on its hosts (from Katana)",
        "AS": "ASGI",
        "RS": "RSGI",
        "H": "The handshake (RFC 6455)",
        "F": "Frames (RFC 6455)",
        "C": "Closing (RFC 6455)",
        "S": "Safety (RFC 6455)",
        "D": "Compression (RFC 7692)",
        "X": "Over HTTP/2 (RFC 8441)",
        "DV": "Where servers differ, and what we do",
        "O": "The order of things",
        "PY": "On asyncio",
        "T": "The acceptance tests",
    },
}


class Rule(NamedTuple):
    """One line of a list. `tests` are `file::function`; `reason` says why there are none."""

    id: str
    verdict: str
    text: str
    tests: tuple[str, ...]
    reason: str

    @property
    def section(self) -> str:
        return self.id.split()[1].partition("-")[0]

    @property
    def mark(self) -> str:
        """Its id in the name of a test: "pipeline_p08", "websockets_sw33"."""
        return self.id.replace(" ", "_").replace("-", "").lower()


def read_rules(family: str = "pipeline") -> list[Rule]:
    """The rules of a family in the order of its list."""
    tree = tomllib.loads(LISTS[family].read_text(encoding="utf-8"))
    return [
        Rule(name, each["verdict"], each["rule"], tuple(each.get("tests", ())), each.get("reason", ""))
        for name, each in tree.items()
    ]


def marks_of(name: str) -> list[str]:
    """The marks of rules in the name of a test; a WebSockets test may name several, with or without a leading zero."""
    words = name.split("_")[1:]
    if words[:1] == ["pipeline"]:
        return [f"pipeline_{word}" for word in words[1:2] if re.fullmatch(r"[a-z]\d\d", word)]
    marks = []
    for word in words[1:] if words[:1] == ["websockets"] else ():
        found = re.fullmatch(r"([a-z]+)0*(\d+)", word)
        if found is None or found[1].upper() not in _SECTIONS["websockets"]:
            break
        marks.append(f"websockets_{found[1]}{found[2]}")
    return marks


def render_rules(family: str = "pipeline") -> str:
    """The text of the page of a family."""
    rules = read_rules(family)
    sections = [
        _section(title, [each for each in rules if each.section == key]) for key, title in _SECTIONS[family].items()
    ]
    return "\n".join([_INTRODUCTIONS[family], *(line for section in sections for line in section)])


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
    sys.stdout.write(render_rules(*sys.argv[1:2]))
