"""Routing: what answers a method and a path (pipeline H-02, H-03)."""

import pytest

from penstock import ConfigurationError, Context
from penstock.pipeline.routes import Template
from penstock.pipeline.routing import Routing
from penstock.pipeline.target import Target


def hello(context: Context) -> None:
    """Never called."""


def route(at: str, *methods: str) -> Target:
    return Target(f"{at} {methods}", at, hello, template=Template(at), methods=methods)


def test_pipeline_h02_the_first_that_matches_both_wins() -> None:
    first, second = route("/{name}", "GET"), route("/{other}", "GET", "POST")
    routing = Routing([first, second], [], None)
    assert routing.find("GET", "/a") == (first, {"name": "a"})
    assert routing.find("POST", "/a") == (second, {"other": "a"})


def test_a_route_without_placeholders_comes_first() -> None:
    general, exact = route("/{name}"), route("/a")
    assert Routing([general, exact], [], None).find("GET", "/a") == (exact, None)


def test_pipeline_h03_a_refusal_is_made_once_for_the_same_methods() -> None:
    routing = Routing([route("/a", "GET"), route("/b", "GET")], [], None)
    assert routing.find("PUT", "/a")[0] is routing.find("PUT", "/b")[0]
    assert routing.find("PUT", "/a")[0].name == "method not allowed"


def test_without_anything_there_is_something_that_says_so() -> None:
    routing = Routing([], [], None)
    assert [each.name for each in routing.targets] == ["nothing"]
    assert routing.find("GET", "/")[0] is routing.targets[0]


def test_pipeline_x07_an_error_page_needs_something_that_answers() -> None:
    page = route("/nf", "GET")
    routing = Routing([page, route("/{name}", "POST")], [], None)
    assert routing.find_page("/nf")[0] is page
    for path in ("/other", "/a/b"):
        with pytest.raises(ConfigurationError, match=f"nothing on this site answers GET {path}"):
            routing.find_page(path)
