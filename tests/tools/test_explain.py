import json
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

[[site.route]]
at = "/cart"
handler = "shop.pages:Cart"
lifetime = "per_request"
allow_anonymous = true
preload = true
cancel_on_disconnect = true

[[site.route]]
at = "/closed"
function = "shop.pages:closed"

[[site.location]]
at = "/closed"
access = ["read"]
limits = { deadline = 5.0, form_fields = 20 }
filtering = { query = 100, methods = ["GET", "POST"], double_escaped = true }
error_format = "problem"
errors = [{ status = [404, "5xx"], function = "shop.pages:oops" }]

[[site.trace]]
at = "/"
status = ["500-599"]

[[site.trace]]
at = "/closed"
status = []
slower_than = 2.0

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


def rows(file: str, *words: str) -> list[str]:
    return [" ".join(line.split()) for line in explain(file, *words).splitlines()]


def test_what_a_route_says_of_itself(file: str) -> None:
    lines = rows(file, "http://example.org/cart")
    assert "answers handler shop.pages:Cart (the route /cart)" in lines
    assert "lifetime the handler is made for each request" in lines
    assert "preload the body is read before it is called" in lines
    assert "allows everybody, whatever authorization says (allow_anonymous)" in lines
    assert "cancels when the client leaves (cancel_on_disconnect)" in lines


def test_pipeline_h09_access_that_is_not_granted(file: str) -> None:
    lines = rows(file, "http://example.org/closed")
    assert 'but 403: access does not grant "script" here' in lines
    assert "access read (/closed)" in lines
    assert not any(line.startswith("but") for line in rows(file, "http://example.org/closed/file.txt"))


def test_limits_filtering_errors_and_traces_of_a_location(file: str) -> None:
    lines = rows(file, "http://example.org/closed")
    assert "deadline 5 s to the head of the answer (/closed)" in lines
    assert "forms at most 20 fields (/closed)" in lines
    assert "filtering query = 100 (/closed)" in lines
    assert "methods = GET, POST (/closed)" in lines
    assert "error format problem (/closed)" in lines
    assert "error page 404, 5xx: function shop.pages:oops (/closed)" in lines
    assert any(line.startswith("trace slower than 2 s or aborted (/closed), into ") for line in lines)
    assert any(line.startswith("trace status 500-599 or aborted (/)") for line in rows(file, "http://example.org/cart"))


def test_modules_in_their_order(file: str) -> None:
    lines = rows(file, "http://example.org/api/old/x")
    assert "module 1. shop.modules:Greeting (the site)" in lines
    assert "2. shop.modules:Audit (/api/old)" in lines


def test_json_of_a_url(file: str) -> None:
    explained = json.loads(explain(file, "get", "http://example.org/cart", "--json"))
    assert (explained["method"], explained["host"], explained["path"]) == ("GET", "example.org", "/cart")
    assert {"name": "answers", "text": "handler shop.pages:Cart (the route /cart)"} in explained["meets"]
    refused = json.loads(explain(file, "GET", "/a/../../b", "--json"))["refused"]
    assert refused["status"] == 400


def test_json_of_everything(file: str) -> None:
    first, second = json.loads(explain(file, "--json"))["sites"]
    assert first["hosts"] == ["example.org", "*.example.net"]
    assert [location["at"] for location in first["locations"]] == ["/api", "/api/old", "/closed"]
    assert second["hosts"] == ["*"]


@pytest.fixture
def whole(tmp_path: Path) -> str:
    """A site whose parts can be imported."""
    (tmp_path / "explained.py").write_text(
        "from penstock import Stage\nclass Gate:\n    def attach(self, hooks):\n"
        "        hooks.on(Stage.BEGIN, self.pass_by)\n    def pass_by(self, context): ...\n"
        "def hello(): ...\n",
        "utf-8",
    )
    path = tmp_path / "whole.toml"
    path.write_text(
        '[[site]]\n[[site.module]]\nuse = "explained:Gate"\n[[site.route]]\nat = "/"\nfunction = "explained:hello"\n',
        "utf-8",
    )
    return str(path)


def test_stages_shows_order_module_hook_and_rule(whole: str) -> None:
    lines = rows(whole, "/", "--stages")
    assert "1 BEGIN Gate: pass_by until the request is complete or has failed" in lines
    plan = json.loads(explain(whole, "/", "--stages", "--json"))["plan"]
    assert (plan["steps"][0]["module"], plan["steps"][0]["hook"]) == ("Gate", "pass_by")


def test_stages_of_a_request_that_is_refused_are_none(whole: str) -> None:
    assert json.loads(explain(whole, "/a/../../b", "--stages", "--json"))["plan"] is None
    assert len(rows(whole, "/a/../../b", "--stages")) == 1


def test_stages_of_everything_are_another_command(whole: str) -> None:
    result = CliRunner().invoke(main, ["explain", whole, "--stages"])
    assert result.exit_code == 2
    assert "`penstock stages`" in result.output


def test_too_many_words(file: str) -> None:
    result = CliRunner().invoke(main, ["explain", file, "GET", "/a", "/b"])
    assert result.exit_code == 2


def test_no_site_for_the_host(tmp_path: Path) -> None:
    path = tmp_path / "penstock.toml"
    path.write_text('[[site]]\nhosts = ["example.org"]\n', "utf-8")
    assert "so the answer is 421" in explain(str(path), "http://other.org/")
    assert "name one in the URL" in explain(str(path), "/")
