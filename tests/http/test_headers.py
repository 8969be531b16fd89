"""This file is the test of header fields: names in any case, order kept, and nothing that HTTP does not allow."""

import pytest

from penstock.http.headers import FixedHeaders, Headers, encode_field


class TestHeaders:
    def test_names_in_any_case(self) -> None:
        headers = Headers([(b"x-one", b"1")])
        assert headers["X-One"] == headers.get("x-ONE") == "1"
        assert "X-one" in headers
        assert headers.get("x-two", "none") == "none"
        with pytest.raises(KeyError):
            headers["x-two"]

    def test_setting_replaces_all_of_a_name_where_the_first_stands(self) -> None:
        headers = Headers([(b"a", b"1"), (b"b", b"2"), (b"a", b"3"), (b"c", b"4")])
        headers["A"] = "5"
        assert headers.raw == [(b"a", b"5"), (b"b", b"2"), (b"c", b"4")]
        headers["d"] = "6"
        assert headers.items()[-1] == ("d", "6")

    def test_adding_keeps_the_others(self) -> None:
        headers = Headers([(b"vary", b"a")])
        headers.add("Vary", "b")
        assert headers.get_all("vary") == ["a", "b"]
        del headers["VARY"]
        assert len(headers) == 0

    def test_raw_list_is_the_truth(self) -> None:
        raw = [(b"a", b"1")]
        Headers(raw)["b"] = "2"
        assert raw == [(b"a", b"1"), (b"b", b"2")]


class TestEncoding:
    @pytest.mark.parametrize("value", ["a", "", "a\tb", "grüße", "~ !"])
    def test_rfc9110_5_5_values(self, value: str) -> None:
        for _ in range(2):  # the second time the name is known
            assert encode_field("X-Value", value) == (b"x-value", value.encode("latin-1"))

    def test_rfc9110_5_5_blanks_around_a_value_are_no_part_of_it(self) -> None:
        for _ in range(2):
            assert encode_field("x-blank", " \ta b\t ") == (b"x-blank", b"a b")

    @pytest.mark.parametrize("value", ["a\r\nb", "a\nb", "a\0b", "\x7f", "\x1b[2J", "€", "\u2028"])
    def test_rfc9110_5_5_no_control_character_even_when_the_name_is_known(self, value: str) -> None:
        encode_field("x-known", "good")
        with pytest.raises(ValueError, match="x-known"):
            encode_field("x-known", value)

    @pytest.mark.parametrize("name", ["", "a b", "a:", "grüße", "a\r\nb"])
    def test_rfc9110_5_6_2_a_name_is_a_token_each_time(self, name: str) -> None:
        for _ in range(2):
            with pytest.raises(ValueError, match="header"):
                encode_field(name, "value")

    def test_names_that_are_made_up_all_the_time_are_not_all_kept(self) -> None:
        for number in range(3000):
            assert encode_field(f"X-{number}", "v") == (b"x-%d" % number, b"v")
            assert Headers([(b"x-%d" % number, b"v")]).get(f"X-{number}") == "v"


def test_fields_that_are_somebody_else_s_are_read_only() -> None:
    raw = [(b"host", b"a")]
    fixed = FixedHeaders(raw)
    for change in (
        lambda: fixed.add("x", "1"),
        lambda: fixed.__setitem__("host", "b"),
        lambda: fixed.__delitem__("host"),
        lambda: fixed.update({"x": "1"}),
        lambda: fixed.setdefault("x", "1"),
    ):
        with pytest.raises(TypeError, match="to be read only"):
            change()
    assert raw == [(b"host", b"a")]
    assert fixed["Host"] == "a"
    assert fixed.setdefault("host", "b") == "a"
