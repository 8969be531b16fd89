"""This file is the test of what must hold between several keys."""

from typing import Any

import pytest

from penstock.settings.positions import KeyPath
from penstock.settings.rules import Rules


def judge(tree: dict[str, Any], *, refused: tuple[KeyPath, ...] = ()) -> list[tuple[KeyPath, str]]:
    problems: list[tuple[KeyPath, str]] = []
    rules = Rules(
        lambda path, message: problems.append((path, message)),
        lambda path: "/".join(str(part) for part in path),
        refused=refused,
    )
    rules.judge(tree)
    return problems


FUNCTION = {"function": "a:b"}


def app(**keys: object) -> dict[str, Any]:
    return {"site": [{"app": [{"at": "/", **keys}]}]}


class TestApplications:
    def test_one_kind(self) -> None:
        assert judge(app(asgi="a:b")) == []
        assert judge(app(wsgi="a:b", threads=2, queue=3)) == []
        assert judge(app(app="a:b", threads=2, pathsend=True)) == []

    def test_no_kind(self) -> None:
        ((path, message),) = judge(app())
        assert path == ("site", 0, "app", 0)
        assert message == '[[site.app]] needs exactly one of "asgi", "wsgi", "owin" or "app"'

    def test_two_kinds(self) -> None:
        ((path, message),) = judge(app(asgi="a:b", app="a:b"))
        assert path == ("site", 0, "app", 0, "app")
        assert '"asgi" and "app"' in message

    def test_a_kind_that_was_refused_is_not_missing(self) -> None:
        assert judge(app(), refused=(("site", 0, "app", 0, "asgi"),)) == []

    @pytest.mark.parametrize(
        ("keys", "told"),
        [
            ({"asgi": "a:b", "threads": 2}, "for WSGI"),
            ({"wsgi": "a:b", "pathsend": True}, "for ASGI"),
            ({"owin": "a:b", "queue": 2}, "for WSGI"),
        ],
    )
    def test_keys_of_the_other_kind(self, keys: dict[str, object], told: str) -> None:
        ((_, message),) = judge(app(**keys))
        assert told in message


class TestFastCgi:
    @pytest.mark.parametrize(
        "server",
        [
            {"listen": ["fcgi://127.0.0.1:9000", "fcgi+unix:/a.sock"]},
            {"listen": ["fcgi://127.0.0.1:9000", "fcgi+unix:/a.sock"], "proxy": {"trusted": ["*"]}},
            {"listen": ["fcgi://127.0.0.1:9000", "fcgi+unix:/a.sock"], "proxy": {"trusted": ["10.0.0.1", "unix:"]}},
            {"listen": [":8000", "unix:/a.sock"], "proxy": {"trusted": []}},
        ],
    )
    def test_good(self, server: dict[str, Any]) -> None:
        assert judge({"server": server}) == []

    @pytest.mark.parametrize(
        ("place", "trusted", "advice"),
        [
            ("fcgi+unix:/a.sock", ["10.0.0.1"], 'add "unix:" to trusted in [server.proxy]'),
            ("fcgi://:9000", ["unix:"], "add the address of the web server to trusted in [server.proxy]"),
            ("fcgi://:9000", [], "add the address of the web server to trusted in [server.proxy]"),
        ],
    )
    def test_a_place_where_nobody_is_trusted(self, place: str, trusted: list[str], advice: str) -> None:
        ((path, message),) = judge({"server": {"listen": [":80", place], "proxy": {"trusted": trusted}}})
        assert path == ("server", "listen", 1)
        assert message == f'"{place}" would turn every web server away: {advice}'


