"""Heads that another server has parsed are judged by the rules that hold for our own."""

import pytest

from penstock import RequestRejected
from penstock.http.foreign_head import foreign_handshake, foreign_head, foreign_line, host_of
from penstock.http.head import read_head
from penstock.http.messages import CHUNKED
from penstock.http.websocket_handshake import asks_for_websocket, read_handshake
from penstock.settings.model import LimitSettings

Pairs = list[tuple[bytes, bytes]]
HOST = (b"host", b"Example.org:8080")
LIMITS = LimitSettings()


def refused(
    method: str = "GET", path: bytes = b"/", query: bytes = b"", *, headers: Pairs, version: str = "1.1"
) -> int:
    with pytest.raises(RequestRejected) as caught:
        foreign_head(foreign_line(method, path, query, version=version), headers)
    return caught.value.status


class TestLine:
    def test_says_what_our_own_reader_would(self) -> None:
        line = foreign_line("PUT", b"/a%20b/%C3%BC", b"q=%20")
        own = read_head(b"PUT /a%20b/%C3%BC?q=%20 HTTP/1.1\r\nhost: a\r\n\r\n", LIMITS).line
        fields = ("method", "target", "raw_path", "path", "query", "version", "is_head", "is_1_0")
        assert [getattr(line, name) for name in fields] == [getattr(own, name) for name in fields]

    def test_rfc9112_section_3_2_2_a_whole_url(self) -> None:
        line = foreign_line("GET", b"http://a:80/b%20c", b"d", scheme="http", authority=b"a:80")
        assert (line.path, line.raw_path, line.query) == ("/b c", b"/b%20c", b"d")
        assert line.target == b"http://a:80/b%20c?d"

    @pytest.mark.parametrize(("scheme", "authority"), [("", b""), ("https", b"a"), ("http", b"b")])
    def test_bad_input_29_a_whole_url_that_names_something_else(self, scheme: str, authority: bytes) -> None:
        with pytest.raises(RequestRejected) as caught:
            foreign_line("GET", b"http://a/", b"", scheme=scheme, authority=authority)
        assert caught.value.status == 400

    def test_rfc9112_section_3_2_4_asterisk(self) -> None:
        assert foreign_line("OPTIONS", b"*", b"").path == "*"

    @pytest.mark.parametrize(
        ("method", "path", "query", "status"),
        [
            ("G T", b"/", b"", 400),
            ("", b"/", b"", 400),
            ("GÉT", b"/", b"", 400),
            ("CONNECT", b"/", b"", 501),
            ("GET", b"", b"", 400),
            ("GET", b"*", b"", 400),
            ("GET", b"a", b"", 400),
            ("GET", b"/a?b", b"c", 400),
            ("GET", b"/../etc", b"", 400),
            ("GET", b"/%2e%2e/etc", b"", 400),
            ("GET", b"/%zz", b"", 400),
            ("GET", b"/%00", b"", 400),
            ("GET", b"/%ff", b"", 400),
            ("GET", b"/a b", b"", 400),
            ("GET", "/ü".encode(), b"", 400),
            ("GET", b"/\r\n", b"", 400),
            ("GET", b"/", b"a#b", 400),
            ("GET", b"/", b"a\r\nb", 400),
        ],
    )
    def test_bad_input_is_refused(self, method: str, path: bytes, query: bytes, status: int) -> None:
        assert refused(method, path, query, headers=[HOST]) == status


