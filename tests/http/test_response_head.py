"""How the head of a response becomes bytes (RFC 9112 section 4 and 6)."""

from typing import Any

import pytest

from penstock import ContractError
from penstock.http.messages import ResponseHead
from penstock.http.response_head import (
    CLOSES,
    HAS_DATE,
    HAS_SERVER,
    LONGEST_REASON,
    check_trailers,
    is_trailer,
    judge_head,
    write_fields,
    write_head,
)


def written(status: int, *fields: Any, reason: bytes = b"") -> tuple[bytes, int, int]:
    head = ResponseHead(status, list(fields))
    head.reason_phrase = reason
    return write_head(head)


class TestWriting:
    def test_rfc9112_section_4_a_line_and_the_fields_in_their_order(self) -> None:
        text = b"HTTP/1.1 200 OK\r\nx-two: 2\r\nx-one: 1\r\n"
        assert written(200, (b"x-two", b"2"), (b"x-one", b"1")) == (text, -1, 0)

    def test_what_is_said_often_is_said_the_same_the_second_time(self) -> None:
        field = (b"content-type", b"text/css")
        assert written(200, field) == written(200, field) == (b"HTTP/1.1 200 OK\r\ncontent-type: text/css\r\n", -1, 0)

    def test_a_field_that_says_the_same_each_time_is_remembered_and_judged_when_it_says_something_else(self) -> None:
        for value in (b"a", b"a", b"a", b"b", b"a", b"b", b"b"):
            assert written(200, (b"x-own", value))[0] == b"HTTP/1.1 200 OK\r\nx-own: " + value + b"\r\n"
        for _ in range(3):
            with pytest.raises(ContractError):
                written(200, (b"x-own", b"a\nb"))
        for number in range(3000):
            assert written(200, (b"x-%d" % number, b"1"))[0] == b"HTTP/1.1 200 OK\r\nx-%d: 1\r\n" % number

    def test_the_length_is_read_and_kept(self) -> None:
        text, length, notes = written(200, (b"content-length", b"12"))
        assert (text, length, notes) == (b"HTTP/1.1 200 OK\r\ncontent-length: 12\r\n", 12, 0)
        assert written(200, (b"content-length", b"12"), (b"content-length", b"12"))[:2] == (text, 12)

    def test_what_was_noted_on_the_way(self) -> None:
        assert written(200, (b"date", b"x"))[2] == HAS_DATE
        assert written(200, (b"server", b"x"), (b"connection", b"Close"))[2] == HAS_SERVER | CLOSES
        assert written(200, (b"connection", b"keep-alive"))[2] == 0

    @pytest.mark.parametrize(
        "name", [b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"]
    )
    def test_rfc9112_section_7_6_1_what_a_host_decides_alone_is_dropped(self, name: bytes) -> None:
        assert written(200, (name, b"x"), (b"a", b"1"))[0] == b"HTTP/1.1 200 OK\r\na: 1\r\n"

    def test_a_status_that_is_not_registered_has_no_reason(self) -> None:
        assert written(299)[0] == b"HTTP/1.1 299 \r\n"

    def test_pipeline_o10_a_reason_of_its_own(self) -> None:
        assert written(404, reason=b"Nobody Home")[0] == b"HTTP/1.1 404 Nobody Home\r\n"
        for reason in (b"a\r\nb", b"a\x00", b"x" * (LONGEST_REASON + 1)):
            with pytest.raises(ContractError, match="a reason has at most 512 bytes"):
                written(404, reason=reason)


class TestRefusing:
    @pytest.mark.parametrize("status", [-1, 0, 100, 101, 103, 199, 1000])
    def test_what_is_no_final_status(self, status: int) -> None:
        with pytest.raises(ContractError, match="is not the status of a final response"):
            written(status)

    @pytest.mark.parametrize(
        "field",
        [
            (b"", b"1"),
            (b"a b", b"1"),
            (b"a:", b"1"),
            (b"a\r\nb", b"1"),
            (b"x", b"a\r\nb: c"),
            (b"x", b"a\nb"),
            (b"x", b"a\rb"),
            (b"x", b"a\x00"),
            (b"x", b"a\x7f"),
            (b"content-type", b"a\r\nb"),
            (b"content-length", b"five"),
            (b"content-length", b"-1"),
            (b"content-length", b""),
            (b"content-length", b"1" * 19),
            ("x", "1"),
            (b"x", "1"),
            (b"x", None),
            (b"x", 1),
            (b"x",),
            (b"x", b"1", b"2"),
            None,
            7,
        ],
    )
    def test_row_42_a_field_that_http_does_not_allow(self, field: Any) -> None:
        with pytest.raises(ContractError):
            written(200, field)

    def test_row_42_two_different_lengths(self) -> None:
        with pytest.raises(ContractError, match="two different content-length headers"):
            written(200, (b"content-length", b"5"), (b"content-length", b"6"))

    @pytest.mark.parametrize("byte", [byte for byte in range(256) if byte >= 32 and byte != 127] + [9])
    def test_rfc9110_section_5_5_every_other_byte_may_stand_in_a_value(self, byte: int) -> None:
        assert written(200, (b"x", bytes([byte])))[0].endswith(b"x: %c\r\n" % byte)


class TestTrailers:
    def test_fields_that_follow_no_status(self) -> None:
        assert write_fields([(b"x-sum", b"1"), (b"x-count", b"2")]) == b"x-sum: 1\r\nx-count: 2\r\n"
        assert write_fields([]) == b""

    @pytest.mark.parametrize(
        "name",
        [
            b"content-length",
            b"content-type",
            b"transfer-encoding",
            b"host",
            b"set-cookie",
            b"cache-control",
            b"trailer",
            b"date",
        ],
    )
    def test_rfc9110_section_6_5_1_what_is_known_in_front_of_the_body(self, name: bytes) -> None:
        assert not is_trailer(name)
        with pytest.raises(ContractError, match=r"section 6\.5\.1"):
            check_trailers([(b"x-sum", b"1"), (name, b"0")])

    def test_others_may_follow_it(self) -> None:
        assert is_trailer(b"server-timing")
        check_trailers([(b"server-timing", b"db"), (b"x-sum", b"1")])
        with pytest.raises(ContractError):
            check_trailers([(b"x-sum", b"a\r\nb")])


def test_rfc_9110_15_5_22_a_426_says_which_protocol_it_would_have_been() -> None:
    text = write_head(ResponseHead(426, [(b"upgrade", b"websocket")]))[0]
    assert text == b"HTTP/1.1 426 Upgrade Required\r\nconnection: upgrade\r\nupgrade: websocket\r\n"


class TestJudging:
    """What is handed to another server is judged as what is written."""

    @pytest.mark.parametrize("round_", [1, 2])
    def test_what_is_kept_and_noted(self, round_: int) -> None:
        fields = [(b"content-type", b"text/css"), (b"x-id", b"7"), (b"content-length", b"2"), (b"content-length", b"2")]
        head = ResponseHead(200, [*fields, (b"connection", b"close"), (b"upgrade", b"x")])
        assert judge_head(head) == (fields[:3], 2, CLOSES)
        assert written(200, *head.raw_headers)[1:] == (2, CLOSES)

    @pytest.mark.parametrize(
        ("status", "field"),
        [
            (200, (b"x-a", b"a\nb")),
            (200, (b"content-type", b"a\x00b")),
            (200, (b"x a", b"b")),
            (200, (b"", b"b")),
            (200, ("x-a", b"b")),
            (200, (b"x-a", "b")),
            (200, (b"content-length", b"one")),
            (199, (b"x-a", b"b")),
            (1000, (b"x-a", b"b")),
        ],
    )
    def test_what_is_refused(self, status: int, field: Any) -> None:
        with pytest.raises(ContractError) as raised:
            judge_head(ResponseHead(status, [field]))
        with pytest.raises(ContractError) as written_:
            written(status, field)
        assert str(raised.value) == str(written_.value)

    def test_a_reason_and_two_lengths_are_judged_too(self) -> None:
        head = ResponseHead(200, [])
        head.reason_phrase = b"a\r\nb"
        with pytest.raises(ContractError, match="a reason has at most 512 bytes"):
            judge_head(head)
        with pytest.raises(ContractError, match="two different content-length headers"):
            judge_head(ResponseHead(200, [(b"content-length", b"1"), (b"content-length", b"2")]))
