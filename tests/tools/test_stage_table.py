"""This file is the test of docs/stages.md: it says what the table of stages says."""

import subprocess
import sys
from pathlib import Path

from penstock.pipeline.stages import RULES, Stage
from penstock.tools.stage_table import render_stages

PAGE = Path(__file__).parent.parent.parent / "docs" / "stages.md"


def test_page_is_up_to_date() -> None:
    expected = render_stages()
    actual = PAGE.read_text(encoding="utf-8")
    assert expected == actual, "make it anew: python -m penstock.tools.stage_table > docs/stages.md"


def test_every_stage_has_a_row_in_order() -> None:
    rows = [line for line in render_stages().splitlines() if line.startswith("| ") and "`" in line.split("|")[2]]
    assert [stage.name for stage in Stage] == [row.split("`")[1] for row in rows]
    assert [rule.has_post for rule in RULES.values()] == ["✓" in row for row in rows]


def test_is_printed_by_the_module() -> None:
    command = [sys.executable, "-W", "error", "-m", "penstock.tools.stage_table"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert render_stages() == done.stdout
