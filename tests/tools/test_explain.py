from pathlib import Path

import pytest
from click.testing import CliRunner

from penstock.tools.cli import main

SITE = """
[server]
headers = { "x-server" = "1" }

[[site]]
hosts = ["example.org", "*.example.net"]
root = "public"
files = { fallback = "index.html" }

[[site.module]]
use = "shop.modules:Greeting"

[[site.route]]
at = "/hello/{name}"
function = "shop.pages:hello"

[[site.route]]
at = "/hello/{number:int}"
function = "shop.pages:add"
methods = ["POST"]
threads = 2

[[site.app]]
at = "/api"
asgi = "shop.api:app"
root_path = "/shop"

[[site.app]]
at = "/api/old"
wsgi = "shop.old:app"
threads = 1

[[site.location]]
at = "/api"
limits = { body = 1000 }
headers = { "X-Frame-Options" = "DENY", "x-server" = "2" }

[[site.location]]
at = "/api/old"
access_log = false
modules = [{ use = "shop.modules:Audit" }]

[[site]]
hosts = ["*"]
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / "index.html").touch()
    path = tmp_path / "penstock.toml"
    path.write_text(SITE, "utf-8")
    return str(path)


def explain(file: str, *words: str) -> str:
    result = CliRunner().invoke(main, ["explain", file, *words])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_route(file: str) -> None:
    text = explain(file, "GET", "http://example.org/hello/Ada%20L?x=1")
    assert "GET /hello/Ada L for example.org" in text
    assert "site        example.org, *.example.net (the host is named)" in text
    assert "answers     function shop.pages:hello (the route /hello/{name})" in text
    assert "name = 'Ada L'" in text


def test_the_method_chooses_among_routes(file: str) -> None:
    text = explain(file, "post", "http://example.org/hello/7")
    assert "function shop.pages:add" in text
    assert "number = 7" in text
    assert "in 2 threads" in text
    assert "405 (a route fits, but it answers to GET, HEAD)" in explain(file, "PUT", "http://example.org/hello/Ada")


def test_the_longest_mount(file: str) -> None:
    text = explain(file, "http://a.b.example.net/api/old/x")
    assert "*.example.net covers the host" in text
    assert "WSGI application shop.old:app (1 thread)" in text
    assert "SCRIPT_NAME '/api/old', PATH_INFO '/x'" in text


def test_root_path_is_told(file: str) -> None:
    text = explain(file, "http://example.org/api/x")
    assert "ASGI application shop.api:app" in text
    assert "root_path '/shop/api', path '/shop/api/x'" in text


def test_mounts_are_compared_by_segments(file: str) -> None:
    assert "files of " in explain(file, "http://example.org/apix")


def test_rules_and_where_they_come_from(file: str) -> None:
    text = explain(file, "http://example.org/api/old/x")
    assert "locations   /api > /api/old" in text
    assert "at most 1000 bytes (/api)" in text
    assert "x-frame-options: DENY (/api)" in text
    assert "x-server: 2 (/api)" in text
    assert "access log  no (/api/old)" in text
    assert "shop.modules:Greeting (the site)" in text
    assert "shop.modules:Audit (/api/old)" in text


def test_rules_of_the_server(file: str) -> None:
    text = explain(file, "http://example.org/nothing")
    assert "at most 30000000 bytes ([server.limits])" in text
    assert "x-server: 1 ([server])" in text
    assert "index.html for unknown paths" in text


def test_another_host(file: str) -> None:
    text = explain(file, "/x")
    assert "site        * (it takes every other host)" in text
    assert "404" in text


def test_a_request_that_is_refused(file: str) -> None:
    assert "is refused with 400" in explain(file, "GET", "/a/../../b")


def test_all_routes(file: str) -> None:
    text = explain(file)
    assert "site example.org, *.example.net" in text
    assert "/hello/{name}        function shop.pages:hello" in text
    assert "every request passes shop.modules:Greeting" in text
    assert "rules below /api/old" in text


def test_too_many_words(file: str) -> None:
    result = CliRunner().invoke(main, ["explain", file, "GET", "/a", "/b"])
    assert result.exit_code == 2


def test_no_site_for_the_host(tmp_path: Path) -> None:
    path = tmp_path / "penstock.toml"
    path.write_text('[[site]]\nhosts = ["example.org"]\n', "utf-8")
    assert "so the answer is 421" in explain(str(path), "http://other.org/")
    assert "name one in the URL" in explain(str(path), "/")
