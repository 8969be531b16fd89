"""The judge of request heads: what it reads, in one piece or many, and what it remembers. Bad input is in tests/wire."""

import pytest

from penstock import RequestRejected
from penstock.http.head import HeadReader, judge_size, read_head
from penstock.http.messages import CHUNKED, PLAIN


class Limits:
    request_line: int = 256
    header_section: int = 1024
    headers: int = 10


def head(line: str, *fields: str) -> bytes:
    return "\r\n".join([line, "Host: Shop:80", *fields, "", ""]).encode("latin-1")


def refused(raw: bytes) -> tuple[int, str]:
    with pytest.raises(RequestRejected) as caught:
        read_head(raw, Limits())
    return caught.value.status, caught.value.rule


class TestReading:
    def test_names_are_lower_case_and_values_without_white_space_around(self) -> None:
        found = read_head(head("GET /a?b HTTP/1.1", "X-One:  1 ", "x-ONE:\t2\t"), Limits())
        assert (found.method, found.path, found.query, found.version) == ("GET", "/a", b"b", "1.1")
        assert found.headers == [(b"host", b"Shop:80"), (b"x-one", b"1"), (b"x-one", b"2")]
        assert (found.authority, found.host, found.framing) == (b"Shop:80", "shop", PLAIN)

    def test_in_pieces_it_means_the_same(self) -> None:
        raw = head("POST /a HTTP/1.1", "Content-Length: 5", "X-One: 1")
        reader = HeadReader(Limits())
        for byte in raw:
            reader.feed(bytes([byte]))
        found = reader.take(raw, "http")
        assert (found.method, found.content_length, found.find(b"x-one")) == ("POST", 5, b"1")

    def test_one_reader_reads_heads_with_and_without_bodies(self) -> None:
        reader = HeadReader(Limits())
        for raw, length in (
            (head("POST / HTTP/1.1", "Content-Length: 5"), 5),
            (head("POST / HTTP/1.1", "Transfer-Encoding: chunked"), CHUNKED),
            (head("GET / HTTP/1.1", "Connection: upgrade", "Upgrade: websocket"), 0),
            (head("GET / HTTP/1.0"), 0),
            (head("GET / HTTP/1.1"), 0),
        ):
            assert reader.read(raw, "http").content_length == length

    def test_a_refused_head_harms_not_the_next(self) -> None:
        reader = HeadReader(Limits())
        for bad in (b"G@T / HTTP/1.1\r\n\r\n", head("GET / HTTP/1.1", "Host: two"), b"GET / HTTP/1.1\r\n\r\n"):
            with pytest.raises(RequestRejected):
                reader.read(bad, "http")
            assert reader.read(head("GET /a HTTP/1.1"), "http").headers == [(b"host", b"Shop:80")]

    def test_rfc9112_section_3_2_2_the_absolute_form_keeps_what_was_sent(self) -> None:
        found = read_head(head("GET http://shop:80/a%20b?c HTTP/1.1"), Limits())
        assert (found.target, found.raw_path, found.path) == (b"http://shop:80/a%20b?c", b"/a%20b", "/a b")

    @pytest.mark.parametrize(("host", "name"), [("[::1]:80", "[::1]"), ("EXAMPLE.org", "example.org"), ("", "")])
    def test_the_host_is_without_its_port(self, host: str, name: str) -> None:
        raw = f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        assert read_head(raw, Limits()).host == name


class TestRefusing:
    @pytest.mark.parametrize(
        ("raw", "status"),
        [
            (head("CONNECT shop:80 HTTP/1.1"), 501),
            (head("GET / HTTP/2.0"), 505),
            (head("GET  / HTTP/1.1"), 400),
            (head("get / HTTP/1.1"), 400),
            (head("GET / HTTP/1.1", "X One: 1"), 400),
            (head("GET / HTTP/1.1", "Expect: tea"), 417),
            (head("GET / HTTP/1.1", *["X: 1"] * 10), 431),
            (head("GET / HTTP/1.1", "X: " + "x" * 1100), 431),
            (head("GET /" + "x" * 300 + " HTTP/1.1"), 414),
            (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
        ],
    )
    def test_with_the_status_and_the_rule(self, raw: bytes, status: int) -> None:
        found, rule = refused(raw)
        assert (found, rule[:4]) == (status, "RFC ")


class TestSize:
    def test_row_32_what_is_too_large_is_so_before_it_ends(self) -> None:
        judge_size(b"x" * 257, Limits())
        for received, status in ((b"x" * 258, 414), (b"x" * 257 + b"\r\n", 414), (b"GET\r\n" + b"x" * 1030, 431)):
            with pytest.raises(RequestRejected) as caught:
                judge_size(received, Limits())
            assert caught.value.status == status
