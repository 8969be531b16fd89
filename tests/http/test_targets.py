"""What a request target means, and the one spelling of its path that everybody sees."""

from typing import Any

import pytest

from penstock import RequestRejected
from penstock.http.messages import RequestLine
from penstock.http.targets import canonical_path, read_absolute_target, read_target, rewritten


class TestReading:
    @pytest.mark.parametrize(
        ("target", "raw_path", "path", "query"),
        [
            (b"/", b"/", "/", b""),
            (b"/a%20b?c=%20", b"/a%20b", "/a b", b"c=%20"),
            (b"/a?b?c", b"/a", "/a", b"b?c"),
            (b"/a?", b"/a", "/a", b""),
            (b"/a/./b/../c", b"/a/./b/../c", "/a/c", b""),
            (b"/caf%C3%A9", b"/caf%C3%A9", "/caf\u00e9", b""),
            (b'/a"<>[]\\^`{|}', b'/a"<>[]\\^`{|}', '/a"<>[]\\^`{|}', b""),
        ],
    )
    def test_rfc9112_section_3_2_1_a_path_and_its_query(
        self, target: bytes, raw_path: bytes, path: str, query: bytes
    ) -> None:
        line = read_target("GET", target, "1.1")
        assert (line.method, line.target, line.version) == ("GET", target, "1.1")
        assert (line.raw_path, line.path, line.query) == (raw_path, path, query)

    def test_rfc9112_section_3_2_4_a_star_is_for_options(self) -> None:
        assert read_target("OPTIONS", b"*", "1.1").path == "*"
        with pytest.raises(RequestRejected):
            read_target("GET", b"*", "1.1")

    @pytest.mark.parametrize("target", [b"", b"a", b"/a b", b"/a#b", b"/\xc3\xbc", b"/a\x00", b"/a\x7f", b"?a"])
    def test_rfc9112_section_3_2_what_is_no_target_is_refused(self, target: bytes) -> None:
        with pytest.raises(RequestRejected) as caught:
            read_target("GET", target, "1.1")
        assert (caught.value.status, caught.value.rule) == (400, "RFC 9112 section 3.2")


class TestAbsolute:
    @pytest.mark.parametrize(
        ("target", "origin"),
        [
            (b"http://shop/a?b", b"/a?b"),
            (b"HTTP://SHOP", b"/"),
            (b"http://shop?b", b"/?b"),
            (b"http://shop/http://other/", b"/http://other/"),
        ],
    )
    def test_rfc9112_section_3_2_2_its_origin_form(self, target: bytes, origin: bytes) -> None:
        assert read_absolute_target(target, "http", b"Shop") == origin

    @pytest.mark.parametrize(
        ("target", "rule"),
        [
            (b"shop:80", "RFC 9112 section 3.2"),
            (b"ftp://shop/", "RFC 9112 section 3.2"),
            (b"https://shop/", "RFC 9110 section 7.4"),
            (b"http://other/", "RFC 9112 section 3.2.2"),
            (b"http://shop:80/", "RFC 9112 section 3.2.2"),
            (b"http://user@shop/", "RFC 9112 section 3.2.2"),
            (b"http:///a", "RFC 9112 section 3.2.2"),
        ],
    )
    def test_row_29_81_two_hosts_or_schemes_are_none(self, target: bytes, rule: str) -> None:
        with pytest.raises(RequestRejected) as caught:
            read_absolute_target(target, "http", b"shop")
        assert (caught.value.status, caught.value.rule) == (400, rule)


class TestCanonical:
    @pytest.mark.parametrize(
        ("raw", "path"),
        [
            (b"/a%2Fb", "/a/b"),
            (b"/%2e%2E/a", None),
            (b"/a/%2e%2e/b", "/b"),
            (b"/a/..", "/"),
            (b"/a/b/.", "/a/b/"),
            (b"/a//../b", "/a/b"),
            (b"/...", "/..."),
            (b"/.a", "/.a"),
            (b"/a%2525", "/a%25"),
            (b"/..", None),
            (b"/%00", None),
            (b"/%", None),
            (b"/%4", None),
            (b"/%zz", None),
            (b"/%+1", None),
            (b"/%1_", None),
            (b"/%ff", None),
            (b"/%C0%AF", None),
        ],
    )
    def test_rfc3986_decoded_once_and_without_dot_segments(self, raw: bytes, path: str | None) -> None:
        if path is not None:
            assert canonical_path(raw) == path
            return
        with pytest.raises(RequestRejected) as caught:
            canonical_path(raw)
        assert caught.value.status == 400


class TestRewriting:
    line = read_target("GET", b"/shop/cart?page=1", "1.1")

    def rewrite(self, path: str, query: str | bytes | None = None) -> RequestLine:
        return rewritten(self.line, path, query)

    @pytest.mark.parametrize(
        ("path", "full", "raw"),
        [
            ("/other", "/other", b"/other"),
            ("pay", "/shop/pay", b"/shop/pay"),
            ("../", "/", b"/"),
            ("a/./b", "/shop/a/b", b"/shop/a/b"),
            ("/a b%", "/a b%", b"/a%20b%25"),
            ("/\u00fc", "/\u00fc", b"/%C3%BC"),
        ],
    )
    def test_pipeline_h06_a_path_is_text_and_may_be_relative(self, path: str, full: str, raw: bytes) -> None:
        line = self.rewrite(path)
        assert (line.path, line.raw_path, line.query) == (full, raw, b"page=1")
        assert (line.target, line.method, line.version) == (b"/shop/cart?page=1", "GET", "1.1")

    def test_pipeline_h06_what_it_says_is_read_back_as_it_was(self) -> None:
        line = self.rewrite("/a b/%41\u00fc;x=1")
        assert canonical_path(line.raw_path) == line.path

    @pytest.mark.parametrize(("query", "sent"), [(None, b"page=1"), ("", b""), ("a=%20", b"a=%20"), (b"b=1", b"b=1")])
    def test_pipeline_h06_the_query_is_kept_unless_another_is_given(self, query: Any, sent: bytes) -> None:
        assert self.rewrite("/", query).query == sent

    @pytest.mark.parametrize("path", ["/a?b", "/a\r\nb", "/a\x00", "/\x7f", "/..", "../../x"])
    def test_pipeline_h06_what_is_no_path_of_this_site_is_refused(self, path: str) -> None:
        with pytest.raises(ValueError, match=r"is no path|leads out of the site"):
            self.rewrite(path)

    @pytest.mark.parametrize("query", ["a b", "\u00fc", "a#b", "a\r\nb", b"a b", "\ud800"])
    def test_pipeline_h06_a_query_that_is_not_encoded_is_refused(self, query: str | bytes) -> None:
        with pytest.raises(ValueError, match=r"is no query: encode it"):
            self.rewrite("/", query)
