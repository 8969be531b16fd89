"""What a client offers of permessage-deflate, and what is agreed upon: the tables of the specification."""

import time

import pytest

from penstock import RequestRejected
from penstock.http.deflate_offers import DeflateParameters, ExtensionOffer, negotiate, read_extensions

DEFLATE = "permessage-deflate"
FLAGS = ("server_no_context_takeover", "client_no_context_takeover")


def answer(tail: str, *, server_bits: int = 15, client_bits: int = 15, forgets: bool = False) -> str | None:
    """What is answered to "permessage-deflate" and `tail`: what stands behind the name, None when nothing is agreed upon."""
    agreed = negotiate(
        read_extensions([f"{DEFLATE}; {tail}".rstrip("; ").encode()]),
        server_max_window_bits=server_bits,
        client_max_window_bits=client_bits,
        server_no_context_takeover=forgets,
    )
    return None if agreed is None else agreed.header.decode().removeprefix(DEFLATE).removeprefix("; ")


class TestReading:
    @pytest.mark.parametrize(
        ("values", "offers"),
        [
            ([], ()),
            ([b""], ()),
            ([b" , ,"], ()),
            ([b"foo"], (ExtensionOffer("foo"),)),
            ([b"foo, bar", b"baz"], (ExtensionOffer("foo"), ExtensionOffer("bar"), ExtensionOffer("baz"))),
            ([b"foo;a;b=1 ; c = 2"], (ExtensionOffer("foo", (("a", None), ("b", "1"), ("c", "2"))),)),
            ([b"foo, foo; a=1"], (ExtensionOffer("foo"), ExtensionOffer("foo", (("a", "1"),)))),
            ([b'foo; a="1"'], (ExtensionOffer("foo", (("a", "1"),)),)),  # D-7
            ([b'foo; a="\\1\\5"'], (ExtensionOffer("foo", (("a", "15"),)),)),
            ([b"foo ,"], (ExtensionOffer("foo"),)),
        ],
    )
    def test_rfc6455_section_9_1(self, values: list[bytes], offers: tuple[ExtensionOffer, ...]) -> None:
        assert read_extensions(values) == offers

    @pytest.mark.parametrize(
        "value",
        [
            b";",
            b"foo;",
            b"foo bar",
            b"foo; a=",
            b"foo; =1",
            b"foo; a b",
            b'foo; a=""',
            b'foo; a="15',
            b'foo; a=14"',
            b'foo; a="',
            b'foo; a="1 2"',
            b'foo; a="1,2"',
            b'foo; a="1\\"',
            b'"foo"',
            b"foo; a=1=2",
            b"foo/bar",
            b"\x80\xff",
            b"foo; \xff",
            b"foo; a=\xff",
        ],
    )
    def test_websockets_h08_what_breaks_the_grammar_fails_the_handshake(self, value: bytes) -> None:
        with pytest.raises(RequestRejected) as caught:
            read_extensions([value])
        assert (caught.value.status, caught.value.rule) == (400, "RFC 6455 section 9.1")

    def test_long_values_take_linear_time(self) -> None:
        began = time.process_time()
        assert read_extensions([b"," * 100_000]) == ()
        assert len(read_extensions([b",".join([b"a; b=1"] * 20_000)])) == 20_000
        for value in (b'a; b="' + b"x" * 100_000, b'a; b="' + b"\\x" * 50_000, b" " * 100_000 + b"=", b"a;b" * 50_000):
            with pytest.raises(RequestRejected):
                read_extensions([value + b"\x00"])
        assert time.process_time() - began < 2

    def test_an_offer_shows_itself(self) -> None:
        assert repr(ExtensionOffer("foo", (("a", None),))) == "ExtensionOffer('foo', (('a', None),))"
        assert ExtensionOffer("foo") != "foo"


