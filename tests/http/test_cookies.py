"""Cookies by RFC 6265bis: what comes in is read as the browser keeps it, what it would drop is refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from penstock.http.cookies import LONGEST_COOKIE, cookie_identity, parse_cookies, write_cookie


def parse(line: str) -> dict[str, str]:
    return parse_cookies([line.encode()])


class TestParsing:
    @pytest.mark.parametrize(
        ("line", "cookies"),
        [
            ("a=1", {"a": "1"}),
            ("a=1; b=2", {"a": "1", "b": "2"}),
            ("a=1;b=2;", {"a": "1", "b": "2"}),
            ("  a = 1 ;\tb=2\t", {"a": "1", "b": "2"}),
            ("a=1=2", {"a": "1=2"}),
            ("a=", {"a": ""}),
            ("a=x%20y", {"a": "x%20y"}),
            ("a=é", {"a": "é"}),
            ("", {}),
            (";;;", {}),
        ],
    )
    def test_rfc6265bis_section_5_8_3(self, line: str, cookies: dict[str, str]) -> None:
        assert parse(line) == cookies

    def test_rfc6265bis_section_5_8_3_the_first_of_a_name_counts(self) -> None:
        assert parse("a=deep; a=shallow") == {"a": "deep"}
        assert parse_cookies([b"a=first", b"a=second; b=2"]) == {"a": "first", "b": "2"}

    def test_rfc6265bis_section_4_1_1_quotes_belong_to_the_value(self) -> None:
        assert parse('a="x"') == {"a": '"x"'}

    @pytest.mark.parametrize("line", ["=__Host-sid=1", "sid", "=1", " = ; =x"])
    def test_what_has_no_name_names_nothing(self, line: str) -> None:
        assert parse(line) == {}

    def test_names_differ_by_case(self) -> None:
        assert parse("A=1; a=2") == {"A": "1", "a": "2"}

    def test_what_is_not_utf_8_is_iso_8859_1(self) -> None:
        assert parse_cookies([b"a=\xe9"]) == {"a": "é"}

    def test_ten_thousand_cookies_take_linear_time(self) -> None:
        line = ";".join(f"c{number}={number}" for number in range(10_000))
        assert len(parse(line)) == 10_000


class TestWriting:
    @pytest.mark.parametrize(
        ("attributes", "line"),
        [
            ({}, "a=1; Path=/"),
            ({"path": None}, "a=1"),
            ({"path": "/shop x"}, "a=1; Path=/shop x"),
            ({"max_age": 60}, "a=1; Max-Age=60; Path=/"),
            ({"max_age": 0}, "a=1; Max-Age=0; Path=/"),
            ({"max_age": timedelta(hours=1)}, "a=1; Max-Age=3600; Path=/"),
            ({"expires": 0}, "a=1; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/"),
            (
                {"expires": datetime(2026, 11, 20, 12, tzinfo=UTC)},
                "a=1; Expires=Fri, 20 Nov 2026 12:00:00 GMT; Path=/",
            ),
            ({"domain": "example.org"}, "a=1; Path=/; Domain=example.org"),
            ({"secure": True, "httponly": True}, "a=1; Path=/; Secure; HttpOnly"),
            ({"secure": False, "httponly": False}, "a=1; Path=/"),
            ({"samesite": "lax"}, "a=1; Path=/; SameSite=Lax"),
            ({"samesite": "NONE", "secure": True}, "a=1; Path=/; Secure; SameSite=None"),
            ({"partitioned": True, "secure": True}, "a=1; Path=/; Secure; Partitioned"),
        ],
    )
    def test_rfc6265bis_section_4_1_1(self, attributes: dict[str, Any], line: str) -> None:
        assert write_cookie("a", "1", **attributes) == line.encode()

    @pytest.mark.parametrize("name", ["", "a b", "a;b", "a=b", "a,b", "a\r\nb", "é", '"a"', "a\0", "\ud800"])
    def test_rfc6265bis_section_4_1_1_a_name_is_a_token(self, name: str) -> None:
        with pytest.raises(ValueError, match="not the name of a cookie"):
            write_cookie(name, "1")

    @pytest.mark.parametrize(
        "value",
        ["a b", "a;b", "a,b", 'a"b', "a\\b", "é", "a\r\nSet-Cookie: b=2", "a\0", "a\x7f", '"', '"a b"', "\ud800"],
    )
    def test_rfc6265bis_section_4_1_1_a_value_cannot_break_out(self, value: str) -> None:
        with pytest.raises(ValueError, match=r"cookie 'a': .*urllib\.parse\.quote"):
            write_cookie("a", value)

    @pytest.mark.parametrize("value", ["", "a=b", "%20", '"quoted"', "!#$%&'()*+-./:<=>?@[]^_`{|}~"])
    def test_rfc6265bis_section_4_1_1_what_goes_out_comes_back(self, value: str) -> None:
        line = write_cookie("a", value, path=None)
        assert parse_cookies([line]) == {"a": value}

    def test_rfc6265bis_section_5_6_name_and_value_have_4096_bytes(self) -> None:
        assert write_cookie("a", "x" * (LONGEST_COOKIE - 1))
        with pytest.raises(ValueError, match="4097 bytes"):
            write_cookie("a", "x" * LONGEST_COOKIE)

    def test_rfc6265bis_section_5_6_an_attribute_has_1024(self) -> None:
        with pytest.raises(ValueError, match="longer than 1024"):
            write_cookie("a", "1", path="/" + "x" * 1024)

    @pytest.mark.parametrize("path", ["", "shop", "/a;b", "/a\r\nx: y", "/é", "/a\x7f"])
    def test_a_path_that_is_none_is_refused(self, path: str) -> None:
        with pytest.raises(ValueError, match=r"cookie 'a': .*path"):
            write_cookie("a", "1", path=path)

    @pytest.mark.parametrize("domain", ["", ".", "a b", "a;b", "a\r\nb", "é.org", "a:80"])
    def test_a_domain_that_is_none_is_refused(self, domain: str) -> None:
        with pytest.raises(ValueError, match=r"cookie 'a': .*domain"):
            write_cookie("a", "1", domain=domain)

    @pytest.mark.parametrize("name", ["__Secure-a", "__secure-a", "__Host-a", "__HOST-a"])
    def test_rfc6265bis_section_4_1_3_prefixes_need_secure(self, name: str) -> None:
        with pytest.raises(ValueError, match="needs secure=True"):
            write_cookie(name, "1")
        assert write_cookie(name, "1", secure=True)

    @pytest.mark.parametrize("attributes", [{"path": "/shop"}, {"path": None}, {"domain": "example.org"}])
    def test_rfc6265bis_section_4_1_3_2_a_host_cookie_is_the_host_s(self, attributes: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match='needs path="/" and no domain'):
            write_cookie("__Host-a", "1", secure=True, **attributes)
        assert write_cookie("__Secure-a", "1", secure=True, **attributes)

    @pytest.mark.parametrize("attributes", [{"samesite": "None"}, {"partitioned": True}])
    def test_rfc6265bis_section_5_6_what_needs_secure(self, attributes: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="needs secure=True"):
            write_cookie("a", "1", **attributes)

    @pytest.mark.parametrize("samesite", ["", "sloppy", "Lax; Secure"])
    def test_samesite_is_one_of_three(self, samesite: str) -> None:
        with pytest.raises(ValueError, match='"Strict", "Lax" or "None"'):
            write_cookie("a", "1", samesite=samesite)

    @pytest.mark.parametrize("flag", ["secure", "httponly", "partitioned"])
    @pytest.mark.parametrize("is_set", [None, 1, "no"])
    def test_a_flag_is_true_or_false(self, flag: str, is_set: object) -> None:
        with pytest.raises(TypeError, match=r"bool|True or False"):
            write_cookie("a", "1", **{flag: is_set})  # type: ignore[arg-type]

    def test_a_moment_without_a_time_zone_is_refused(self) -> None:
        with pytest.raises(ValueError, match="needs a time zone"):
            write_cookie("a", "1", expires=datetime(2026, 11, 20))  # noqa: DTZ001


class TestIdentity:
    def test_pipeline_o09_name_domain_and_path(self) -> None:
        line = write_cookie("a", "1", domain=".Example.org", path="/x", secure=True)
        assert cookie_identity(line) == (b"a", b"example.org", b"/x")
        assert cookie_identity(line) == cookie_identity(b"a=2;DOMAIN=example.org ; path=/x")
        assert cookie_identity(b"a=1") == (b"a", b"", b"")