class TestHead:
    def test_says_what_our_own_reader_would(self) -> None:
        headers = [HOST, (b"x-a", b"1"), (b"x-a", b"2"), (b"content-length", b"5")]
        head = foreign_head(foreign_line("POST", b"/", b""), headers)
        own = read_head(
            b"POST / HTTP/1.1\r\nhost: Example.org:8080\r\nx-a: 1\r\nx-a: 2\r\ncontent-length: 5\r\n\r\n", LIMITS
        )
        assert (head.headers, head.host, head.authority) == (own.headers, own.host, own.authority)
        assert (head.host, head.content_length, head.keep_alive) == ("example.org", 5, True)

    @pytest.mark.parametrize(
        "headers",
        [
            [],
            [HOST, (b"host", b"b")],
            [(b"host", b"a/b")],
            [(b"host", b"a,b")],
            [HOST, (b"", b"a")],
            [HOST, (b"x a", b"a")],
            [HOST, ("x-ü".encode(), b"a")],
            [HOST, (b"x-a", b"a\r\nset-cookie: b")],
            [HOST, (b"x-a", b"a\0b")],
            [HOST, (b"content-length", b"5"), (b"content-length", b"5")],
            [HOST, (b"content-length", b"5, 5")],
            [HOST, (b"content-length", b"-1")],
            [HOST, (b"content-length", b"05")],
            [HOST, (b"content-length", b"5"), (b"transfer-encoding", b"chunked")],
            [HOST, (b"authorization", b"a"), (b"authorization", b"b")],
        ],
    )
    def test_bad_input_is_refused(self, headers: Pairs) -> None:
        assert refused(headers=headers) == 400

    def test_statuses_of_their_own(self) -> None:
        assert refused(headers=[HOST, (b"transfer-encoding", b"gzip, chunked")]) == 501
        assert refused(headers=[HOST, (b"expect", b"a miracle")]) == 417
        assert refused(headers=[(b"transfer-encoding", b"chunked")], version="1.0") == 400

    def test_http_1_0_needs_no_host(self) -> None:
        head = foreign_head(foreign_line("GET", b"/", b"", version="1.0"), [])
        assert (head.host, head.authority, head.line.is_1_0) == ("", b"", True)

    def test_rfc9113_section_8_2_2_http_2_has_no_framing_fields(self) -> None:
        line = foreign_line("POST", b"/", b"", version="2")
        headers = [HOST, (b"connection", b"close"), (b"transfer-encoding", b"gzip"), (b"upgrade", b"h2c")]
        head = foreign_head(line, headers)
        assert (head.content_length, head.is_upgrade, head.version) == (0, False, "2")
        assert foreign_head(line, []).host == ""

    def test_a_body_may_follow_without_a_word(self) -> None:
        line = foreign_line("POST", b"/", b"", version="2")
        forwarded = (b"x-forwarded-for", b"192.0.2.1")
        head = foreign_head(line, [HOST, forwarded], may_have_body=True)
        assert (head.content_length, head.framing.is_forwarded) == (CHUNKED, True)
        assert foreign_head(line, [HOST, (b"content-length", b"0")], may_have_body=True).content_length == 0
        assert foreign_head(line, [HOST, (b"content-length", b"7")], may_have_body=True).content_length == 7


class TestHandshake:
    def test_rfc8441_section_5_over_http_2_it_is_completed(self) -> None:
        line = foreign_line("GET", b"/chat", b"", version="2")
        sent = [HOST, (b"sec-websocket-version", b"13"), (b"origin", b"http://a")]
        head = foreign_handshake(line, sent, subprotocols=["v2", "v1"])
        handshake = read_handshake(head)
        assert asks_for_websocket(head)
        assert (handshake.protocols, handshake.origin) == (("v2", "v1"), "http://a")
        assert len(sent) == 3

    def test_over_http_1_1_what_was_sent_stays(self) -> None:
        sent = [
            HOST,
            (b"connection", b"keep-alive, Upgrade"),
            (b"upgrade", b"websocket"),
            (b"sec-websocket-version", b"13"),
            (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
            (b"sec-websocket-protocol", b"v1"),
        ]
        head = foreign_handshake(foreign_line("GET", b"/", b""), sent, subprotocols=["v1"])
        assert head.headers == sent
        assert read_handshake(head).key == b"dGhlIHNhbXBsZSBub25jZQ=="

    def test_websockets_h02_another_version_is_still_refused(self) -> None:
        head = foreign_handshake(foreign_line("GET", b"/", b""), [HOST, (b"sec-websocket-version", b"8")])
        with pytest.raises(RequestRejected) as caught:
            read_handshake(head)
        assert caught.value.status == 426

    def test_sub_protocols_that_are_none_offer_nothing(self) -> None:
        head = foreign_handshake(foreign_line("GET", b"/", b""), [HOST], subprotocols=["a b", "日"])
        assert read_handshake(head).protocols == ()

    def test_a_handshake_with_a_body_is_refused(self) -> None:
        head = foreign_handshake(foreign_line("GET", b"/", b""), [HOST, (b"content-length", b"5")])
        with pytest.raises(RequestRejected):
            read_handshake(head)


@pytest.mark.parametrize(
    ("authority", "host"), [(b"", ""), (b"A.b:80", "a.b"), (b"[::1]:80", "[::1]"), (b"[2001:DB8::1]", "[2001:db8::1]")]
)
def test_rfc9110_section_7_2_the_host_of_an_authority(authority: bytes, host: str) -> None:
    assert host_of(authority) == host
