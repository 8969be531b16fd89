"""Where a body ends: RFC 9112 sections 6 and 7, bad-input rows 20 to 26."""

import time
from collections.abc import Iterable
from contextlib import suppress

import h11
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.errors import RequestRejected
from penstock.http.framing import ChunkedBody, LengthBody
from tests.wire.bad_input_cases import Case, read_cases

HEAD = b"POST / HTTP/1.1\r\nHost: example.org\r\nTransfer-Encoding: chunked\r\n\r\n"
CASES = [case for case in read_cases() if case.request.startswith(HEAD)]


def read_chunks(received: Iterable[bytes]) -> tuple[ChunkedBody, bytes, bytes]:
    """The decoder, the body, and what lies beyond, after `received` was fed piece by piece."""
    body, pieces, rest = ChunkedBody(), list[bytes](), b""
    for piece in received:
        if body.is_complete:
            rest += piece
        else:
            rest = body.feed(piece, pieces)
    return body, b"".join(pieces), rest


def bytewise(raw: bytes) -> Iterable[bytes]:
    return (raw[index : index + 1] for index in range(len(raw)))


def refusal(received: Iterable[bytes]) -> tuple[RequestRejected, bytes]:
    """How `received` is refused, and what of the body was handed over before."""
    body = ChunkedBody()
    pieces: list[bytes] = []
    with pytest.raises(RequestRejected) as caught:
        for piece in received:
            body.feed(piece, pieces)
    assert not body.is_complete
    return caught.value, b"".join(pieces)


class TestContentLength:
    """RFC 9112 section 6.3 rule 6."""

    def test_no_bytes_are_complete_at_once(self) -> None:
        assert LengthBody(0).is_complete

    def test_exactly_its_bytes(self) -> None:
        body, pieces = LengthBody(5), list[bytes]()
        assert body.feed(b"hello", pieces) == b""
        assert (pieces, body.is_complete) == ([b"hello"], True)

    def test_what_is_beyond_comes_back(self) -> None:
        body, pieces = LengthBody(5), list[bytes]()
        assert body.feed(b"helloGET /", pieces) == b"GET /"
        assert (pieces, body.is_complete) == ([b"hello"], True)

    def test_byte_by_byte(self) -> None:
        body, pieces = LengthBody(5), list[bytes]()
        for piece in bytewise(b"hello"):
            assert not body.is_complete
            assert body.feed(piece, pieces) == b""
        assert (b"".join(pieces), body.is_complete) == (b"hello", True)

    @pytest.mark.parametrize("cut", range(1, 10))
    def test_every_cut(self, cut: int) -> None:
        body, pieces, rest = LengthBody(5), list[bytes](), b""
        for piece in (b"helloGET /"[:cut], b"helloGET /"[cut:]):
            rest += piece if body.is_complete else body.feed(piece, pieces)
        assert (b"".join(pieces), rest, body.is_complete) == (b"hello", b"GET /", True)