class TestNegotiating:
    @pytest.mark.parametrize(
        ("offer", "agreed"),
        [
            ("", ""),
            ("server_no_context_takeover", "server_no_context_takeover"),
            ("client_no_context_takeover", "client_no_context_takeover"),
            ("client_max_window_bits=9", "client_max_window_bits=9"),
            ('client_max_window_bits="9"', "client_max_window_bits=9"),
            ("client_max_window_bits", "client_max_window_bits=15"),
            ("server_max_window_bits", None),
            ("server_max_window_bits=10", "server_max_window_bits=10"),
            ("server_max_window_bits=15", "server_max_window_bits=15"),
            (
                "server_max_window_bits=10; server_no_context_takeover",
                "server_no_context_takeover; server_max_window_bits=10",
            ),
            (
                "server_max_window_bits=10; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=12",
                "client_no_context_takeover; client_max_window_bits=12; server_no_context_takeover; server_max_window_bits=10",
            ),
        ],
    )
    def test_websockets_t35_table_a(self, offer: str, agreed: str | None) -> None:
        assert answer(offer) == agreed

    def test_websockets_t35_table_a_with_thirteen_bits(self) -> None:
        offer = "server_max_window_bits=14, permessage-deflate; server_max_window_bits=13"
        assert answer(offer, server_bits=13) == "server_max_window_bits=13"
        offer = "client_max_window_bits=8, permessage-deflate; client_max_window_bits=13"
        assert answer(offer, server_bits=13) == "client_max_window_bits=13; server_max_window_bits=13"

    @pytest.mark.parametrize(
        ("offer", "agreed"),
        [
            ("", "server_no_context_takeover; server_max_window_bits=14"),
            (
                "client_no_context_takeover",
                "client_no_context_takeover; server_no_context_takeover; server_max_window_bits=14",
            ),
            (
                "client_max_window_bits=9",
                "client_max_window_bits=9; server_no_context_takeover; server_max_window_bits=14",
            ),
            ("server_max_window_bits=10", "server_no_context_takeover; server_max_window_bits=10"),
            ("server_max_window_bits=14", "server_no_context_takeover; server_max_window_bits=14"),
        ],
    )
    def test_websockets_t35_table_b(self, offer: str, agreed: str) -> None:
        assert answer(offer, server_bits=14, forgets=True) == agreed

    @pytest.mark.parametrize("name", ["server_max_window_bits", "client_max_window_bits"])
    @pytest.mark.parametrize("value", ["8", "16", "7", "0", "09", "010", "1", "-9", "9.0", "x", "99999999999999999999"])
    def test_websockets_t35_table_c_window_bits(self, name: str, value: str) -> None:
        assert answer(f"{name}={value}") is None

    @pytest.mark.parametrize("value", ['"15', '14"', '"', "", '""'])
    def test_websockets_t35_table_c_values_that_are_none_fail_the_handshake(self, value: str) -> None:
        """Nothing is agreed upon; and by RFC 6455 section 9.1 there is no handshake either (websockets H-8)."""
        with pytest.raises(RequestRejected):
            answer(f"server_max_window_bits={value}")

    @pytest.mark.parametrize(
        "offer",
        [
            "server_no_context_takeover; server_no_context_takeover",
            "client_no_context_takeover; client_no_context_takeover",
            "server_max_window_bits=10; server_max_window_bits=10",
            "client_max_window_bits; client_max_window_bits=10",
            "server_no_context_takeover=1",
            "client_no_context_takeover=true",
            "unknown",
            "unknown=1",
            "Server_No_Context_Takeover",
            "client_max_window_bits=10; unknown",
        ],
    )
    def test_websockets_d02_an_offer_with_anything_wrong_is_passed_over(self, offer: str) -> None:
        assert answer(offer) is None
        assert answer(f"{offer}, permessage-deflate; client_no_context_takeover") == "client_no_context_takeover"

    def test_websockets_d01_the_first_that_can_be_met(self) -> None:
        assert answer("server_max_window_bits=10, permessage-deflate") == "server_max_window_bits=10"
        offers = read_extensions([b"x-webkit-deflate-frame, foo; bar, permessage-deflate; client_max_window_bits=12"])
        agreed = negotiate(offers)
        assert agreed is not None
        assert agreed.header == b"permessage-deflate; client_max_window_bits=12"

    def test_websockets_d01_nothing_that_was_not_offered(self) -> None:
        assert negotiate(()) is None
        assert negotiate(read_extensions([b"foo, x-webkit-deflate-frame, permessage-deflat"])) is None

    def test_websockets_d06_a_smaller_window_is_asked_only_of_who_offers_it(self) -> None:
        assert answer("", client_bits=10) == ""
        assert answer("client_max_window_bits", client_bits=10) == "client_max_window_bits=10"
        assert answer("client_max_window_bits=9", client_bits=10) == "client_max_window_bits=9"
        agreed = negotiate(read_extensions([b"permessage-deflate"]), client_max_window_bits=10)
        assert agreed is not None
        assert agreed.client_max_window_bits == 15

    def test_websockets_d04_the_server_may_ask_clients_to_forget(self) -> None:
        agreed = negotiate(read_extensions([b"permessage-deflate"]), client_no_context_takeover=True)
        assert agreed is not None
        assert agreed.header == b"permessage-deflate; client_no_context_takeover"

    def test_a_client_reads_the_answer_as_it_was_meant(self) -> None:
        agreed = DeflateParameters(
            server_no_context_takeover=True, server_max_window_bits=11, client_max_window_bits=12
        )
        read = negotiate(read_extensions([agreed.header]))
        assert read is not None
        assert read.header == agreed.header
        assert (read.server_no_context_takeover, read.server_max_window_bits) == (True, 11)
        assert (read.client_no_context_takeover, read.client_max_window_bits) == (False, 12)
