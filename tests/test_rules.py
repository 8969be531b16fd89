"""This file is the test of the list of rules: every rule has a test that exists, or a reason, and the page is made from it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.rules_table import Rule, read_rules, render_rules

ROOT = Path(__file__).parent.parent
RULES = read_rules()

# How many rules each section has. Of other sections there are those that are kept already.
COUNTS = {"P": 21, "M": 8, "H": 15, "R": 5, "A": 11, "E": 14, "X": 11, "T": 4, "O": 11, "F": 8, "L": 4, "D": 6}


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


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_a_rule_has_a_verdict_a_line_and_a_test_or_a_reason(rule: Rule) -> None:
    assert rule.verdict in ("KEEP", "ADAPT", "DROP")
    assert rule.text.endswith(".")
    assert "|" not in rule.text
    assert bool(rule.tests) != bool(rule.reason), "a rule has tests, or says why there are none"


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule.tests], ids=named)
def test_the_tests_of_a_rule_exist_and_are_named_after_it(rule: Rule) -> None:
    mark = rule.id.replace(" ", "_").replace("-", "").lower()
    for test in rule.tests:
        file, _, name = test.partition("::")
        assert (ROOT / file).is_file(), f"{rule.id}: {file} is gone"
        assert name in functions_in(file), f"{rule.id}: {test} is gone; name another test of it in docs/rules.toml"
        assert name.startswith(f"test_{mark}_")


def test_tests_are_named_after_rules_that_are_in_the_list() -> None:
    known = {rule.id for rule in RULES}
    unknown = [
        f"{path.relative_to(ROOT)}::{name}"
        for path in ROOT.glob("tests/**/test_*.py")
        for name in functions_in(str(path.relative_to(ROOT)))
        if (found := re.match(r"test_pipeline_([a-z])(\d\d)_", name))
        and f"pipeline {found[1].upper()}-{found[2]}" not in known
    ]
    assert unknown == []


def test_page_is_up_to_date() -> None:
    page = (ROOT / "docs" / "rules.md").read_text(encoding="utf-8")
    assert page == render_rules(), "make it anew: python -m tests.rules_table > docs/rules.md"
