"""Rows as aligned columns, values as JSON."""

import json

import pytest

from penstock.tools.columns import as_json_text, columns


def test_every_column_is_as_wide_as_its_widest_cell() -> None:
    assert list(columns([("a", "bb", "c"), ("aaa", "b", "")])) == ["a    bb  c", "aaa  b"]


def test_no_rows_are_no_lines() -> None:
    assert list(columns([])) == []


def test_rows_have_as_many_cells_as_one_another() -> None:
    with pytest.raises(ValueError):
        list(columns([("a", "b"), ("a",)]))


def test_json_is_indented_and_readable() -> None:
    text = as_json_text({"name": "\u00fc", "list": [1, None]})
    assert json.loads(text) == {"name": "\u00fc", "list": [1, None]}
    assert text.startswith('{\n  "name": "\u00fc"')