class TestRoutes:
    @pytest.mark.parametrize(
        "keys",
        [
            {"function": "a:b", "threads": 2, "preload": True},
            {"function": "a:b", "cancel_on_disconnect": True, "preload": False},
            {"handler": "a:B", "lifetime": "per_request", "settings": {"x": 1}, "threads": 2},
            {"factory": "a:B", "settings": {"x": 1}, "preload": True},
            {"status": 403, "allow_anonymous": True},
            {"websocket": "a:b", "subprotocols": ["v2", "v1"], "allow_anonymous": True},
        ],
    )
    def test_good(self, keys: dict[str, object]) -> None:
        assert judge({"site": [{"route": [{"at": "/a", **keys}]}]}) == []

    @pytest.mark.parametrize(
        ("keys", "told"),
        [
            ({}, '[[site.route]] needs exactly one of "function", "handler", "factory", "status" or "websocket"'),
            ({"function": "a:b", "status": 404}, '[[site.route]] has "function" and "status"; it needs exactly one of'),
            ({"function": "a:b", "lifetime": "per_request"}, '"lifetime" goes with "handler", and this is a function'),
            ({"factory": "a:b", "lifetime": "singleton"}, '"lifetime" goes with "handler", and this is a factory'),
            (
                {"function": "a:b", "settings": {}},
                '"settings" goes with "handler" or "factory", and this is a function',
            ),
            ({"websocket": "a:b", "threads": 2}, '"threads" goes with "function", "handler" or "factory"'),
            ({"websocket": "a:b", "function": "a:b"}, '[[site.route]] has "function" and "websocket"'),
            ({"websocket": "a:b", "methods": ["GET"]}, '"methods" goes with'),
            (
                {"function": "a:b", "subprotocols": ["x"]},
                '"subprotocols" goes with "websocket", and this is a function',
            ),
            ({"websocket": "a:b", "subprotocols": ["x", "y", "x"]}, 'subprotocols has "x" twice'),
            ({"status": 404, "threads": 2}, '"threads" goes with "function", "handler" or "factory"'),
            ({"status": 404, "preload": True}, '"preload" goes with'),
            ({"status": 404, "cancel_on_disconnect": True}, '"cancel_on_disconnect" goes with'),
            ({"function": "a:b", "threads": 2, "cancel_on_disconnect": True}, "a thread cannot be cancelled"),
            ({"function": "a:b", "threads": 2, "preload": False}, "a thread cannot read the body"),
        ],
    )
    def test_bad(self, keys: dict[str, object], told: str) -> None:
        ((path, message),) = judge({"site": [{"route": [{"at": "/a", **keys}]}]})
        assert path[:4] == ("site", 0, "route", 0)
        assert message.startswith(told)

    def test_a_kind_that_was_refused_is_not_missing(self) -> None:
        tree = {"site": [{"route": [{"at": "/"}]}]}
        assert judge(tree, refused=(("site", 0, "route", 0, "status"),)) == []


class TestWebSockets:
    @pytest.mark.parametrize(
        "table",
        [
            {"origins": ["https://a.example", "https://b.example"], "same_origin": False},
            {"origins": ["*"], "same_origin": True},
            {"same_origin": True},
            {"origins": []},
        ],
    )
    def test_good(self, table: dict[str, object]) -> None:
        assert judge({"site": [{"location": [{"at": "/", "websockets": table}]}]}) == []

    @pytest.mark.parametrize(
        ("table", "key", "told"),
        [
            ({"origins": ["*", "https://a.example"]}, "origins", 'origins has "*", which is any page'),
            (
                {"origins": ["https://a.example"], "same_origin": True},
                "same_origin",
                "same_origin refuses every page but",
            ),
        ],
    )
    def test_bad(self, table: dict[str, object], key: str, told: str) -> None:
        ((path, message),) = judge({"site": [{"location": [{"at": "/", "websockets": table}]}]})
        assert path == ("site", 0, "location", 0, "websockets", key)
        assert message.startswith(told)


class TestErrorsAndTraces:
    def test_good(self) -> None:
        errors = [{"status": [404, "5xx"], "file": "a"}, {"status": ["400-499"], "path": "/oops"}]
        assert judge({"site": [{"location": [{"at": "/", "errors": errors}]}]}) == []
        assert judge({"site": [{"trace": [{}, {"status": [], "slower_than": 1.0}, {"status": [200]}]}]}) == []

    @pytest.mark.parametrize(
        ("page", "told"),
        [
            ({"status": [404]}, '[[site.location.errors]] needs exactly one of "file", "function" or "path"'),
            ({"status": [404], "file": "a", "path": "/"}, '[[site.location.errors]] has "file" and "path"'),
            ({"status": [404, 200], "file": "a"}, "status: 200 is no error"),
            ({"status": ["", "3xx"], "file": "a"}, "status: 3xx is no error"),
        ],
    )
    def test_bad_error_pages(self, page: dict[str, object], told: str) -> None:
        ((path, message),) = judge({"site": [{"location": [{"at": "/", "errors": [page]}]}]})
        assert path[:6] == ("site", 0, "location", 0, "errors", 0)
        assert message.startswith(told)

    def test_a_trace_of_nothing(self) -> None:
        ((path, message),) = judge({"site": [{"trace": [{"status": []}]}]})
        assert path == ("site", 0, "trace", 0)
        assert "status or slower_than" in message


