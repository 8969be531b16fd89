"""This file is the test of the lists of rules: every rule has a test that exists, or a reason, and each page is made from its list."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.rules_table import LISTS, Rule, marks_of, read_rules, render_rules

ROOT = Path(__file__).parent.parent
RULES = [rule for family in LISTS for rule in read_rules(family)]

# How many rules each section of the pipeline has. Of other sections there are those that are kept already.
COUNTS = {"P": 21, "M": 8, "H": 15, "R": 5, "A": 11, "E": 14, "X": 11, "T": 4, "O": 11, "F": 8, "L": 4, "D": 6}
COUNTS |= {"G": 12, "W": 9}
# Numbers of WebSockets that stand for a whole section: what is not in the list between them was never given.
LAST = {"SW": 99, "CO": 85, "CW": 11, "RT": 13, "OW": 15, "KA": 27, "AS": 29, "RS": 9, "H": 10, "F": 9, "C": 9, "S": 3}
LAST |= {"D": 15, "X": 10, "DV": 23, "O": 14, "PY": 24, "T": 40}
VERDICTS = {"pipeline": ("KEEP", "ADAPT", "DROP"), "websockets": ("KEEP", "ADAPT", "DROP", "LATER")}


def named(rule: Rule) -> str:
    return rule.id


@cache
def functions_in(file: str) -> frozenset[str]:
    """The names of the functions of a file, methods included."""
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_every_rule_is_in_the_list_once() -> None:
    expected = [
        f"pipeline {section}-{number:02}" for section, count in COUNTS.items() for number in range(1, count + 1)
    ]
    ids = [rule.id for rule in RULES]
    assert ids[: len(expected)] == expected
    assert len(set(ids)) == len(ids)


def test_the_sections_of_websockets_are_whole() -> None:
    numbers: dict[str, list[int]] = {}
    for rule in read_rules("websockets"):
        numbers.setdefault(rule.section, []).append(int(rule.id.partition("-")[2]))
    assert {section: found[-1] for section, found in numbers.items()} == LAST
    assert [section for section, found in numbers.items() if found != sorted(found) or found[0] != 1] == []


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_a_rule_has_a_verdict_a_line_and_a_test_or_a_reason(rule: Rule) -> None:
    assert rule.verdict in VERDICTS[rule.id.split()[0]]
    assert rule.text.endswith(".")
    assert "|" not in rule.text
    assert bool(rule.tests) != bool(rule.reason), "a rule has tests, or says why there are none"


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.tests], ids=named)
def test_the_tests_of_a_rule_exist_and_are_named_after_it(rule: Rule) -> None:
    for test in rule.tests:
        file, _, name = test.partition("::")
        list_file = LISTS[rule.id.split()[0]].name
        assert (ROOT / file).is_file(), f"{rule.id}: {file} is gone"
        assert name in functions_in(file), f"{rule.id}: {test} is gone; name another test of it in docs/{list_file}"
        assert rule.mark in marks_of(name)


def test_tests_are_named_after_rules_that_are_in_the_list() -> None:
    known = {rule.mark for rule in RULES}
    unknown = [
        f"{path.relative_to(ROOT)}::{name}"
        for path in ROOT.glob("tests/**/test_*.py")
        for name in functions_in(str(path.relative_to(ROOT)))
        if not known.issuperset(marks_of(name))
    ]
    assert unknown == []


@pytest.mark.parametrize("family", LISTS)
def test_page_is_up_to_date(family: str) -> None:
    page = LISTS[family].with_suffix(".md")
    option = "" if family == "pipeline" else f" {family}"
    made = f"make it anew: python -m tests.rules_table{option} > docs/{page.name}"
    assert page.read_text(encoding="utf-8") == render_rules(family), made
