"""A head whose fields are byte for byte those of the head before it on the connection: read without the parser."""

import pytest

from penstock.errors import RequestRejected
from penstock.http.head import HeadReader
from penstock.http.messages import CHUNKED


class Limits:
    request_line: int = 256
    header_section: int = 1024
    headers: int = 10


@pytest.fixture
def reader() -> HeadReader:
    return HeadReader(Limits())


FIELDS = b"Host: example.org\r\nAccept: text/html \r\nConnection: keep-alive\r\n\r\n"


def test_same_fields_mean_the_same(reader: HeadReader) -> None:
    first = reader.read(b"GET /a HTTP/1.1\r\n" + FIELDS, "http")
    reader.read(b"GET /b?c=d HTTP/1.1\r\n" + FIELDS, "http", first)
    again = reader.read(b"GET /b?c=d HTTP/1.1\r\n" + FIELDS, "http", first)
    assert (again.method, again.path, again.query) == ("GET", "/b", b"c=d")
    assert (
        again.headers
        == first.headers
        == [
            (b"host", b"example.org"),
            (b"accept", b"text/html"),
            (b"connection", b"keep-alive"),
        ]
    )
    assert (again.host, again.authority, again.framing) == (first.host, first.authority, first.framing)


def test_other_fields_are_read(reader: HeadReader) -> None:
    first = reader.read(b"GET /a HTTP/1.1\r\n" + FIELDS, "http")
    other = reader.read(b"GET /a HTTP/1.1\r\nHost: example.net\r\n\r\n", "http", first)
    assert other.host == "example.net"
    longer = reader.read(b"GET /a HTTP/1.1\r\nX: y\r\n" + FIELDS, "http", first)
    assert longer.find(b"x") == b"y"
    # The bytes behind the first line end with those of the head before, and are more.
    assert len(longer.headers) == len(first.headers) + 1


def test_a_field_more_that_is_wrong_is_refused(reader: HeadReader) -> None:
    first = reader.read(b"GET /a HTTP/1.1\r\n" + FIELDS, "http")
    with pytest.raises(RequestRejected) as caught:
        reader.read(b"GET /a HTTP/1.1\r\nHost: example.net\r\n" + FIELDS, "http", first)
    assert caught.value.status == 400


def test_the_version_decides_what_the_same_fields_mean(reader: HeadReader) -> None:
    chunked = b"Host: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    first = reader.read(b"POST / HTTP/1.1\r\n" + chunked, "http")
    assert first.content_length == CHUNKED
    for _ in range(2):  # the second time, the request line is known
        with pytest.raises(RequestRejected) as caught:
            reader.read(b"POST / HTTP/1.0\r\n" + chunked, "http", first)
        assert caught.value.rule == "RFC 9112 section 6.1"
    old = reader.read(b"GET / HTTP/1.0\r\nHost: a\r\n\r\n", "http")
    new = reader.read(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "http", old)
    assert not old.keep_alive
    assert new.keep_alive


def test_a_body_is_announced_again(reader: HeadReader) -> None:
    raw = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n"
    first = reader.read(raw, "http")
    again = reader.read(raw, "http", first)
    assert (again.content_length, again.expects_continue) == (3, True)
    assert reader.read(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "http", again).content_length == 0


def test_what_a_proxy_says_is_read_each_time(reader: HeadReader) -> None:
    raw = b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n"
    first = reader.read(raw, "http")
    first.host = "changed by what the proxy said"
    assert reader.read(raw, "http", first).host == "a"


def test_an_unknown_line_in_front_of_known_fields_is_judged(reader: HeadReader) -> None:
    first = reader.read(b"GET /a HTTP/1.1\r\n" + FIELDS, "http")
    for line, status in (
        (b"GET  /a HTTP/1.1\r\n", 400),
        (b"GET /%zz HTTP/1.1\r\n", 400),
        (b"GET /a HTTP/1.2\r\n", 400),
    ):
        with pytest.raises(RequestRejected) as caught:
            reader.read(line + FIELDS, "http", first)
        assert caught.value.status == status
