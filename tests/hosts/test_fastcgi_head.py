"""This file is the test of what the parameters of a FastCGI request say (RFC 3875 section 4.1)."""

import pytest

from penstock.errors import RequestRejected
from penstock.hosts.fastcgi_head import FastCgiHead, ParameterReader
from penstock.settings.model import LimitSettings
from tests.wire import fastcgi_client as web


def read(*more: tuple[str, str], method: str = "GET", target: str = "/", **changes: str) -> FastCgiHead:
    told = [pair for pair in web.parameters(method, target, **changes).items() if pair[1] != "-"]
    encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (*told, *more)]
    return ParameterReader(LimitSettings()).read(encoded)


class TestTarget:
    def test_the_raw_uri_counts(self) -> None:
        head = read(target="/a%20b/%C3%BC?q=%20", SCRIPT_NAME="/index.php", QUERY_STRING="rewritten=1").head
        assert (head.path, head.raw_path, head.query) == ("/a b/ü", b"/a%20b/%C3%BC", b"q=%20")

    def test_without_it_script_name_and_path_info_do(self) -> None:
        path = "/a b/ü%".encode().decode("latin-1")
        head = read(REQUEST_URI="-", SCRIPT_NAME="/app", PATH_INFO=path, QUERY_STRING="q=1").head
        assert (head.target, head.path) == (b"/app/a%20b/%C3%BC%25?q=1", "/app/a b/ü%")
        assert read(REQUEST_URI="-", SCRIPT_NAME="-").head.path == "/"

    def test_dot_segments_are_resolved_and_never_lead_out(self) -> None:
        assert read(target="/a/../b").head.path == "/b"
        assert read(target="/a/%2e%2e/b").head.path == "/b"
        with pytest.raises(RequestRejected, match="root"):
            read(target="/../etc/passwd")

    def test_a_whole_url_must_name_its_host(self) -> None:
        assert read(target="http://example.org/a?b").head.path == "/a"
        with pytest.raises(RequestRejected, match="another host"):
            read(target="http://evil.example/a")

    def test_a_line_is_remembered(self) -> None:
        reader = ParameterReader(LimitSettings())
        told = [(name.encode(), value.encode()) for name, value in web.parameters().items()]
        assert reader.read(told).head.line is reader.read(told).head.line


