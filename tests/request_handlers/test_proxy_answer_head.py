"""The heads of answers, judged: what two readers could read differently is refused (peers of both sides are strangers)."""

import pytest

from penstock.http.messages import CHUNKED
from penstock.request_handlers.proxy_answer_head import UNTIL_CLOSE, AnswerHead, AnswerReader, BadAnswer


def read(*lines: bytes, status: bytes = b"HTTP/1.1 200 OK", reader: AnswerReader | None = None) -> AnswerHead:
    return (reader or AnswerReader(8192)).read(b"\r\n".join((status, *lines, b"", b"")))


def test_rfc9112_section_4_a_head_is_read() -> None:
    head = read(b"Content-Type:  text/plain \t", b"X-One: 1", b"x-one: 2", b"Content-Length: 5")
    assert (head.status, head.length, head.keeps_alive) == (200, 5, True)
    assert head.fields == [
        (b"content-type", b"text/plain"),
        (b"x-one", b"1"),
        (b"x-one", b"2"),
        (b"content-length", b"5"),
    ]


@pytest.mark.parametrize(
    ("lines", "status", "length"),
    [
        ((), b"HTTP/1.1 200 OK", UNTIL_CLOSE),
        ((b"Content-Length: 0",), b"HTTP/1.1 200 OK", 0),
        ((b"Transfer-Encoding: cHuNkEd",), b"HTTP/1.1 200 OK", CHUNKED),
        ((b"Content-Length: 9",), b"HTTP/1.1 304 Not Modified", 0),
        ((b"Transfer-Encoding: chunked",), b"HTTP/1.1 204 No Content", 0),
        ((), b"HTTP/1.1 599", UNTIL_CLOSE),
        ((), b"HTTP/1.1 200 ", UNTIL_CLOSE),
        ((), b"HTTP/1.1 200 Gr\xfc\xdfe", UNTIL_CLOSE),
    ],
)
def test_rfc9112_section_6_3_how_long_the_body_is(lines: tuple[bytes, ...], status: bytes, length: int) -> None:
    assert read(*lines, status=status).length == length


@pytest.mark.parametrize(
    ("lines", "status", "is_kept"),
    [
        ((), b"HTTP/1.1 200 OK", True),
        ((b"Connection: keep-alive, Close",), b"HTTP/1.1 200 OK", False),
        ((), b"HTTP/1.0 200 OK", False),
        ((b"Connection: Keep-Alive",), b"HTTP/1.0 200 OK", True),
    ],
)
def test_rfc9112_section_9_3_whether_the_connection_stays(
    lines: tuple[bytes, ...], status: bytes, is_kept: bool
) -> None:
    assert read(*lines, status=status).keeps_alive is is_kept


def test_rfc9110_section_7_6_1_what_is_the_connections_own_goes_no_further() -> None:
    head = read(
        b"Connection: close, X-Secret, Content-Length",
        b"Keep-Alive: timeout=5",
        b"Proxy-Authenticate: Basic",
        b"Proxy-Connection: close",
        b"Upgrade: h2c",
        b"Trailer: X-T",
        b"TE: gzip",
        b"X-Secret: 1",
        b"Content-Length: 3",
        b"X-Open: 2",
    )
    assert head.fields == [(b"content-length", b"3"), (b"x-open", b"2")]


def test_fields_are_set_and_dropped_as_the_operator_says() -> None:
    reader = AnswerReader(8192, replaced={b"server": b"", b"x-frame-options": b"DENY"})
    head = read(b"Server: gunicorn", b"X-Frame-Options: SAMEORIGIN", b"X-One: 1", reader=reader)
    assert head.fields == [(b"x-one", b"1"), (b"x-frame-options", b"DENY")]


