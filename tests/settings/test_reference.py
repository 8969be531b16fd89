"""This file is the test of the reference of the site file: up to date, complete, and its examples are right."""

import re
import tomllib
from pathlib import Path

import pytest

from penstock.settings.catalog import fields_of, label, tables
from penstock.settings.reference import render_reference, toml_value
from penstock.settings.shape import Shape

COMMITTED = Path(__file__).parents[2] / "docs" / "site-file.md"
EXAMPLES = re.findall(r"```toml\n(.*?)```", render_reference(), re.DOTALL)


class TestReference:
    def test_the_committed_one_is_made_from_the_models(self) -> None:
        advice = "run `python -m penstock.settings.reference > docs/site-file.md`"
        assert COMMITTED.read_text(encoding="utf-8") == render_reference(), advice

    def test_has_every_key_of_every_table(self) -> None:
        text = render_reference()
        for path, model in tables():
            if path:
                section = text.partition(f"## `{label(path)}`\n")[2].partition("\n## ")[0]
                own = {key for key in fields_of(model) if f"| `{key}` |" in section}
                elsewhere = {key for key in fields_of(model) if f"{label((*path, key))}" in text}
                assert own | elsewhere == set(fields_of(model))

    @pytest.mark.parametrize("example", EXAMPLES)
    def test_examples_are_right(self, example: str) -> None:
        problems: list[str] = []
        Shape(lambda path, message: problems.append(message)).clean(tomllib.loads(_with_parents(example)))
        assert problems == []

    @pytest.mark.parametrize(
        "value",
        [True, 5, 1_000_000, 0.5, 'a"b\\c\n', [], ["a", 1], {}, {"a b": {"c": [False]}, "größe": "ü"}],
    )
    def test_values_are_toml(self, value: object) -> None:
        assert tomllib.loads(f"value = {toml_value(value)}")["value"] == value


def _with_parents(example: str) -> str:
    """The example of an inner table needs the required keys of the tables around it."""
    if example.startswith(("[site.location", "[[site.location.")):
        return f'[[site]]\n[[site.location]]\nat = "/"\n{example}'
    if example.startswith("[site.proxy."):
        return f'[[site]]\n[[site.proxy]]\nat = "/"\nto = ["http://a"]\n{example}'
    if example.startswith("[pool."):
        return f'[[pool]]\nname = "a"\n{example}'
    return f"[[site]]\n{example}" if example.startswith(("[site.", "[[site.")) else example