class TestChunks:
    """RFC 9112 section 7.1."""

    @pytest.mark.parametrize(
        ("raw", "expected"),
        [
            (b"0\r\n\r\n", b""),
            (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
            (b"1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", b"hello"),
            (b"A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n", b"01234567890123456789"),
            (b"0000000000000005\r\nhello\r\n0\r\n\r\n", b"hello"),
            (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
            (b"5\r\n0\r\n\r\n\r\n0\r\n\r\n", b"0\r\n\r\n"),
            (b'5;a=b;c="d e"\r\nhello\r\n0;f\r\n\r\n', b"hello"),
            (b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n", b"hello"),
        ],
    )
    def test_good_bodies_whole_bytewise_and_at_every_cut(self, raw: bytes, expected: bytes) -> None:
        behind = b"GET / HTTP/1.1\r\n"
        ways = [
            [raw + behind],
            bytewise(raw + behind),
            *([raw[:cut], raw[cut:] + behind] for cut in range(1, len(raw))),
        ]
        for way in ways:
            body, content, rest = read_chunks(way)
            assert (body.is_complete, content, rest) == (True, expected, behind)

    def test_not_complete_before_the_last_byte(self) -> None:
        raw = b"5\r\nhello\r\n0\r\nX: 1\r\n\r\n"
        for end in range(len(raw)):
            assert not read_chunks([raw[:end]])[0].is_complete

    def test_pieces_of_a_chunk_are_handed_over_as_they_come(self) -> None:
        body, pieces = ChunkedBody(), list[bytes]()
        body.feed(b"100\r\nabc", pieces)
        assert pieces == [b"abc"]
        body.feed(b"def", pieces)
        assert pieces == [b"abc", b"def"]

    @pytest.mark.parametrize(
        "size",
        [b"", b" ", b"0x5", b"+5", b"-5", b"-0", b"1_0", b" 5", b"5 ", b"5\t", b"Z", b"5g", b"5\0", b"5,5", b"\xa05",
         b"\xef\xbc\x95", b"10000000000000005", b"0" * 16 + b"5", b";a", b'"5"'],
    )  # fmt: skip
    def test_size_is_one_to_sixteen_hexadecimal_digits(self, size: bytes) -> None:
        for way in ([size + b"\r\nhello\r\n0\r\n\r\n"], bytewise(size + b"\r\nhello\r\n0\r\n\r\n")):
            error, content = refusal(way)
            assert (error.status, content) == (400, b"")
            assert error.rule == "RFC 9112 section 7.1"

    @pytest.mark.parametrize("end", [b"XX", b"X", b"\n", b"\r", b"\rX", b"X\n", b"\n\r", b" \r\n", b"\r\r\n", b"!\r\n"])
    def test_data_ends_with_crlf(self, end: bytes) -> None:
        """h11 CVE-2025-43859."""
        raw = b"5\r\nhello" + end + b"0\r\n\r\nGET / HTTP/1.1\r\n\r\n"
        for way in ([raw], bytewise(raw)):
            error, content = refusal(way)
            assert (error.status, content) == (400, b"hello")

    @pytest.mark.parametrize(
        "raw", [b"5\nhello\r\n0\r\n\r\n", b"5\rhello\r\n", b"5\r\r\nhello", b"5\r\r;a\r\nhello", b"5;a\nb\r\nhello", b"5;a\rb\r\nhello", b"\n5\r\nhello"]
    )  # fmt: skip
    def test_only_crlf_ends_a_line(self, raw: bytes) -> None:
        for way in ([raw], bytewise(raw)):
            assert refusal(way)[1] == b""

    @pytest.mark.parametrize("extension", [b"a\0b", b"a\x01", b"a=\x7f", b"\x1f", b"a\x0bb"])
    def test_extension_holds_no_control_character(self, extension: bytes) -> None:
        for way in ([b"5;" + extension + b"\r\nhello\r\n"], bytewise(b"5;" + extension + b"\r\nhello\r\n")):
            assert refusal(way)[0].status == 400

    def test_extension_in_quotes_ends(self) -> None:
        """RFC 9110 section 5.6.4: a quote that stays open would hide the line's end from a reader who honours it."""
        assert refusal([b'5;a="b\r\nhello\r\n0\r\n\r\n'])[1] == b""


class TestTrailers:
    """RFC 9112 section 7.1.2, RFC 9110 section 6.5.1."""

    def test_are_kept_apart(self) -> None:
        body, content, rest = read_chunks([b'0\r\nX-Sum: 1 \r\nETag:\t"a"\r\nX-Empty:\r\n\r\n'])
        assert (content, rest) == (b"", b"")
        assert body.trailers == [(b"x-sum", b"1"), (b"etag", b'"a"'), (b"x-empty", b"")]

    @pytest.mark.parametrize(
        "name", [b"Content-Length", b"transfer-encoding", b"HOST", b"Authorization", b"Content-Type", b"Content-Encoding", b"Content-Range", b"Trailer", b"Connection", b"Cookie", b"X-Forwarded-For"]
    )  # fmt: skip
    def test_fields_that_frame_route_or_vouch_are_refused(self, name: bytes) -> None:
        assert refusal([b"0\r\n" + name + b": 1\r\n\r\n"])[0].status == 400

    @pytest.mark.parametrize(
        "line",
        [b"bad", b": 1", b"X : 1", b" X: 1", b"X: 1\r\n y", b"X: a\0b", b"X: a\rb", b"X: a\nb", b"X(: 1", b"X\xe4: 1", b"X: \x01", b"GET / HTTP/1.1"],
    )  # fmt: skip
    def test_malformed_lines_are_refused(self, line: bytes) -> None:
        for way in ([b"0\r\n" + line + b"\r\n\r\n"], bytewise(b"0\r\n" + line + b"\r\n\r\n")):
            assert refusal(way)[0].status == 400

    def test_a_few_are_taken_and_thousands_are_not(self) -> None:
        few = b"".join(b"X-%d: 1\r\n" % number for number in range(50))
        assert len(read_chunks([b"0\r\n" + few + b"\r\n"])[0].trailers) == 50
        many = b"".join(b"X-%d: 1\r\n" % number for number in range(5000))
        assert refusal([b"0\r\n" + many + b"\r\n"])[0].status in (400, 413, 431)


class TestBudget:
    """Rows 21, 25 and 26: what is not body is bounded, in whatever pieces it comes, before its line ends."""

    @pytest.mark.parametrize("size", [1, 7, 1000, 65_536])
    @pytest.mark.parametrize("start", [b"5;a=", b"0\r\nX: ", b"0\r\n", b"5\r\nhello\r\n0;"])
    def test_line_that_never_ends(self, start: bytes, size: int) -> None:
        def endless() -> Iterable[bytes]:
            yield start
            for _ in range(0, 100_000, size):
                yield b"x" * size

        assert refusal(endless())[0].status in (400, 413, 431)

    def test_extension_on_every_chunk(self) -> None:
        error, content = refusal([b"1;" + b"a" * 1000 + b"\r\nh\r\n"] * 1000)
        assert error.status in (400, 413, 431)
        assert len(content) < 100

    def test_trailers_that_never_end(self) -> None:
        assert refusal([b"0\r\n", *[b"X: " + b"a" * 1000 + b"\r\n"] * 1000])[0].status in (400, 413, 431)

    def test_large_chunks_may_be_as_many_as_they_like(self) -> None:
        chunk = b"4000;signature=0123456789abcdef\r\n" + b"a" * 0x4000 + b"\r\n"
        body, content, _ = read_chunks([*[chunk] * 500, b"0\r\n\r\n"])
        assert (body.is_complete, len(content)) == (True, 500 * 0x4000)

    def test_tiny_chunks_cost_linear_time(self) -> None:
        def seconds(count: int) -> float:
            started = time.perf_counter()
            with suppress(RequestRejected):  # the budget may end it
                read_chunks([b"1\r\na\r\n" * count + b"0\r\n\r\n"])
            return time.perf_counter() - started

        # Ten times the chunks: ten times the time, or a hundred if it were quadratic.
        assert seconds(100_000) < 40 * max(min(seconds(10_000) for _ in range(3)), 0.001)

    def test_dribbled_line_costs_linear_time(self) -> None:
        started = time.perf_counter()
        for _ in range(20):
            read_chunks([*bytewise(b"5;" + b"a" * 3000)])
        assert time.perf_counter() - started < 5


class TestCorpus:
    """The chunked bodies of the corpus, without a socket."""

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
    def test_verdict(self, case: Case) -> None:
        raw = case.request[len(HEAD) :]
        step = len(raw) // 5000 + 1
        for way in ([raw], [raw[start : start + step] for start in range(0, len(raw), step)]):
            self.check(case, way)

    def check(self, case: Case, way: list[bytes]) -> None:
        refused: list[int] = []
        try:
            body, content, _ = read_chunks(way)
        except RequestRejected as error:
            refused.append(error.status)
        if refused:
            assert refused[0] in case.status
        elif body.is_complete:
            assert (200 in case.status, content) == (True, case.body)
        else:  # only the client's end of data can cut it off
            assert case.half_close
            assert case.body_prefix is not None
            assert case.body_prefix.startswith(content)


def ask_h11(raw: bytes) -> bytes | None:
    """The body h11 reads from `raw`; None where it refuses it or sees no end."""
    connection, body = h11.Connection(h11.SERVER), b""
    try:
        connection.receive_data(HEAD + raw)
        while True:
            event = connection.next_event()
            if isinstance(event, h11.EndOfMessage):
                return body
            if event is h11.NEED_DATA:
                return None
            body += bytes(event.data) if isinstance(event, h11.Data) else b""
    except h11.RemoteProtocolError:
        return None


MATERIAL = [
    b"\r",
    b"\n",
    b"\r\n",
    b"0",
    b"5",
    b"a",
    b";",
    b"=",
    b'"',
    b" ",
    b"\t",
    b"\0",
    b"x",
    b"0\r\n",
    b"\r\n\r\n",
    b"X: 1\r\n",
    b"_",
    b"+",
    b"-",
    b"\xff",
]
GOOD = [
    b"5\r\nhello\r\n0\r\n\r\n",
    b"1\r\nh\r\n4;a=b\r\nello\r\n0\r\nX-Sum: 1\r\n\r\n",
    b"10\r\n0123456789abcdef\r\n00;c\r\n\r\n",
]


@st.composite
def mutated_bodies(draw: st.DrawFn) -> tuple[bytes, int]:
    """A good body with up to three wounds, and where to cut it in two."""
    raw = bytearray(draw(st.sampled_from(GOOD)))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(raw)))
        raw[start : start + draw(st.integers(0, 2))] = draw(st.sampled_from(MATERIAL) | st.binary(max_size=1))
    return bytes(raw), draw(st.integers(0, len(raw)))


class TestFuzz:
    @settings(
        max_examples=1000, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )
    @given(mutated_bodies())
    def test_pieces_change_nothing_and_h11_agrees(self, wounded: tuple[bytes, int]) -> None:
        raw, cut = wounded
        verdicts = {self.verdict(way) for way in ([raw], [raw[:cut], raw[cut:]], bytewise(raw))}
        assert len(verdicts) == 1
        content = verdicts.pop()
        if content is not None:
            assert ask_h11(raw) == content

    def verdict(self, way: Iterable[bytes]) -> bytes | None:
        try:
            body, content, _ = read_chunks(piece for piece in way if piece)
        except RequestRejected:
            return None
        return content if body.is_complete else None