@pytest.mark.parametrize(
    ("lines", "status", "told"),
    [
        ((b"Content-Length: 5", b"Transfer-Encoding: chunked"), b"", "malformed head"),  # row 1
        ((b"Transfer-Encoding: chunked", b"Content-Length: 5"), b"", "malformed head"),
        ((b"Content-Length: 5", b"Content-Length: 6"), b"", "malformed head"),  # row 2
        ((b"Content-Length: 5", b"Content-Length: 5"), b"", "malformed head"),
        ((b"Content-Length: 5, 5",), b"", "malformed head"),  # row 3
        ((b"Content-Length: +5",), b"", "malformed head"),  # row 4
        ((b"Content-Length: -1",), b"", "malformed head"),
        ((b"Content-Length: 010",), b"", "not a number of bytes"),
        ((b"Content-Length: 0x10",), b"", "malformed head"),
        ((b"Content-Length:",), b"", ""),
        ((b"Content-Length: " + b"9" * 30,), b"", "malformed head"),  # row 5
        ((b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"), b"", "a transfer coding other than"),  # row 6
        ((b"Transfer-Encoding: gzip, chunked",), b"", "a transfer coding other than"),  # row 7
        ((b"Transfer-Encoding: identity",), b"", "a transfer coding other than"),
        ((b"Transfer-Encoding: xchunked",), b"", "a transfer coding other than"),
        ((b"Transfer-Encoding: ,chunked",), b"", "a transfer coding other than"),  # row 8
        ((b"Transfer-Encoding: \x0bchunked",), b"", ""),  # row 9
        ((b"Transfer-Encoding: chunked",), b"HTTP/1.0 200 OK", "Transfer-Encoding in HTTP/1.0"),  # row 11
        ((b"Content-Length : 5",), b"", "malformed head"),  # row 12
        ((b" Content-Length: 5",), b"", ""),
        ((b"Content-Length 5",), b"", "malformed head"),
        ((b"A: b\nC: d",), b"", "malformed head"),  # row 13
        ((b"A: b\rC: d",), b"", "malformed head"),  # row 14
        ((b"A: b", b" folded"), b"", "malformed head"),  # row 16
        ((b"A: b\x00c",), b"", ""),  # row 17
        ((b"A: b\x01c",), b"", ""),  # row 18
        ((b"A: b\x7fc",), b"", ""),
        ((b": b",), b"", ""),  # row 19
        (("Ä: b".encode(),), b"", "malformed head"),
        ((b"A b: c",), b"", "malformed head"),
        ((), b"HTTP/1.1 200 O\x01K", ""),
        ((), b"HTTP/1.1 99 Low", "status line"),
        ((), b"HTTP/1.1 600 High", "status line"),
        ((), b"HTTP/1.1 2000 Long", "status line"),
        ((), b"HTTP/2.0 200 OK", "status line"),
        ((), b"HTTP/1.1  200 OK", "status line"),
        ((), b"http/1.1 200 OK", "status line"),
        ((), b"ICY 200 OK", "status line"),
        ((), b"", "status line"),
        (tuple(b"A: b" for _ in range(201)), b"", "more than 200 fields"),
        ((b"A: " + b"b" * 9000,), b"", "more than 8192 bytes"),
    ],
)
def test_bad_input_what_is_no_answer_is_refused(lines: tuple[bytes, ...], status: bytes, told: str) -> None:
    with pytest.raises(BadAnswer) as caught:
        read(*lines, status=status or (b"HTTP/1.1 200 OK" if lines else b""))
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("beginning", "told"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "not HTTP/1.1"),
        (b"HTTP/2", "not HTTP/1.1"),
        (b"\x16\x03\x01", "not HTTP/1.1"),
        (b"HTTP/1.1 200 OK\n\n", "does not end with CRLF"),
        (b"HTTP/1.1 200 OK\r\nA: " + b"b" * 8192, "more than 8192 bytes"),
    ],
)
def test_row_32_what_can_never_become_a_head_is_refused_at_once(beginning: bytes, told: str) -> None:
    with pytest.raises(BadAnswer, match=told):
        AnswerReader(8192).judge_beginning(beginning)


@pytest.mark.parametrize("beginning", [b"", b"H", b"HTTP/1.", b"HTTP/1.1 200 OK\r\nA: b\r"])
def test_a_beginning_may_go_on(beginning: bytes) -> None:
    AnswerReader(8192).judge_beginning(beginning)


def test_a_head_that_comes_again_means_the_same_and_is_not_changed_by_anybody() -> None:
    reader = AnswerReader(8192)
    assert read(b"A: b", reader=reader) is read(b"A: b", reader=reader)
    for number in range(300):
        assert read(b"A: %d" % number, reader=reader).fields == [(b"a", b"%d" % number)]


def test_rfc9110_section_15_2_interim_heads_are_told_from_final_ones() -> None:
    assert read(status=b"HTTP/1.1 103 Early Hints").is_interim
    assert not read().is_interim


def test_a_field_that_came_twice_is_not_the_only_one() -> None:
    head = read(b"A: 1", b"A: 2", b"B: 3")
    assert head.find(b"a") is None
    assert head.find(b"b") == b"3"
    assert head.find(b"c") is None
