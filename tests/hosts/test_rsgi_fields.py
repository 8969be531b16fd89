"""Fields and addresses, as text and as bytes."""

import pytest

from penstock.hosts.rsgi_fields import address_of, fields_for_server, fields_from_server


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("203.0.113.7:4711", ("203.0.113.7", 4711)),
        ("[2001:db8::1]:443", ("2001:db8::1", 443)),
        ("2001:db8::1:443", ("2001:db8::1", 443)),  # split at the last colon
        ("localhost", ("localhost", None)),
        ("unix:", None),
        ("unix:/run/x.sock", None),
        ("", None),
    ],
)
def test_middleware_15_4_the_port_stands_behind_the_last_colon(text: str, address: tuple[str, int | None]) -> None:
    assert address_of(text) == address


def test_fields_of_a_request_keep_order_and_duplicates() -> None:
    items = [("x-a", "1"), ("Cookie", "ä"), ("x-a", "2")]
    for _ in range(2):
        assert fields_from_server(items) == [(b"x-a", b"1"), (b"cookie", b"\xe4"), (b"x-a", b"2")]


def test_values_in_utf_8_arrive_byte_for_byte_where_text_is_sent_as_utf_8() -> None:
    fields = fields_for_server([(b"x-utf-8", "ü".encode()), (b"x-latin-1", b"\xfc"), (b"connection", b"close")])
    assert fields == [("x-utf-8", "ü"), ("x-latin-1", "ü")]


def test_what_is_remembered_has_a_bound() -> None:
    for number in range(3000):
        value = f"{number}"
        assert fields_for_server([(b"x-n", value.encode())]) == [("x-n", value)]
        assert fields_for_server([(b"etag", value.encode())]) == [("etag", value)]
        assert fields_for_server([(b"x-" + value.encode(), b"1")]) == [(f"x-{value}", "1")]
        assert fields_from_server([("x-n", value)]) == [(b"x-n", value.encode())]
