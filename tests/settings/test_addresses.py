"""This file is the test of how places to listen, trusted proxies and host names are written."""

import pytest

from penstock.settings.addresses import judge_host_pattern, judge_listen, judge_origin, judge_trusted


class TestListen:
    @pytest.mark.parametrize(
        "text",
        [
            "127.0.0.1:8000", ":8000", "[::]:8000", "[::1]:0", "localhost:80", "my-host.example.org:65535",
            "unix:/run/app.sock", "unix:app.sock", "unix:///run/app.sock", "fd:3", "fd://3", "[fe80::1%eth0]:80",
            "fcgi://127.0.0.1:9000", "fcgi://:9000", "fcgi://[::1]:9000/", "fcgi+unix:/run/app.sock", "fcgi+unix:///run/app.sock",
            "fcgi+fd:3", "fcgi:9000",
        ],
    )  # fmt: skip
    def test_good(self, text: str) -> None:
        assert judge_listen(text) == ""

    @pytest.mark.parametrize(
        ("text", "advice"),
        [
            ("8000", 'write ":8000"'),
            ("localhost", 'write "localhost:8000"'),
            ("", 'write ":8000"'),
            ("::1", 'write "[::1]:8000"'),
            ("::1:8000", 'write "[::1]:8000"'),
            ("fe80::1:8000", 'write "[fe80::1]:8000"'),
            ("[::1]", "port"),
            ("[localhost]:80", "no IPv6 address in its brackets"),
            ("[::1:80", "no IPv6 address in its brackets"),
            ("localhost:http", '"http" is not a whole number'),
            ("localhost:65536", "from 0 to 65535"),
            ("localhost:-1", "from 0 to 65535"),
            ("localhost:٣", "from 0 to 65535"),
            ("/run/app.sock", 'write "unix:/run/app.sock"'),
            ("unix:", "no path"),
            ("unix://", "no path"),
            ("fd:", 'write "fd:3"'),
            ("fd:x", 'write "fd:3"'),
            ("a b:80", "bad host"),
            ("http://localhost:80", "bad host"),
            ("ä:80", "bad host"),
            ("fcgi://", '"fcgi://" is no place for FastCGI'),
            ("fcgi://localhost", 'write "localhost:8000"'),
            ("fcgi://localhost:x", '"x" is not a whole number'),
            ("fcgi://::1:9000", 'write "[::1]:9000"'),
            ("fcgi:///run/app.sock", 'write "fcgi+unix:/run/app.sock"'),
            ("fcgi://unix:/run/app.sock", 'write "fcgi+unix:/run/app.sock"'),
            ("fcgi+unix:", "no path"),
            ("fcgi+fd:x", 'write "fd:3"'),
            ("fcgi+tcp://a:1", 'write "fcgi://127.0.0.1:9000"'),
            ("fcgi:127.0.0.1:9000", 'write "fcgi://127.0.0.1:9000"'),
            ("fastcgi://a:1", 'write "fcgi://127.0.0.1:9000"'),
        ],
    )
    def test_bad(self, text: str, advice: str) -> None:
        assert advice in judge_listen(text)


class TestTrusted:
    @pytest.mark.parametrize("text", ["127.0.0.1", "10.0.0.0/8", "::1", "fd00::/8", "unix:", "*"])
    def test_good(self, text: str) -> None:
        assert judge_trusted(text) == ""

    @pytest.mark.parametrize(
        ("text", "advice"),
        [
            ("10.0.0.1/8", 'write "10.0.0.0/8"'),
            ("10.0.0.0/33", "not an IP address or network"),
            ("localhost", "not an IP address or network"),
            ("", "not an IP address or network"),
            ("010.0.0.1", "not an IP address or network"),
        ],
    )
    def test_bad(self, text: str, advice: str) -> None:
        assert advice in judge_trusted(text)


class TestHostPattern:
    @pytest.mark.parametrize(
        "text", ["*", "example.org", "*.example.org", "Localhost", "127.0.0.1", "[::1]", "a_b", "xn--bcher-kva.example"]
    )
    def test_good(self, text: str) -> None:
        assert judge_host_pattern(text) == ""

    @pytest.mark.parametrize(
        ("text", "advice"),
        [
            ("", "not a host name"),
            ("bücher.example", '"xn--bcher-kva.example"'),
            ("*.bücher.example", '"*.xn--bcher-kva.example"'),
            ("ä..b", "xn--..."),
            ("www.*.org", "star"),
            ("*example.org", "star"),
            ("**", "star"),
            ("*.*", "star"),
            ("*.", "not a host name"),
            ("example.org:80", 'write "example.org"'),
            ("http://example.org", "leave out the scheme"),
            ("example.org/", "leave out the scheme"),
            ("::1", 'write "[::1]"'),
            ("[localhost]", "not an IPv6 address in brackets"),
            ("[::1", "not an IPv6 address in brackets"),
            ("example..org", "not a host name"),
            (".example.org", "not a host name"),
            ("example.org\n", "not a host name"),
            ("a b", "not a host name"),
        ],
    )
    def test_bad(self, text: str, advice: str) -> None:
        assert advice in judge_host_pattern(text)


class TestOrigin:
    @pytest.mark.parametrize(
        "text",
        [
            "*",
            "https://example.org",
            "http://localhost:8000",
            "http://127.0.0.1",
            "https://[::1]:8443",
            "tauri://localhost",
        ],
    )
    def test_good(self, text: str) -> None:
        assert judge_origin(text) == ""

    @pytest.mark.parametrize(
        ("text", "advice"),
        [
            ("example.com", 'write "https://example.com"'),
            ("example.com/chat", 'write "https://example.com"'),
            ("localhost:8000", 'write "https://localhost:8000"'),
            ("https://example.com/", 'write "https://example.com"'),
            ("https://example.com/chat?a", 'write "https://example.com"'),
            ("https://example.com?a", 'write "https://example.com"'),
            ("http://a:80#b", 'write "http://a:80"'),
            ("wss://example.com:444", 'write "https://example.com:444"'),
            ("ws://example.com", 'write "http://example.com"'),
            ("https://*.example.com", 'write "*" for any'),
            ("*.example.com", "is not an origin"),
            ("https://münchen.de:80", 'write "https://xn--mnchen-3ya.de:80"'),
            ("https://example.com:443", 'write "https://example.com"'),
            ("http://[::1]:80", 'write "http://[::1]"'),
            ("null", "names nobody"),
            ("", "is not an origin"),
            ("https://", "is not an origin"),
            ("https://a:70000", "is not an origin"),
            ("https://a b", "is not an origin"),
            ("https://user@a", "is not an origin"),
            ("//example.com", "is not an origin"),
        ],
    )
    def test_bad(self, text: str, advice: str) -> None:
        assert advice in judge_origin(text)
