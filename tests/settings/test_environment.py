"""This file is the test of environment overrides."""

from pathlib import Path

import pytest

from penstock.errors import ConfigurationError
from penstock.settings import ServerSettings
from penstock.settings.environment import overrides_in, server_from_environment, value_from_text, variable_of


class TestOverrides:
    def test_only_variables_of_the_server_are_overrides(self) -> None:
        environ = {"PENSTOCK_SERVER__LIMITS__BODY": "1", "PENSTOCK_BIND": "x", "PENSTOCK_SERVER": "y", "PATH": "z"}
        (override,) = overrides_in(environ)
        assert override.path == ("server", "limits", "body")
        assert override.variable == variable_of(override.path)

    @pytest.mark.parametrize(
        ("text", "wanted", "value"),
        [
            ("plain", "text", "plain"),
            ("5", "text", "5"),
            ('"quoted"', "text", "quoted"),
            ('"half', "text", '"half'),
            ("true", "boolean", True),
            ("Off", "boolean", False),
            ("maybe", "boolean", "maybe"),
            ("5", "json", 5),
            ("0.5", "json", 0.5),
            ("five", "json", "five"),
            ('{"a": "b"}', "json", {"a": "b"}),
            ("a", "texts", ["a"]),
            ("a, b,", "texts", ["a", "b"]),
            ("[::]:80", "texts", ["[::]:80"]),
            ('["a,b"]', "texts", ["a,b"]),
            ("[" * 100_000, "json", "[" * 100_000),
        ],
    )
    def test_text_is_plain_or_json(self, text: str, wanted: str, value: object) -> None:
        assert value == value_from_text(text, wanted)


class TestServerFromEnvironment:
    def test_defaults(self) -> None:
        assert server_from_environment({"PATH": "x"}) == ServerSettings()

    def test_overrides(self) -> None:
        environ = {
            "PENSTOCK_SERVER__LOG__ACCESS": "no",
            "PENSTOCK_SERVER__HEADERS": '{"X-A": "b"}',
            "PENSTOCK_SERVER__LIMITS": '{"body": 5}',
            "PENSTOCK_SERVER__LIMITS__QUEUE": "6",
            "PENSTOCK_SERVER__GRACEFUL_TIMEOUT": "3",
        }
        server = server_from_environment(environ)
        assert server.log.access is False
        assert server.headers == {"x-a": "b"}
        assert (server.limits.body, server.limits.queue, server.graceful_timeout) == (5, 6, 3.0)
        assert server.app_dirs == (str(Path.cwd()),)

    def test_mistakes_name_the_variable(self) -> None:
        environ = {
            "PENSTOCK_SERVER__MODE": "prod",
            "PENSTOCK_SERVER__BAKLOG": "5",
            "PENSTOCK_SERVER__HEADERS__X": "5",
            "PENSTOCK_SERVER__TLS__CERTIFICATE": "/nowhere/cert.pem",
        }
        with pytest.raises(ConfigurationError) as caught:
            server_from_environment(environ)
        assert sorted((problem.where, problem.message) for problem in caught.value.problems) == [
            (
                "PENSTOCK_SERVER__BAKLOG",
                '[server] does not know "baklog"; did you mean PENSTOCK_SERVER__BACKLOG?',
            ),
            ("PENSTOCK_SERVER__HEADERS__X", "headers has no keys of its own: set PENSTOCK_SERVER__HEADERS, to JSON"),
            (
                "PENSTOCK_SERVER__MODE",
                'mode must be "development" or "production", not "prod"; did you mean "production"?',
            ),
            ("PENSTOCK_SERVER__TLS", '[server.tls] needs "key"'),
            ("PENSTOCK_SERVER__TLS__CERTIFICATE", 'certificate: there is no file "/nowhere/cert.pem"'),
        ]
