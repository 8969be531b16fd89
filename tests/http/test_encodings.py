"""What a client accepts: RFC 9110 sections 12.4.2, 12.5.1 and 12.5.3, bad-input row 74."""

import random
import time

import pytest

from penstock.http.encodings import MOST_MEMBERS, accepts_explicitly, choose_type, negotiate_encoding, parse_weights

OFFERS = (b"br", b"zstd", b"gzip")


class TestWeights:
    """RFC 9110 section 12.4.2."""

    @pytest.mark.parametrize(
        ("field", "expected"),
        [
            (b"", {}),
            (b"gzip", {b"gzip": 1000}),
            (b"GZip;q=0.5", {b"gzip": 500}),
            (b"gzip ; Q=1.000", {b"gzip": 1000}),
            (b"gzip;q=0.001, br;q=0.", {b"gzip": 1, b"br": 0}),
            (b"x-gzip, x-compress;q=0", {b"gzip": 1000, b"compress": 0}),
            (b"text/html;level=1;q=0.3", {b"text/html": 300}),
            (b"gzip;q", {b"gzip": 1000}),
            (b"gzip, gzip;q=0", {b"gzip": 0}),
            (b", ,gzip,,", {b"gzip": 1000}),
        ],
    )
    def test_rfc9110_12_4_2_weights(self, field: bytes, expected: dict[bytes, int]) -> None:
        assert expected == parse_weights(field)

    @pytest.mark.parametrize("weight", [b"2", b"1.001", b"0.1234", b"-1", b".5", b"", b"nan", b"1e3", "٠".encode()])
    def test_row_74_a_weight_that_is_none_leaves_its_member_out(self, weight: bytes) -> None:
        assert parse_weights(b"br;q=" + weight + b", gzip") == {b"gzip": 1000}


class TestNegotiation:
    """RFC 9110 section 12.5.3."""

    @pytest.mark.parametrize(
        ("field", "expected"),
        [
            (None, b"identity"),
            (b"", b"identity"),
            (b"gzip", b"gzip"),
            (b"x-gzip", b"gzip"),
            (b"gzip, deflate, br, zstd", b"br"),
            (b"gzip, zstd", b"zstd"),
            (b"br;q=0.5, gzip;q=0.8", b"gzip"),
            (b"br;q=0, gzip", b"gzip"),
            (b"*", b"br"),
            (b"*;q=0.5, gzip", b"gzip"),
            (b"br;q=0, *", b"zstd"),
            (b"gzip;q=0", b"identity"),
            (b"deflate", b"identity"),
            (b"identity", b"identity"),
            (b"identity, gzip;q=0.5", b"identity"),
            (b"identity;q=0.5, gzip", b"gzip"),
            (b"identity, gzip", b"gzip"),
            (b"identity;q=0, gzip", b"gzip"),
            (b"*;q=0, identity", b"identity"),
            (b"*;q=0, br", b"br"),
        ],
    )
    def test_rfc9110_12_5_3_choice(self, field: bytes | None, expected: bytes) -> None:
        assert expected == negotiate_encoding(field, OFFERS)

    @pytest.mark.parametrize(
        "field", [b"*;q=0, gzip;q=0", b"*;q=0", b"identity;q=0", b"identity;q=0, deflate", b"identity;q=0, *;q=0"]
    )
    def test_row_74_nothing_is_acceptable(self, field: bytes) -> None:
        assert negotiate_encoding(field, OFFERS) is None

    def test_without_offers_identity_remains(self) -> None:
        assert negotiate_encoding(b"gzip", ()) == b"identity"


class TestAccept:
    """RFC 9110 section 12.5.1."""

    @pytest.mark.parametrize(
        ("field", "expected"),
        [
            (b"text/html,application/xhtml+xml,*/*;q=0.8", True),
            (b"Text/HTML;q=0.1", True),
            (b"*/*", False),
            (b"text/*", False),
            (b"text/html;q=0", False),
            (b"text/htmlx", False),
            (b"", False),
            (None, False),
        ],
    )
    def test_rfc9110_12_5_1_named_itself(self, field: bytes | None, expected: bool) -> None:
        assert expected is accepts_explicitly(field, b"text/html")


class TestHostileInput:
    def test_row_74_only_so_many_members_are_read(self) -> None:
        field = b",".join(b"c%d" % number for number in range(10_000)) + b", gzip"
        assert len(parse_weights(field)) == MOST_MEMBERS
        assert negotiate_encoding(field, OFFERS) == b"identity"

    @pytest.mark.parametrize("piece", [b",", b";", b";q=", b" ", b"gzip;q=0,", b"gzip;q=0;", b"=", b"\xff"])
    def test_row_74_linear_time(self, piece: bytes) -> None:
        field = piece * (1_000_000 // len(piece))
        started = time.perf_counter()
        negotiate_encoding(field, OFFERS)
        assert time.perf_counter() - started < 2

    def test_row_74_any_bytes_have_a_choice(self) -> None:
        chance = random.Random(74)
        pieces = [b"gzip", b"br", b"*", b"identity", b";", b"q=", b"0", b".5", b",", b" ", b"\xff", b"\x00"]
        for _ in range(5000):
            field = b"".join(chance.choices(pieces, k=chance.randrange(12)))
            assert negotiate_encoding(field, OFFERS) in (*OFFERS, b"identity", None)


class TestMediaTypes:
    """RFC 9110 section 12.5.1."""

    @pytest.mark.parametrize(
        ("accept", "index"),
        [
            (b"", 0),
            (b"*/*", 0),
            (b"application/json", 1),
            (b"text/html;q=0.1, application/*;q=0.2", 1),
            (b"image/png", 0),
            (b"text/html;q=0, */*;q=0.1", 1),
        ],
    )
    def test_among_media_types_the_first_wins_when_the_client_does_not_care(self, accept: bytes, index: int) -> None:
        assert choose_type(accept, [b"text/html", b"application/json"]) == index
