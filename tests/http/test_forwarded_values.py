"""This file is the test of how single values of proxies are read (RFC 7239 sections 4 and 6)."""

from ipaddress import ip_address

import pytest

from penstock.errors import RequestRejected
from penstock.http.forwarded_values import MAX_HOPS, plain_address, read_elements, read_node


class TestElements:
    def test_names_are_lowered_and_values_unquoted(self) -> None:
        assert read_elements(b'For="[::1]:80";PROTO=https, by=_a;ext="a\\"b"') == [
            {b"for": b"[::1]:80", b"proto": b"https"},
            {b"by": b"_a", b"ext": b'a"b'},
        ]

    def test_what_is_empty_counts_as_an_element(self) -> None:
        assert read_elements(b"for=a,,") == [{b"for": b"a"}, {}, {}]

    def test_as_many_as_there_can_be_and_not_one_more(self) -> None:
        assert len(read_elements(b",".join([b"for=a"] * MAX_HOPS))) == MAX_HOPS
        with pytest.raises(RequestRejected):
            read_elements(b",".join([b"for=a"] * (MAX_HOPS + 2)))

    @pytest.mark.parametrize("value", [b"for", b'for="a', b"for=a for=b", b"for=a;for=b", b"for==a"])
    def test_what_the_grammar_does_not_know_is_refused(self, value: bytes) -> None:
        with pytest.raises(RequestRejected):
            read_elements(value)


class TestNode:
    @pytest.mark.parametrize("is_strict", [True, False])
    @pytest.mark.parametrize(
        ("text", "node"),
        [
            (b"192.0.2.1", ("192.0.2.1", 0)),
            (b"192.0.2.1:80", ("192.0.2.1", 80)),
            (b"[2001:db8::1]:_x", ("2001:db8::1", 0)),
            (b"UNKNOWN", None),
            (b"_x:80", None),
        ],
    )
    def test_what_both_fields_know(self, text: bytes, node: tuple[str, int] | None, is_strict: bool) -> None:
        assert read_node(text, is_strict=is_strict) == node

    def test_ipv6_without_brackets_is_for_x_forwarded_for_only(self) -> None:
        assert read_node(b"2001:db8::1") == ("2001:db8::1", 0)
        with pytest.raises(RequestRejected):
            read_node(b"2001:db8::1", is_strict=True)

    @pytest.mark.parametrize("text", [b"", b"a", b"1.2.3.4:99999", b"300.1.1.1", b"[1::2::3]"])
    def test_anything_else_is_refused(self, text: bytes) -> None:
        with pytest.raises(RequestRejected):
            read_node(text)


class TestPlainAddress:
    def test_ipv4_in_ipv6_is_ipv4(self) -> None:
        assert plain_address(ip_address("::ffff:192.0.2.1")) == ip_address("192.0.2.1")
        assert plain_address(ip_address("2001:db8::1")) == ip_address("2001:db8::1")
        assert plain_address(ip_address("192.0.2.1")) == ip_address("192.0.2.1")