class TestClashes:
    @pytest.mark.parametrize("kind", ["app", "location"])
    def test_the_same_prefix_twice(self, kind: str) -> None:
        mounts = [{"at": "/a", "wsgi": "a:b"}, {"at": "/b", "wsgi": "a:b"}, {"at": "/a", "wsgi": "a:b"}]
        ((path, message),) = judge({"site": [{kind: mounts}]})
        assert path == ("site", 0, kind, 2, "at")
        assert message.startswith(f'"/a" has another [[site.{kind}]], at site/0/{kind}/0/at')

    def test_sites_are_apart(self) -> None:
        mount = {"app": [{"at": "/a", "wsgi": "a:b"}]}
        assert judge({"site": [mount | {"hosts": ["a"]}, mount | {"hosts": ["b"]}]}) == []

    def test_prefixes_within_one_another_are_no_clash(self) -> None:
        assert judge({"site": [{"app": [{"at": "/a", "wsgi": "a:b"}, {"at": "/a/b", "wsgi": "a:b"}]}]}) == []

    @pytest.mark.parametrize(
        ("first", "second", "method"),
        [
            ({"at": "/a"}, {"at": "/a"}, "GET"),
            ({"at": "/{a}"}, {"at": "/{b}"}, "GET"),
            ({"at": "/a", "methods": ["POST", "PUT"]}, {"at": "/a", "methods": ["GET", "PUT"]}, "PUT"),
            ({"at": "/a"}, {"at": "/a", "methods": ["HEAD"]}, "HEAD"),
            ({"at": "/a", "methods": ["*"]}, {"at": "/a", "methods": ["PUT"]}, "PUT"),
            ({"at": "/a", "methods": ["*"]}, {"at": "/a", "methods": ["*"]}, "*"),
        ],
    )
    def test_routes_that_would_answer_the_same(self, first: Any, second: Any, method: str) -> None:
        ((path, message),) = judge({"site": [{"route": [FUNCTION | first, FUNCTION | second]}]})
        assert path == ("site", 0, "route", 1, "at")
        assert message.startswith(f'{method} "{second["at"]}" has another [[site.route]]')

    @pytest.mark.parametrize(
        "second",
        [
            {"at": "/a", "methods": ["POST"]},
            {"at": "/a", "methods": ["*"]},
            {"at": "/{a}"},
            {"at": "/a/"},
            {"methods": ["GET"]},
        ],
    )
    def test_routes_that_differ(self, second: Any) -> None:
        assert judge({"site": [{"route": [FUNCTION | {"at": "/a"}, FUNCTION | second]}]}) == []

    def test_hosts_lead_to_one_site(self) -> None:
        ((path, message),) = judge({"site": [{"hosts": ["a", "b"]}, {"hosts": ["c", "B"]}]})
        assert path == ("site", 1, "hosts", 1)
        assert message == 'the host "B" belongs to another [[site]], at site/0/hosts/1'

    def test_two_sites_without_hosts(self) -> None:
        ((_, message),) = judge({"site": [{}, {}]})
        assert message.endswith("say which hosts each [[site]] answers for")

    def test_the_same_host_twice_in_one_site(self) -> None:
        assert judge({"site": [{"hosts": ["a", "A"]}]}) == [(("site", 0, "hosts", 1), 'hosts has "A" twice')]

    def test_refused_hosts_are_not_all_hosts(self) -> None:
        assert judge({"site": [{}, {}]}, refused=(("site", 1, "hosts"),)) == []
        assert judge({"site": [{"hosts": [""]}, {"hosts": [""]}]}) == []

    def test_headers_that_differ_in_case_only(self) -> None:
        headers = {"X-A": "1", "x-a": "2"}
        expected = 'headers has "x-a" and "X-A", which are one header'
        assert judge({"server": {"headers": headers}}) == [(("server", "headers", "x-a"), expected)]
        tree = {"site": [{"location": [{"at": "/", "headers": headers}]}]}
        assert judge(tree) == [(("site", 0, "location", 0, "headers", "x-a"), expected)]
