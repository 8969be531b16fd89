"""This file is the test of the line locator for TOML, among others against what the TOML parser sees."""

import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from penstock.settings.positions import KeyPath, Positions


def paths_of(node: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    yield path
    if isinstance(node, dict):
        for key, inner in node.items():
            yield from paths_of(inner, (*path, key))
    if isinstance(node, list):
        for index, inner in enumerate(node):
            yield from paths_of(inner, (*path, index))


MARKED = """\
# every value is the number of its line, so that the parser is the oracle
top = 2
dotted.inner.key = 3
"quoted key" = 4
'literal "key"' = 5
"esc\\u0061ped" . "with.dot" = 6
text = { line = 7, more = { line = 7 }, "x y".z = 7 }
many = [
    9,
    [10, 10], # ] "
    { line = 11 }, { line = 11 },
    # { line = 0 }
    13,
]

[server]  # comment [not.a.table]
listen = 17

[server.limits]
body=20

   [ server . "log" ]
  level   =   23
[[site]]
hosts = 25
[site.files]
root = 27
[[site.app]]
at = 29
[[site.app]]
at = 31
[site.app.deep.er]
key = 33
[[site]]
hosts = 35
[[site.app]]
at = 37
[[site.location]]
modules = [{ use = 39 }, { use = 39, settings = { text = 39 } }]
last = 40"""


class TestLineOf:
    def test_every_number_stands_in_the_line_that_it_says(self) -> None:
        tree = tomllib.loads(MARKED)
        positions = Positions(MARKED)
        found = {path: positions.line_of(path) for path in paths_of(tree)}
        leaves = {path: value_at(tree, path) for path in found if isinstance(value_at(tree, path), int)}
        assert leaves == {path: found[path] for path in leaves}
        assert len(leaves) > 25

    @pytest.mark.parametrize(
        ("path", "line"),
        [
            ((), 1),
            (("server",), 16),
            (("server", "limits"), 19),
            (("site",), 24),
            (("site", 0), 24),
            (("site", 0, "app"), 28),
            (("site", 0, "app", 0), 28),
            (("site", 0, "app", 1), 30),
            (("site", 0, "app", 1, "deep"), 32),
            (("site", 1), 34),
            (("site", 1, "app", 0), 36),
            (("site", 1, "location", 0, "modules", 1), 39),
            (("many",), 8),
            (("text", "more"), 7),
        ],
    )
    def test_a_table_stands_at_its_header(self, path: KeyPath, line: int) -> None:
        assert line == Positions(MARKED).line_of(path)

    def test_what_is_not_written_stands_where_its_table_does(self) -> None:
        assert Positions(MARKED).line_of(("site", 1, "app", 0, "asgi", "deeper")) == 36
        assert Positions(MARKED).line_of(("nowhere", 3)) == 1

    @pytest.mark.parametrize(
        "text",
        [
            'a = """\n[x]\n"""\nb = 4',
            "a = '''\n[x]'\n'''\nb = 4",
            'a = """\nx""\\"""" """"\n\n'.replace(' """"', '"') + "b = 4",
            'a = "#[x]\\" = "\n\n\nb = 4',
            "a = '\\'\n# [x]\n\nb = 4",
            "a = 2020-01-01T00:00:00Z\n\n\nb = 4",
            "a = [ '''\n''',\n]\nb = 4",
            'a = """"quoted""""\n\n\nb = 4',
            "a = ''''quoted'''''\n\n\nb = 4",
            'a = [["x", ], [], [\n[]]]\n\nb = 4',
            'a = ""\n\n\nb = 4',
        ],
    )
    def test_strings_and_comments_hide_what_looks_like_structure(self, text: str) -> None:
        assert sorted(tomllib.loads(text)) == ["a", "b"]
        assert Positions(text).line_of(("b",)) == 4

    def test_empty_text_has_one_line(self) -> None:
        assert Positions("").line_of(("server", "listen")) == 1


def value_at(tree: Any, path: KeyPath) -> object:
    for part in path:
        tree = tree[part]
    return tree
