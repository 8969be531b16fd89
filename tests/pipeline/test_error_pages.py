"""Error pages: which page is for which status, and what each kind of page is (pipeline X-07)."""

from pathlib import Path
from typing import Any

import pytest

from penstock import ConfigurationError, Context
from penstock.pipeline.error_pages import (
    ErrorPage,
    ErrorPages,
    choose_page,
    file_page,
    function_page,
    path_page,
)
from penstock.pipeline.location import Location
from penstock.pipeline.routes import Template
from penstock.pipeline.target import Target
from tests.pipeline.error_subject import boom, open_pages, rule

FIVE = range(500, 600)


def page(name: str, content_type: bytes = b"text/html") -> ErrorPage:
    return ErrorPage(name, content_type=content_type)


def never(context: Context) -> None:
    raise AssertionError("not to be called")


class TestFinding:
    def test_pipeline_x07_the_most_specific_status_wins_whatever_the_order(self) -> None:
        whole, narrow, exact = page("5xx"), page("502-504"), page("503")
        rules = [rule(whole, FIVE), rule(exact, [503]), rule(narrow, range(502, 505))]
        for order in (rules, rules[::-1]):
            pages = ErrorPages([order])
            found = {status: [each.name for each in pages.find(status)] for status in (404, 500, 502, 503, 504)}
            assert found == {404: [], 500: ["5xx"], 502: ["502-504"], 503: ["503"], 504: ["502-504"]}

    def test_pipeline_x07_one_rule_may_be_for_several_statuses(self) -> None:
        several, exact = page("several"), page("410")
        pages = ErrorPages([[rule(several, [404], range(400, 500)), rule(exact, [410])]])
        assert [pages.find(status)[0].name for status in (404, 410, 418)] == ["several", "410", "several"]

    def test_pipeline_x07_the_nearest_location_wins(self) -> None:
        parent, child = page("parent 404"), page("child 4xx")
        pages = ErrorPages([[rule(parent, [404]), rule(page("parent 5xx"), FIVE)], [rule(child, range(400, 500))]])
        assert [each.name for each in pages.find(404)] == ["child 4xx"]
        assert [each.name for each in pages.find(500)] == ["parent 5xx"]

    def test_the_first_of_two_for_the_same_wins(self) -> None:
        first = function_page("first", never)
        pages = ErrorPages([[rule(first, [404]), rule(function_page("second", never), [404]), rule(page("x"), [404])]])
        assert pages.find(404) == (first,)

    def test_files_for_the_same_are_chosen_by_accept(self) -> None:
        html, json = page("html", b"text/html; charset=utf-8"), page("json", b"application/json")
        found = ErrorPages([[rule(html, [404]), rule(json, [404])]]).find(404)
        assert found == (html, json)
        assert choose_page(found, b"application/json") is json
        assert choose_page(found, b"text/html, application/json;q=0.9") is html
        assert choose_page(found, b"image/png") is html
        assert choose_page((json,), b"text/html") is json


class TestFiles:
    @pytest.mark.parametrize(
        ("name", "content_type"),
        [
            ("a.html", b"text/html; charset=utf-8"),
            ("a.HTM", b"text/html; charset=utf-8"),
            ("a.json", b"application/json"),
            ("a.b.txt", b"text/plain; charset=utf-8"),
            ("a.xml", b"application/xml"),
        ],
    )
    def test_a_file_is_read_at_once_and_typed_by_its_ending(
        self, tmp_path: Path, name: str, content_type: bytes
    ) -> None:
        file = tmp_path / name
        file.write_bytes(b"\x00gone")
        found = file_page(str(file))
        file.unlink()
        assert (found.content_type, found.body) == (content_type, b"\x00gone")

    def test_a_missing_file_is_a_mistake_of_the_operator(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigurationError) as caught:
            file_page(str(tmp_path / "404.html"))
        assert "404.html cannot be read: No such file or directory" in str(caught.value)

    def test_a_folder_is_no_page(self, tmp_path: Path) -> None:
        (tmp_path / "a.html").mkdir()
        with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
            file_page(str(tmp_path / "a.html"))

    @pytest.mark.parametrize("name", ["404", "404.php", ".html/x"])
    def test_an_ending_that_says_nothing_is_a_mistake(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ConfigurationError, match=r"one of \.htm, \.html, \.json, "):
            file_page(str(tmp_path / name))


class TestPaths:
    """A page that is a path is found when the site is put together."""

    def open(self, at: str = "/nf", **site: Any) -> None:
        open_pages(rule(path_page(at), [404]), functions={"/": boom, "/things/{number:int}": boom}, **site)

    def test_a_path_of_the_site_is_found_with_its_values(self) -> None:
        found = path_page("/things/7")
        open_pages(rule(found, [404]), functions={"/things/{number:int}": boom})
        assert found.execute is not None
        assert found.route_values == {"number": 7}

    def test_a_path_that_nobody_answers_is_a_mistake(self) -> None:
        with pytest.raises(ConfigurationError, match="error page /nf: nothing on this site answers GET /nf"):
            self.open()

    def test_a_path_that_does_not_answer_get_is_a_mistake(self) -> None:
        target = Target("function x", "/nf", never, template=Template("/nf"), methods=("POST",))
        with pytest.raises(ConfigurationError, match="nothing on this site answers GET /nf"):
            open_pages(rule(path_page("/nf"), [404]), functions={}, more_routes=[target])

    @pytest.mark.parametrize("kind", ["ASGI shop:app", "WSGI shop:app"])
    def test_an_application_cannot_be_a_page(self, kind: str) -> None:
        mount = Target(kind, "/shop", never, finish=never)
        with pytest.raises(ConfigurationError) as caught:
            self.open("/shop/nf", mounts=[mount])
        assert str(caught.value).startswith(f"error page /shop/nf leads to {kind}: an error page is made by a function")

    def test_a_mistake_is_told_once_at_the_place_of_its_location(self) -> None:
        rules = [rule(path_page("/nf"), [404])]
        locations = [
            Location("/a", error_pages=ErrorPages([rules]), where="site.toml:3"),
            Location("/a/b", error_pages=ErrorPages([rules]), where="site.toml:9"),
        ]
        with pytest.raises(ConfigurationError) as caught:
            open_pages(functions={}, locations=locations)
        assert [each.where for each in caught.value.problems] == ["site.toml:3"]
