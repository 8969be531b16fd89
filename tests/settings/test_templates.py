"""This file is the test of how `at` is written."""

import pytest

from penstock.settings.templates import judge_prefix, judge_template, shape_of


class TestPrefix:
    @pytest.mark.parametrize("at", ["/", "/admin", "/a/b.c", "/größe", "/.well-known", "/...", "/a:b@c"])
    def test_good(self, at: str) -> None:
        assert judge_prefix(at) == ""

    @pytest.mark.parametrize(
        ("at", "advice"),
        [
            ("", 'write "/"'),
            ("admin", 'write "/admin"'),
            ("/admin/", 'write "/admin"'),
            ("/{name}", "only the `at` of a route"),
            ("//", "empty segment"),
            ("//admin", "empty segment"),
            ("/a//b", "empty segment"),
            ("/a/../b", "dot segment"),
            ("/.", "dot segment"),
            ("/a%20b", "decoded"),
            ("/a?b", "without query"),
            ("/a#b", "without query"),
            ("/a b", "' '"),
            ("/a\\b", "must not contain"),
            ("/a\n", "must not contain"),
        ],
    )
    def test_bad(self, at: str, advice: str) -> None:
        assert advice in judge_prefix(at)


class TestTemplate:
    @pytest.mark.parametrize(
        "at",
        [
            "/",
            "/hello",
            "/hello/",
            "/{name}",
            "/{id:int}/x",
            "/a/{rest:path}",
            "/{a}/{b:int}/{c:path}",
            "/größe",
            "/{a}-{b}.csv",
            "/{rest:path}.py",
            "/a/{rest:path}~",
        ],
    )
    def test_good(self, at: str) -> None:
        assert judge_template(at) == ""

    @pytest.mark.parametrize(
        ("at", "advice"),
        [
            ("{name}", 'write "/{name}"'),
            ("/{name", "without its partner"),
            ("/name}", "without its partner"),
            ("/{{name}}", "without its partner"),
            ("/}{", "without its partner"),
            ("/a-{rest:path}", "begins after a slash"),
            ("/{größe}", "no name of a Python argument"),
            ("/{a:str}", '"int" or "path", not "str"'),
            ("/{a}{b}", "two parameters without anything between"),
            ("/{}", "no name of a Python argument"),
            ("/{1a}", "no name of a Python argument"),
            ("/{class}", "no name of a Python argument"),
            ("/{a}/{a:int}", 'two parameters called "a"'),
            ("/{a:itn}", 'did you mean "int"?'),
            ("/{a:}", "unknown converter"),
            ("/{rest:path}/x", "only an ending"),
            ("/{rest:path}/", "only an ending"),
            ("/{rest:path}/{b}", "only an ending"),
            ("/{rest:path}.{b}", "only an ending"),
            ("/{a}{rest:path}.py", "two parameters without anything between"),
            ("/a/./b", "dot segment"),
            ("/a//b", "empty segment"),
        ],
    )
    def test_bad(self, at: str, advice: str) -> None:
        assert advice in judge_template(at)

    def test_shape_ignores_names(self) -> None:
        assert shape_of("/{a}/{b:int}/x") == shape_of("/{c}/{d:int}/x")
        assert shape_of("/{a}") != shape_of("/{a:int}")
