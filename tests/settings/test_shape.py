"""This file is the test of keys, types, ranges and texts."""

from datetime import date
from typing import Any

import pytest

from penstock.settings.positions import KeyPath
from penstock.settings.shape import Shape


def judge(tree: dict[str, Any]) -> tuple[list[tuple[KeyPath, str]], dict[str, Any]]:
    problems: list[tuple[KeyPath, str]] = []
    cleaned = Shape(lambda path, message: problems.append((path, message))).clean(tree)
    return problems, cleaned


def message_of(tree: dict[str, Any]) -> str:
    ((_, message),), _ = judge(tree)
    return message


class TestKeys:
    def test_unknown_key_has_the_nearest_right_name(self) -> None:
        assert message_of({"server": {"lisen": []}}) == '[server] does not know "lisen"; did you mean "listen"?'

    def test_unknown_key_may_belong_elsewhere(self) -> None:
        assert (
            message_of({"server": {"stuck_threads": 3}})
            == '[server] does not know "stuck_threads"; it belongs in [server.limits]'
        )
        assert message_of({"server": {"pathsend": True}}).endswith("it belongs in [[site.app]]")

    def test_unknown_table(self) -> None:
        assert message_of({"sites": []}) == 'the site file does not know "sites"; did you mean "site"?'
        assert message_of({"site": [{"cache": [{"at": "/"}]}]}).startswith('[[site]] does not know "cache"')

    def test_missing_key(self) -> None:
        assert message_of({"site": [{"module": [{}]}]}) == '[[site.module]] needs "use"'

    def test_every_value_is_taken_where_anything_may_stand(self) -> None:
        tree = {"site": [{"module": [{"use": "a:b", "settings": {"x": [1, {"y": None}], "z": date(2020, 1, 1)}}]}]}
        problems, cleaned = judge(tree)
        assert problems == []
        assert cleaned == tree


class TestTypes:
    @pytest.mark.parametrize(
        ("tree", "message"),
        [
            ({"server": 5}, "server must be a table, not a whole number"),
            ({"site": {"hosts": ["*"]}}, "site must be an array of tables, not a table: write [[site]]"),
            ({"site": [5]}, "an element of site must be a table, not a whole number"),
            ({"server": {"backlog": "5"}}, "backlog must be a whole number, not a string: write backlog = 5"),
            ({"server": {"backlog": 5.0}}, "backlog must be a whole number, not a fraction"),
            ({"server": {"backlog": True}}, "backlog must be a whole number, not true or false"),
            ({"server": {"graceful_timeout": True}}, "graceful_timeout must be a number, not true or false"),
            ({"server": {"server_header": 1}}, "server_header must be true or false, not a whole number"),
            (
                {"server": {"server_header": "off"}},
                "server_header must be true or false, not a string: write server_header = false",
            ),
            (
                {"server": {"listen": [8000]}},
                'an element of listen must be a string, not a whole number: write listen = "8000"',
            ),
            ({"server": {"mode": date(2020, 1, 1)}}, 'mode must be "development" or "production", not a date or time'),
            ({"server": {"tls": None}}, "tls must be a table, not nothing"),
            ({"server": {"headers": ["a"]}}, "headers must be a table, not an array"),
            ({"server": {"headers": {"a": 1}}}, 'a must be a string, not a whole number: write a = "1"'),
            (
                {"site": [{"trace": [{"status": [4.5]}]}]},
                "an element of status must be a whole number or a string, not a fraction",
            ),
            (
                {"site": [{"trace": [{"status": 404}]}]},
                "status must be an array of whole numbers or strings, not a whole number: write status = [404]",
            ),
            ({"site": [{"trace": [{"status": [99]}]}]}, "status must be at least 100, not 99"),
            (
                {"site": [{"trace": [{"status": ["6xx"]}]}]},
                'status: "6xx" is not a status: write 404, "5xx" or "500-599"',
            ),
            ({"site": [{"root": 5}]}, 'root must be a string, not a whole number: write root = "5"'),
        ],
    )
    def test_wrong_type_says_what_would_be_right(self, tree: dict[str, Any], message: str) -> None:
        assert message == message_of(tree)

    def test_whole_numbers_are_numbers(self) -> None:
        assert judge({"server": {"graceful_timeout": 5}})[0] == []


class TestValues:
    @pytest.mark.parametrize(
        ("tree", "message"),
        [
            ({"server": {"backlog": 0}}, "backlog must be at least 1, not 0"),
            ({"server": {"backlog": 10**9}}, "backlog must be at most 1048576, not 1000000000"),
            ({"server": {"limits": {"header_timeout": 0}}}, "header_timeout must be more than 0, not 0"),
            ({"server": {"limits": {"header_timeout": float("nan")}}}, "header_timeout must be a finite number, not nan"),
            ({"server": {"limits": {"header_timeout": float("inf")}}}, "header_timeout must be a finite number, not inf"),
            ({"server": {"listen": []}}, "listen must not be empty"),
            ({"server": {"log": {"access_format": ""}}}, "access_format must not be empty"),
            ({"server": {"headers": {"a b": "x"}}}, 'headers: "a b" is not a header name'),
            ({"server": {"headers": {"a": "x\ny"}}}, "a: 'x\\ny' has a line break or another control character"),
            ({"site": [{"files": {"precompressed": ["gzip"]}}]}, 'precompressed must be "br", "gz" or "zst", not "gzip"; did you mean "gz"?'),
        ],
    )  # fmt: skip
    def test_bad_value(self, tree: dict[str, Any], message: str) -> None:
        assert message == message_of(tree)

    def test_refused_elements_keep_the_places_of_the_others(self) -> None:
        problems, cleaned = judge({"site": [5, {"hosts": ["a b", "example.org"]}]})
        assert [path for path, _ in problems] == [("site", 0), ("site", 1, "hosts", 0)]
        assert cleaned == {"site": [{}, {"hosts": ["", "example.org"]}]}

    def test_what_was_refused_is_known(self) -> None:
        shape = Shape(lambda path, message: None)
        shape.clean({"server": {"backlog": "x", "listen": [":80"]}})
        assert shape.refused == {("server", "backlog")}
