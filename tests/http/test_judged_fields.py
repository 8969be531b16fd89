"""What the fields that decide something say together (RFC 9112 section 6); whole requests are in tests/wire."""

import pytest

from penstock import RequestRejected
from penstock.http.judged_fields import collect, judge_framing
from penstock.http.messages import CHUNKED, LAST, PLAIN

HOST = {b"host": b"example.org"}


def fields(**values: str) -> dict[bytes, bytes]:
    return {**HOST, **{name.replace("_", "-").encode(): value.encode() for name, value in values.items()}}


class TestCollecting:
    def test_rfc9110_section_5_3_lists_are_joined_in_their_order(self) -> None:
        assert collect([(b"connection", b"a"), (b"host", b"x"), (b"connection", b"b, c")]) == {
            b"connection": b"a,b, c",
            b"host": b"x",
        }

    @pytest.mark.parametrize(
        "name", [b"host", b"content-length", b"transfer-encoding", b"content-type", b"authorization"]
    )
    def test_row_31_of_two_that_would_be_read_differently_neither_is(self, name: bytes) -> None:
        with pytest.raises(RequestRejected, match=f"more than one {name.decode()} field") as caught:
            collect([(name, b"1"), (name, b"1")])
        assert (caught.value.status, caught.value.rule) == (400, "RFC 9110 section 5.3")


class TestFraming:
    def test_what_nearly_every_request_is_is_shared(self) -> None:
        assert judge_framing(HOST, False) is PLAIN
        assert judge_framing(fields(content_length="0"), False) is PLAIN
        assert judge_framing(fields(connection="close"), False) is LAST
        assert judge_framing({}, True) is LAST

    @pytest.mark.parametrize(
        ("connection", "is_1_0", "keeps"),
        [
            ("", False, True),
            ("close", False, False),
            ("keep-alive, Close", False, False),
            ("upgrade", False, True),
            ("", True, False),
            ("Keep-Alive", True, True),
            ("keep-alive, close", True, False),
        ],
    )
    def test_rfc9112_section_9_3_who_keeps_the_connection(self, connection: str, is_1_0: bool, keeps: bool) -> None:
        assert judge_framing(fields(connection=connection), is_1_0).keep_alive == keeps

    def test_rfc9112_section_6_a_body_has_a_length_or_comes_in_chunks(self) -> None:
        assert judge_framing(fields(content_length="5"), False).content_length == 5
        assert judge_framing(fields(transfer_encoding="Chunked"), False).content_length == CHUNKED

    def test_rfc9110_section_10_1_1_only_who_sends_a_body_waits_to_be_told(self) -> None:
        assert judge_framing(fields(expect="100-Continue", content_length="5"), False).expects_continue
        assert not judge_framing(fields(expect="100-continue"), False).expects_continue
        assert not judge_framing(fields(expect="100-continue", content_length="5"), True).expects_continue

    def test_offers_and_the_word_of_proxies_are_noted(self) -> None:
        assert judge_framing(fields(upgrade="websocket"), False).is_upgrade
        assert judge_framing(fields(x_forwarded_for="10.0.0.1"), False).is_forwarded
        assert not judge_framing(fields(content_length="5"), False).is_forwarded

    @pytest.mark.parametrize(
        ("said", "is_1_0", "status"),
        [
            ({"content_length": "5", "transfer_encoding": "chunked"}, False, 400),
            ({"transfer_encoding": "chunked"}, True, 400),
            ({"transfer_encoding": "gzip, chunked"}, False, 501),
            ({"transfer_encoding": ""}, False, 501),
            ({"content_length": ""}, False, 400),
            ({"content_length": "+5"}, False, 400),
            ({"content_length": "05"}, False, 400),
            ({"content_length": "5, 5"}, False, 400),
            ({"content_length": "1" * 19}, False, 400),
            ({"expect": "a miracle"}, False, 417),
        ],
    )
    def test_what_two_readers_could_see_differently_is_refused(
        self, said: dict[str, str], is_1_0: bool, status: int
    ) -> None:
        with pytest.raises(RequestRejected) as caught:
            judge_framing(fields(**said), is_1_0)
        assert caught.value.status == status
        assert caught.value.rule.startswith("RFC 91")

    def test_rfc9112_section_3_2_a_request_names_its_host(self) -> None:
        with pytest.raises(RequestRejected, match="names its Host"):
            judge_framing({}, False)
