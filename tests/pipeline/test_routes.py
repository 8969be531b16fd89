"""Path templates, and values by path prefix."""

from typing import Any

import pytest

from penstock.pipeline.routes import Prefixes, Template, with_single_slashes


class TestTemplate:
    @pytest.mark.parametrize(
        ("template", "path", "values"),
        [
            ("/", "/", {}),
            ("/hello", "/hello", {}),
            ("/hello/{name}", "/hello/eva", {"name": "eva"}),
            ("/hello/{name}", "/hello/é ü", {"name": "é ü"}),
            ("/hello/{name}", "/hello/a\nb", {"name": "a\nb"}),
            ("/items/{number:int}", "/items/007", {"number": 7}),
            ("/docs/{rest:path}", "/docs/a/b/c", {"rest": "a/b/c"}),
            ("/{a}/{b}", "/1/2", {"a": "1", "b": "2"}),
            ("/file.{ending}", "/file.txt", {"ending": "txt"}),
        ],
    )
    def test_what_fits(self, template: str, path: str, values: dict[str, Any]) -> None:
        assert Template(template).match(path) == values

    @pytest.mark.parametrize(
        ("template", "path"),
        [
            ("/", ""),
            ("/hello", "/hello/"),
            ("/hello", "/Hello"),
            ("/hello/{name}", "/hello/"),
            ("/hello/{name}", "/hello/a/b"),
            ("/items/{number:int}", "/items/-1"),
            ("/items/{number:int}", "/items/٣"),
            ("/items/{number:int}", "/items/1x"),
            ("/items/{number:int}", "/items/" + "1" * 19),
            ("/docs/{rest:path}", "/docs/"),
            ("/file.{ending}", "/fileXtxt"),
            ("/hello", "/hello\n"),
        ],
    )
    def test_what_does_not_fit(self, template: str, path: str) -> None:
        assert Template(template).match(path) is None

    @pytest.mark.parametrize(
        "text", ["", "hello", "/{a", "/a}", "/{}", "/{1a}", "/{a}/{a}", "/{a:float}", "/{a b}", "/{{a}}"]
    )
    def test_what_is_no_template_is_refused(self, text: str) -> None:
        with pytest.raises(ValueError) as caught:
            Template(text)
        assert "/hello/{name}" in str(caught.value)

    def test_names_and_whether_it_is_literal(self) -> None:
        assert (Template("/{a}/{b:int}").names, Template("/{a}").is_literal) == (("a", "b"), False)
        assert (Template("/a.b+c").names, Template("/a.b+c").is_literal) == ((), True)


class TestPrefixes:
    PREFIXES = Prefixes([("/admin", "admin"), ("/admin/users", "users"), ("/api/", "api")])

    @pytest.mark.parametrize(
        ("path", "found"),
        [
            ("/admin", "admin"),
            ("/admin/", "admin"),
            ("/admin/x", "admin"),
            ("/administrator", None),
            ("/admin/users", "users"),
            ("/admin/users/7", "users"),
            ("/admin/usersx", "admin"),
            ("/api", "api"),
            ("/api/x", "api"),
            ("/", None),
            ("", None),
        ],
    )
    def test_the_longest_that_covers_whole_segments(self, path: str, found: str | None) -> None:
        assert self.PREFIXES.find(path) == found

    def test_the_root_covers_everything(self) -> None:
        prefixes = Prefixes([("/", "root"), ("/a", "a")])
        assert [prefixes.find(path) for path in ("/", "/x/y", "/a/b", "")] == ["root", "root", "a", "root"]


@pytest.mark.parametrize(
    ("path", "seen"), [("/a/b", "/a/b"), ("//a", "/a"), ("/a//b///c/", "/a/b/c/"), ("//", "/"), ("/", "/"), ("*", "*")]
)
def test_row_82_rules_of_locations_see_single_slashes(path: str, seen: str) -> None:
    assert with_single_slashes(path) == seen