class TestFields:
    def test_names_and_values(self) -> None:
        head = read(("HTTP_X_SEEN", " one "), ("HTTP_X_SEEN", "two"), CONTENT_TYPE="text/plain").head
        assert (b"x-seen", b"one") in head.headers
        assert (b"x-seen", b"two") in head.headers
        assert (b"content-type", b"text/plain") in head.headers
        assert head.host == "example.org"

    def test_what_is_repeated_by_nginx_is_said_once(self) -> None:
        head = read(("HTTP_CONTENT_LENGTH", "4"), ("HTTP_CONTENT_TYPE", "a/b"), CONTENT_LENGTH="4", CONTENT_TYPE="a/b")
        names = [name for name, _ in head.head.headers]
        assert (names.count(b"content-length"), names.count(b"content-type")) == (1, 1)
        assert head.head.content_length == 4

    def test_a_length_without_its_variable(self) -> None:
        assert read(("HTTP_CONTENT_LENGTH", "4"), method="POST").head.content_length == 4

    def test_lengths_that_contradict_are_refused(self) -> None:
        with pytest.raises(RequestRejected, match="CONTENT_LENGTH contradicts HTTP_CONTENT_LENGTH"):
            read(("HTTP_CONTENT_LENGTH", "5"), CONTENT_LENGTH="4")

    @pytest.mark.parametrize("length", ["", "-1", "-"])
    def test_a_chunked_body_has_been_read_by_the_web_server(self, length: str) -> None:
        head = read(("HTTP_TRANSFER_ENCODING", "chunked"), method="POST", CONTENT_LENGTH=length).head
        assert head.content_length == -1
        assert all(name != b"transfer-encoding" for name, _ in head.headers)

    def test_a_chunked_body_that_the_web_server_has_counted(self) -> None:
        head = read(("HTTP_TRANSFER_ENCODING", "chunked"), method="POST", CONTENT_LENGTH="7").head
        assert head.content_length == 7

    def test_no_length_is_no_body_in_http_1_and_may_be_one_in_http_2(self) -> None:
        assert read(method="POST", CONTENT_LENGTH="").head.content_length == 0
        assert read(method="POST", SERVER_PROTOCOL="HTTP/2.0").head.content_length == -1
        assert read(SERVER_PROTOCOL="HTTP/2.0").head.content_length == 0

    def test_a_host_that_http_3_does_not_tell(self) -> None:
        head = read(SERVER_PROTOCOL="HTTP/3.0", HTTP_HOST="-", HTTPS="on", SERVER_PORT="8443").head
        assert (head.authority, head.host, head.version) == (b"example.org:8443", "example.org", "3")

    @pytest.mark.parametrize(
        ("changes", "advice"),
        [
            ({"REQUEST_METHOD": "-"}, "include fastcgi_params"),
            ({"REQUEST_METHOD": "G T"}, "no token"),
            ({"SERVER_PROTOCOL": "INCLUDED"}, "no version of HTTP"),
            ({"HTTP_HOST": "-"}, "names its Host"),
            ({"HTTP_HOST": "a b"}, "malformed Host"),
            ({"HTTP_X_A": "a\r\nb: c"}, "malformed header field"),
            ({"HTTP_X A": "a"}, "malformed header field"),
            ({"HTTP_": "a"}, "malformed header field"),
            ({"CONTENT_LENGTH": "0x10"}, "not a number"),
            ({"CONTENT_LENGTH": "-5"}, "not a number"),
            ({"REQUEST_URI": "/a\x00b"}, "a character it may not"),
            ({"REQUEST_URI": "no-slash"}, "neither with a slash"),
            ({"HTTP_EXPECT": "miracles"}, "expectation"),
        ],
    )
    def test_what_http_does_not_allow_is_refused(self, changes: dict[str, str], advice: str) -> None:
        with pytest.raises(RequestRejected, match=advice):
            read(**changes)

    def test_two_hosts_are_refused(self) -> None:
        with pytest.raises(RequestRejected, match="more than one host"):
            read(("HTTP_HOST", "other.example"))

    def test_limits_of_heads_hold(self) -> None:
        with pytest.raises(RequestRejected) as target:
            read(target="/" + "a" * 8192)
        with pytest.raises(RequestRejected) as many:
            read(*[(f"HTTP_X_{number}", "a") for number in range(101)])
        with pytest.raises(RequestRejected) as large:
            read(("HTTP_X_LARGE", "a" * 32768))
        assert [caught.value.status for caught in (target, many, large)] == [414, 431, 431]


class TestWhoAndWhere:
    @pytest.mark.parametrize(
        ("changes", "scheme"),
        [
            ({}, "http"), ({"HTTPS": "on"}, "https"), ({"HTTPS": "1"}, "https"), ({"HTTPS": "off"}, "http"), ({"HTTPS": ""}, "http"),
            ({"REQUEST_SCHEME": "https"}, "https"), ({"REQUEST_SCHEME": "http"}, "http"),
        ],
    )  # fmt: skip
    def test_scheme(self, changes: dict[str, str], scheme: str) -> None:
        assert read(**changes).scheme == scheme

    def test_both_ends(self) -> None:
        asked = read()
        assert (asked.client, asked.server) == (("192.0.2.7", 4711), ("example.org", 80))
        assert read(SERVER_ADDR="192.0.2.1", SERVER_PORT="443").server == ("192.0.2.1", 443)
        assert read(REMOTE_ADDR="::ffff:192.0.2.9", REMOTE_PORT="").client == ("192.0.2.9", None)
        assert read(REMOTE_ADDR="::1").client == ("::1", 4711)

    @pytest.mark.parametrize("address", ["-", "", "unix:", "evil\nline"])
    def test_a_client_that_is_not_told(self, address: str) -> None:
        assert read(REMOTE_ADDR=address).client is None

    def test_headers_about_the_client_are_not_believed(self) -> None:
        asked = read(("HTTP_X_FORWARDED_FOR", "10.0.0.1"), ("HTTP_X_FORWARDED_PROTO", "https"))
        assert (asked.client, asked.scheme) == (("192.0.2.7", 4711), "http")
