"""The character sets of HTTP, byte by byte."""

import pytest

from penstock.http.grammar import TARGET, TOKEN, is_field_value, is_host, is_token

EVERY_BYTE = [bytes([byte]) for byte in range(256)]


def test_rfc9110_section_5_6_2_a_token() -> None:
    allowed = set(b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert {byte[0] for byte in EVERY_BYTE if is_token(byte)} == allowed == set(TOKEN)
    assert (is_token(b"x-one"), is_token(b""), is_token(b"x one")) == (True, False, False)


def test_rfc9110_section_5_5_a_field_value_holds_no_control_character_but_tab() -> None:
    refused = {byte[0] for byte in EVERY_BYTE if not is_field_value(byte)}
    assert refused == (set(range(0x20)) - {0x09}) | {0x7F}
    assert is_field_value(b"")


def test_rfc3986_no_target_holds_white_space_a_fragment_or_what_is_not_ascii() -> None:
    assert set(TARGET).isdisjoint([*range(0x21), 0x7F, *range(0x80, 0x100), *b"#"])


@pytest.mark.parametrize(
    "host",
    [
        b"example.org",
        b"example.org:80",
        b"example.org:",
        b"127.0.0.1:65535",
        b"[::1]",
        b"[::1]:8000",
        b"a_b.example",
        b"a%20b",
        b"xn--bcher-kva.example:0",
    ],
)
def test_rfc9110_section_7_2_a_host(host: bytes) -> None:
    assert is_host(host)


@pytest.mark.parametrize(
    "host",
    [
        b"",
        b":80",
        b"a b",
        b"a/b",
        b"a@b",
        b"a,b",
        b"a:b",
        b"a:80:80",
        b"a:65536",
        b"a:000080",
        b"a:-1",
        b"a%",
        b"a%2",
        b"a%zz",
        b"[::1",
        b"[]",
        b"[localhost]",
        b"[::1]80",
        b"[::g]",
        b"\xc3\xbc",
        b"a\x00",
    ],
)
def test_rfc9110_section_7_2_no_host(host: bytes) -> None:
    assert not is_host(host)
