"""This file is the test of how a place to listen is written."""

import pytest

from penstock.errors import ConfigurationError
from penstock.hosts.binds import parse_bind


class TestParseBind:
    @pytest.mark.parametrize(
        ("text", "host", "port"),
        [
            ("127.0.0.1:8000", "127.0.0.1", 8000),
            ("0.0.0.0:0", "0.0.0.0", 0),
            (":8000", "", 8000),
            ("[::]:8000", "::", 8000),
            ("[fe80::1%eth0]:80", "fe80::1%eth0", 80),
            ("localhost:65535", "localhost", 65535),
        ],
    )
    def test_host_and_port(self, text: str, host: str, port: int) -> None:
        bind = parse_bind(text)
        assert (host, port, "", -1) == (bind.host, bind.port, bind.path, bind.fd)

    @pytest.mark.parametrize("text", ["unix:/run/app.sock", "unix:///run/app.sock"])
    def test_unix_path(self, text: str) -> None:
        assert parse_bind(text).path == "/run/app.sock"

    @pytest.mark.parametrize("text", ["fd:3", "fd://3"])
    def test_inherited_descriptor(self, text: str) -> None:
        assert parse_bind(text).fd == 3

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("fcgi://127.0.0.1:9000", ("127.0.0.1", 9000, "", -1)),
            ("fcgi://:9000/", ("", 9000, "", -1)),
            ("fcgi+unix:/run/app.sock", ("", 0, "/run/app.sock", -1)),
            ("fcgi+fd:3", ("", 0, "", 3)),
        ],
    )
    def test_places_for_fastcgi(self, text: str, expected: tuple[str, int, str, int]) -> None:
        bind = parse_bind(text)
        assert (bind.host, bind.port, bind.path, bind.fd) == expected
        assert bind.is_fastcgi
        assert bind.text == text
        assert not parse_bind("fcgi:9000").is_fastcgi  # a host of that name

    @pytest.mark.parametrize(
        ("text", "advice"),
        [
            ("", "does not say where to listen"),
            ("8000", "does not say where to listen"),
            ("http://127.0.0.1:8000", "does not say where to listen"),
            ("127.0.0.1:", "does not end in a port"),
            ("127.0.0.1:http", "does not end in a port"),
            ("127.0.0.1:65536", "does not end in a port"),
            ("127.0.0.1:-1", "does not end in a port"),
            ("127.0.0.1:٨٠", "does not end in a port"),
            ("::1:8000", 'write "[::1]:8000"'),
            ("[::1:8000", 'write "[::1]:8000"'),
            ("a b:8000", "holds no host name"),
            ("[localhost]:8000", "holds no host name"),
            ("unix:", "names no path"),
            ("fd:", "names no descriptor"),
            ("fd:three", "names no descriptor"),
            ("fd:-1", "names no descriptor"),
            ("fcgi://127.0.0.1", "is no place for FastCGI"),
            ("fcgi://::1:9000", 'write "[::1]:8000"'),
            ("fcgi+unix:", "names no path"),
            ("fcgi+tcp:a:1", "holds an IPv6 address without brackets"),
        ],
    )
    def test_what_cannot_be_a_place_is_refused_with_what_would_be(self, text: str, advice: str) -> None:
        with pytest.raises(ConfigurationError) as caught:
            parse_bind(text, where="--bind")
        (problem,) = caught.value.problems
        assert advice in problem.message
        assert f'"{text}"' in problem.message
        assert problem.where == "--bind"
